//! Shapes, and how they are split.

use super::*;

fn shape(outputs: usize, inputs: usize, arrangement: Arrangement) -> MatrixShape {
    MatrixShape {
        outputs,
        inputs,
        format: Format::F32,
        arrangement,
    }
}

#[test]
fn rows_are_padded_to_whole_blocks() {
    let sizes = |format| {
        [1, 8, 9].map(|inputs| {
            MatrixShape {
                format,
                ..shape(3, inputs, Arrangement::Plain)
            }
            .row_bytes()
        })
    };
    assert_eq!(sizes(Format::F32), [32, 32, 64]);
    assert_eq!(sizes(Format::F16), [16, 16, 32]);
    assert_eq!(sizes(Format::BF16), [16, 16, 32]);
    // A group, and two scales so that the next row's begin at a word.
    assert_eq!(sizes(Format::Q8), [32 + 4; 3]);
    assert_eq!(sizes(Format::Q4), [16 + 4; 3]);
    assert_eq!(shape(3, 9, Arrangement::Plain).bytes(), 3 * 64);
    assert_eq!(shape(3, 9, Arrangement::Paired).bytes(), 6 * 64);
}

#[test]
fn a_matrix_that_fits_stays_whole() {
    for arrangement in [Arrangement::Plain, Arrangement::Heads(10)] {
        assert_eq!(
            shape(30, 8, arrangement).split("m", 30 * 32).ok(),
            Some(vec![30])
        );
    }
    assert_eq!(
        shape(30, 8, Arrangement::Paired).split("m", 60 * 32).ok(),
        Some(vec![30])
    );
}

#[test]
fn parts_hold_whole_blocks_and_heads() {
    assert_eq!(
        shape(30, 8, Arrangement::Plain)
            .split("m", 30 * 32 - 1)
            .ok(),
        Some(vec![24, 6])
    );
    assert_eq!(
        shape(30, 8, Arrangement::Plain).split("m", 15 * 32).ok(),
        Some(vec![8, 8, 8, 6])
    );
    assert_eq!(
        shape(32, 8, Arrangement::Plain).split("m", 16 * 32).ok(),
        Some(vec![16, 16])
    );
    assert_eq!(
        shape(30, 8, Arrangement::Paired).split("m", 33 * 32).ok(),
        Some(vec![16, 14])
    );
    // Heads of 10: four of them are a multiple of 8 rows.
    assert_eq!(
        shape(100, 8, Arrangement::Heads(10))
            .split("m", 90 * 32)
            .ok(),
        Some(vec![80, 20])
    );
    assert_eq!(
        shape(96, 8, Arrangement::Heads(16))
            .split("m", 40 * 32)
            .ok(),
        Some(vec![32, 32, 32])
    );
}

#[test]
fn parts_cover_the_matrix_and_fit() {
    for outputs in 1..70 {
        for rows in 8..40u64 {
            for arrangement in [Arrangement::Plain, Arrangement::Paired] {
                let shape = shape(outputs, 8, arrangement);
                let Ok(parts) = shape.split("m", rows * 32) else {
                    assert!(
                        arrangement == Arrangement::Paired
                            && rows < 16
                            && outputs as u64 * 2 > rows
                    );
                    continue;
                };
                assert_eq!(parts.iter().sum::<usize>(), outputs);
                let (last, others) = parts.split_last().expect("there is a part");
                assert!(others.iter().all(|part| part.is_multiple_of(ALIGN)));
                let largest = others.iter().chain([last]).max().expect("there is a part");
                assert!((largest * shape.stacked()) as u64 <= rows);
            }
        }
    }
}

#[test]
fn what_cannot_be_split_says_what_it_needs() {
    let too_small = |shape: MatrixShape, binding| match shape.split("m", binding) {
        Err(GpuError::AdapterTooSmall {
            needed, offered, ..
        }) => (needed, offered),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        too_small(shape(9, 8, Arrangement::Plain), 255),
        (8 * 32, 255)
    );
    assert_eq!(
        too_small(shape(9, 8, Arrangement::Paired), 511),
        (16 * 32, 511)
    );
    assert_eq!(
        too_small(shape(100, 8, Arrangement::Heads(10)), 39 * 32),
        (40 * 32, 39 * 32)
    );
}

#[test]
fn empty_matrices_and_broken_heads_are_errors() {
    let wrong = [
        shape(0, 8, Arrangement::Plain),
        shape(8, 0, Arrangement::Plain),
        shape(8, 8, Arrangement::Heads(0)),
        shape(12, 8, Arrangement::Heads(8)),
    ];
    for shape in wrong {
        assert!(
            matches!(
                shape.split("m", 1 << 20),
                Err(GpuError::Shape {
                    kernel: "matrix",
                    ..
                })
            ),
            "{shape:?}"
        );
    }
}

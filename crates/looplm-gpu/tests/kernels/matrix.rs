//! Matrices: what is written, in any format and in any pieces, is what the kernels read.

use looplm_gpu::{
    Arrangement, Element, Format, Gpu, GpuError, Matrix, MatrixShape, kernel::Op, kernels::Linear,
    quantize::quantize, stride,
};

use crate::support::{self, assert_close, fetch, numbers, poisoned, round, upload, wait};

/// The elements of a plain matrix as the kernels see them: its product with the unit vectors, some at a time.
fn read(gpu: &Gpu, matrix: &Matrix) -> Vec<f32> {
    let MatrixShape {
        outputs, inputs, ..
    } = matrix.shape;
    let kernel = Linear::new(gpu, matrix, false);
    let mut elements = vec![0.0; outputs * inputs];
    for first in (0..inputs).step_by(8) {
        let count = (inputs - first).min(8);
        let mut units = vec![0.0f32; count * stride(inputs)];
        (0..count).for_each(|i| units[i * stride(inputs) + first + i] = 1.0);
        let (units, columns) = (upload(gpu, &units), poisoned(gpu, count * stride(outputs)));
        let op = kernel
            .bind(gpu, matrix, &units, &columns)
            .expect("the shapes fit");
        support::run(gpu, &support::rows(count), |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        let columns: Vec<f32> = fetch(gpu, &columns, count * stride(outputs));
        for (i, column) in columns.chunks_exact(stride(outputs)).enumerate() {
            (0..outputs).for_each(|n| elements[n * inputs + first + i] = column[n]);
        }
    }
    elements
}

fn shape(format: Format) -> MatrixShape {
    MatrixShape {
        outputs: 133,
        inputs: 21,
        format,
        arrangement: Arrangement::Plain,
    }
}

#[test]
fn rows_arrive_in_pieces_and_formats() {
    let gpu = support::small_gpu();
    for to in support::FORMATS {
        for from in support::ELEMENTS {
            let values = numbers(&mut support::rng(41), 133 * 21, 2.0);
            let values = round(from.into(), 21, &values);
            let matrix = wait(Matrix::zeros(gpu, "matrix", shape(to))).expect("it can be split");
            assert!(to != Format::F32 || matrix.parts.len() > 1);
            let mut first = 0;
            for rows in [1, 7, 80, 44, 1] {
                let piece = &values[first * 21..(first + rows) * 21];
                matrix.write_rows(gpu, 0, first, from, &from.from_f32(piece));
                first += rows;
            }
            let want = round(to, 21, &values);
            assert_close(
                &format!("{from:?} into {to:?}"),
                &read(gpu, &matrix),
                &want,
                0.0,
            );
        }
    }
}

#[test]
fn widening_keeps_the_elements() {
    let gpu = support::small_gpu();
    for format in support::ELEMENTS.map(Format::from) {
        let (mut matrix, values) = support::matrix(gpu, &mut support::rng(42), shape(format));
        wait(matrix.widen(gpu, "matrix")).expect("there is room");
        assert_eq!(matrix.shape.format, Format::F32);
        assert_close(
            &format!("{format:?} widened"),
            &read(gpu, &matrix),
            &values,
            0.0,
        );
    }
}

/// As a converted checkpoint gives them: all quants of a tensor, then all its scales, in pieces of their own.
#[test]
fn quants_and_scales_arrive_apart() {
    let gpu = support::small_gpu();
    for format in [Format::Q8, Format::Q4] {
        for inputs in [21, 64, 97] {
            let shape = MatrixShape {
                inputs,
                ..shape(format)
            };
            let values = numbers(&mut support::rng(43), 133 * inputs, 2.0);
            let rows = quantize(format, inputs, &values);
            let matrix = wait(Matrix::zeros(gpu, "matrix", shape)).expect("it can be split");
            let (row, scales) = (rows.quants.len() / 133, rows.scales.len() / 133);
            for (first, last) in [(0, 1), (1, 90), (90, 133)] {
                matrix.write_quants(gpu, 0, first, &rows.quants[first * row..last * row]);
            }
            for (first, last) in [(0, 57), (57, 133)] {
                matrix.write_scales(gpu, 0, first, &rows.scales[first * scales..last * scales]);
            }
            let want = round(format, inputs, &values);
            assert_close(&format!("{shape:?}"), &read(gpu, &matrix), &want, 0.0);
        }
    }
    let (mut matrix, _) = support::matrix(gpu, &mut support::rng(44), shape(Format::Q4));
    let widened = wait(matrix.widen(gpu, "matrix"));
    assert!(
        matches!(widened, Err(GpuError::Shape { .. })),
        "{widened:?}"
    );
}

#[test]
fn half_precision_keeps_its_smallest_and_largest_numbers() {
    let gpu = support::gpu();
    let values = [
        65504.0,
        -65504.0,
        6.1035156e-5,
        1.0,
        -0.25,
        0.333_251_95,
        1024.0,
        0.0,
    ];
    let shape = MatrixShape {
        outputs: 1,
        inputs: 8,
        format: Format::F16,
        arrangement: Arrangement::Plain,
    };
    let matrix = wait(Matrix::zeros(gpu, "matrix", shape)).expect("a small matrix");
    matrix.write_rows(gpu, 0, 0, Element::F16, &Element::F16.from_f32(&values));
    assert_close("f16", &read(gpu, &matrix), &values, 0.0);
}

#[test]
fn what_cannot_be_split_is_an_error() {
    let wide = MatrixShape {
        outputs: 64,
        inputs: 4096,
        format: Format::F32,
        arrangement: Arrangement::Plain,
    };
    match wait(Matrix::zeros(support::small_gpu(), "down projection", wide)) {
        Err(GpuError::AdapterTooSmall {
            what,
            needed,
            offered,
            ..
        }) => {
            assert!(what.starts_with("down projection"), "{what}");
            assert_eq!((needed, offered), (8 * 4096 * 4, support::SMALL_BINDING));
        }
        other => panic!("{other:?}"),
    }
    for (outputs, inputs) in [(0, 8), (8, 0)] {
        let empty = MatrixShape {
            outputs,
            inputs,
            ..wide
        };
        assert!(matches!(
            wait(Matrix::zeros(support::gpu(), "empty", empty)),
            Err(GpuError::Shape { .. })
        ));
    }
}

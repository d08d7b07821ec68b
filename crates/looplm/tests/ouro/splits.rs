//! The published matrices on a device that binds no more than WebGPU promises.

use looplm_gpu::{Arrangement, Format, MatrixShape};

use crate::published::{INNER, VOCABULARY, WIDTH};

/// WebGPU's default `maxStorageBufferBindingSize`.
const BINDING: u64 = 128 << 20;
const FORMATS: [Format; 3] = [Format::BF16, Format::F16, Format::F32];

fn shape(outputs: u64, inputs: u64, format: Format, arrangement: Arrangement) -> MatrixShape {
    MatrixShape {
        outputs: outputs as usize,
        inputs: inputs as usize,
        format,
        arrangement,
    }
}

/// Outputs of each part, and whether they are all of it and fit.
fn parts(shape: MatrixShape, binding: u64) -> Vec<usize> {
    let parts = shape.split("a matrix", binding).expect("it can be split");
    assert_eq!(parts.iter().sum::<usize>(), shape.outputs);
    let of_one = shape.bytes() / shape.outputs as u64;
    assert!(
        parts.iter().all(|part| *part as u64 * of_one <= binding),
        "{parts:?}"
    );
    parts
}

#[test]
fn embedding_and_head_are_split() {
    for format in FORMATS {
        let whole = shape(VOCABULARY, WIDTH, format, Arrangement::Plain);
        let (bytes, expected): (u64, &[usize]) = match format {
            Format::F32 => (384 << 20, &[16384, 16384, 16384]),
            _ => (192 << 20, &[32768, 16384]),
        };
        assert_eq!(whole.bytes(), bytes);
        assert_eq!(parts(whole, BINDING), expected);
        assert_eq!(parts(whole, bytes), [VOCABULARY as usize]);
    }
}

#[test]
fn the_matrices_of_a_layer_stay_whole() {
    let matrices = [
        (3 * WIDTH, WIDTH, Arrangement::Heads(128), 48 << 20),
        (WIDTH, WIDTH, Arrangement::Plain, 16 << 20),
        (INNER, WIDTH, Arrangement::Paired, 88 << 20),
        (WIDTH, INNER, Arrangement::Plain, 44 << 20),
    ];
    for (outputs, inputs, arrangement, f32_bytes) in matrices {
        for format in FORMATS {
            let whole = shape(outputs, inputs, format, arrangement);
            let bytes = match format {
                Format::F32 => f32_bytes,
                _ => f32_bytes / 2,
            };
            assert_eq!(whole.bytes(), bytes, "{whole:?}");
            assert_eq!(parts(whole, BINDING), [outputs as usize], "{whole:?}");
        }
    }
}

/// With a quarter of what is promised: q, k and v between heads, gate and up at the same outputs.
#[test]
fn they_could_be_split_further() {
    let quarter = BINDING / 4;
    let qkv = shape(3 * WIDTH, WIDTH, Format::F32, Arrangement::Heads(128));
    let found = parts(qkv, quarter);
    assert_eq!(found, [4096, 2048]);
    assert!(found.iter().all(|part| part.is_multiple_of(128)));
    let gate_up = shape(INNER, WIDTH, Format::F32, Arrangement::Paired);
    assert_eq!(parts(gate_up, quarter), [2048, 2048, 1536]);
    let head = shape(VOCABULARY, WIDTH, Format::BF16, Arrangement::Plain);
    assert_eq!(parts(head, quarter), [8192; 6]);
}

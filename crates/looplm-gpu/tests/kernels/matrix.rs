//! Matrices: what is written, in any format and in any pieces, is what the kernels read.

use half::{bf16, f16};
use looplm_gpu::{
    Arrangement, Format, Gpu, GpuError, Matrix, MatrixShape, kernel::Op, kernels::Linear, stride,
};

use crate::support::{self, assert_close, fetch, numbers, poisoned, round, upload, wait};

fn bytes(format: Format, values: &[f32]) -> Vec<u8> {
    match format {
        Format::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Format::F16 => values
            .iter()
            .flat_map(|v| f16::from_f32(*v).to_le_bytes())
            .collect(),
        Format::BF16 => values
            .iter()
            .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
            .collect(),
    }
}

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
        for from in support::FORMATS {
            let values: Vec<f32> = numbers(&mut support::rng(41), 133 * 21, 2.0)
                .into_iter()
                .map(|v| round(from, v))
                .collect();
            let matrix = wait(Matrix::zeros(gpu, "matrix", shape(to))).expect("it can be split");
            assert!(to != Format::F32 || matrix.parts.len() > 1);
            let mut first = 0;
            for rows in [1, 7, 80, 44, 1] {
                let piece = &values[first * 21..(first + rows) * 21];
                matrix.write_rows(gpu, 0, first, from, &bytes(from, piece));
                first += rows;
            }
            let want: Vec<f32> = values.into_iter().map(|v| round(to, v)).collect();
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
    for format in support::FORMATS {
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
    matrix.write_rows(gpu, 0, 0, Format::F16, &bytes(Format::F16, &values));
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

//! `swiglu` against its twin.

use looplm_gpu::{
    Arrangement, Format, Gpu, GpuError, MatrixShape, cpu,
    kernel::Op,
    kernels::{RowVariant, Swiglu},
    stride,
};

use crate::support::{
    self, FORMATS, ODD_SIZES, SMALL_BINDING, assert_close, fetch, poison, poisoned, upload,
};

fn paired(outputs: usize, inputs: usize, format: Format) -> MatrixShape {
    MatrixShape {
        outputs,
        inputs,
        format,
        arrangement: Arrangement::Paired,
    }
}

/// Runs the kernel for several numbers of rows, with a row behind the last to stay untouched.
fn check(gpu: &Gpu, shape: MatrixShape, row_counts: &[usize], variants: &[RowVariant]) {
    let mut rng = support::rng((shape.outputs * 1000 + shape.inputs) as u64);
    let (matrix, values) = support::matrix(gpu, &mut rng, shape);
    let (gate, up) = values.split_at(shape.outputs * shape.inputs);
    for &count in row_counts {
        let x = support::padded_rows(&mut rng, count, shape.inputs);
        let input = upload(gpu, &x);
        for (variant, gpu) in &support::ways(gpu, variants) {
            let seen = support::seen(gpu, shape, *variant, &x);
            let mut want = cpu::swiglu(shape.inputs, shape.outputs, gate, up, &seen);
            want.extend(poison(stride(shape.outputs)));
            let m = poisoned(gpu, want.len());
            let kernel = Swiglu::new(gpu, &matrix);
            let op = kernel
                .bind(gpu, &matrix, &input, &m)
                .expect("the shapes fit");
            support::run(gpu, &support::rows(count), |pass, table| {
                let dispatches = op
                    .encode_as(gpu, pass, table, *variant)
                    .expect("the grid is small");
                assert_eq!(dispatches, matrix.parts.len());
            });
            assert_close(
                &format!("{shape:?}, {count} rows, {variant:?}"),
                &fetch(gpu, &m, want.len()),
                &want,
                // Of a product of two sums.
                4e-5 * (shape.inputs as f32 / 128.0).sqrt().max(1.0),
            );
        }
    }
}

#[test]
fn every_variant_takes_every_number_of_rows() {
    check(
        support::gpu(),
        paired(13, 100, Format::F32),
        &[1, 2, 3, 5, 7, 8, 9],
        &RowVariant::ALL[..4],
    );
    check(
        support::gpu(),
        paired(67, 21, Format::F32),
        &[1, 32, 33, 70],
        &[RowVariant::Tile],
    );
}

#[test]
fn odd_sizes() {
    for (i, &outputs) in ODD_SIZES.iter().enumerate() {
        let inputs = ODD_SIZES[ODD_SIZES.len() - 1 - i];
        check(
            support::gpu(),
            paired(outputs, inputs, FORMATS[i % 3]),
            &[3],
            &[RowVariant::Few(4), RowVariant::Tile],
        );
    }
}

#[test]
fn all_formats() {
    for format in FORMATS {
        check(
            support::gpu(),
            paired(40, 523, format),
            &[2],
            &[RowVariant::Few(2), RowVariant::Tile],
        );
    }
}

#[test]
fn every_tuning_computes_the_same() {
    for (gpu, format) in support::unusual_tunings()
        .iter()
        .zip(support::formats_in_turn())
    {
        let variants = [RowVariant::Few(1), RowVariant::Few(2)];
        check(gpu, paired(11, 321, format), &[1, 3], &variants);
        check(gpu, paired(35, 53, format), &[65], &[RowVariant::Tile]);
    }
}

#[test]
fn x_by_way_of_workgroup_memory() {
    for (gpu, format) in support::staged_tunings()
        .iter()
        .zip(support::quantised_in_turn())
    {
        let variants = [RowVariant::Few(1), RowVariant::Few(4)];
        check(gpu, paired(41, 321, format), &[1, 3], &variants);
    }
}

#[test]
fn matrices_in_parts() {
    let gpu = support::small_gpu();
    for format in FORMATS {
        let shape = paired(121, 35, format);
        assert!(
            shape
                .split("gate and up", SMALL_BINDING)
                .expect("it can be split")
                .len()
                > 1
        );
        check(gpu, shape, &[1, 6], &[RowVariant::Few(1), RowVariant::Tile]);
    }
}

#[test]
fn large_gates_saturate() {
    let gpu = support::gpu();
    let mut rng = support::rng(5);
    let shape = paired(8, 8, Format::F32);
    let (matrix, values) = support::matrix(gpu, &mut rng, shape);
    let x: Vec<f32> = support::padded_rows(&mut rng, 1, 8)
        .iter()
        .map(|v| v * 1000.0)
        .collect();
    let want = cpu::swiglu(8, 8, &values[..64], &values[64..], &x);
    let (x, m) = (upload(gpu, &x), poisoned(gpu, 8));
    let op = Swiglu::new(gpu, &matrix)
        .bind(gpu, &matrix, &x, &m)
        .expect("the shapes fit");
    support::run(gpu, &support::rows(1), |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    assert_close("gates of hundreds", &fetch(gpu, &m, 8), &want, 1e-5);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let mut rng = support::rng(1);
    let (matrix, _) = support::matrix(gpu, &mut rng, paired(8, 24, Format::F32));
    let (plain, _) = support::matrix(
        gpu,
        &mut rng,
        MatrixShape {
            arrangement: Arrangement::Plain,
            ..matrix.shape
        },
    );
    let kernel = Swiglu::new(gpu, &matrix);
    let (x, m) = (poisoned(gpu, 2 * 24), poisoned(gpu, 2 * 8));
    assert!(matches!(
        kernel.bind(gpu, &plain, &x, &m),
        Err(GpuError::Shape {
            kernel: "swiglu",
            ..
        })
    ));
    assert!(matches!(
        kernel.bind(gpu, &matrix, &poisoned(gpu, 20), &m),
        Err(GpuError::Shape { .. })
    ));
    let op = kernel.bind(gpu, &matrix, &x, &m).expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}

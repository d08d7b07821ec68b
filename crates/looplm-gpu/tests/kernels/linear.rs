//! `linear` against its twin.

use looplm_gpu::{
    Arrangement, Element, Format, Gpu, GpuError, GpuRow, Matrix, MatrixShape, cpu,
    kernel::Op,
    kernels::{Linear, MAX_FEW_ROWS, RowVariant},
    stride,
};
use rand::seq::SliceRandom;

use crate::support::{
    self, FORMATS, ODD_SIZES, SMALL_BINDING, assert_close, fetch, poison, poisoned, upload,
};

fn plain(outputs: usize, inputs: usize, format: Format) -> MatrixShape {
    MatrixShape {
        outputs,
        inputs,
        format,
        arrangement: Arrangement::Plain,
    }
}

/// Runs the product for several numbers of rows and ways to compute it, with a row behind the last to stay untouched.
fn check(gpu: &Gpu, shape: MatrixShape, row_counts: &[usize], variants: &[RowVariant]) {
    let mut rng = support::rng((shape.outputs * 1000 + shape.inputs) as u64);
    let (matrix, weights) = support::matrix(gpu, &mut rng, shape);
    for &count in row_counts {
        let x = support::padded_rows(&mut rng, count, shape.inputs);
        let input = upload(gpu, &x);
        for (variant, gpu) in &support::ways(gpu, variants) {
            let seen = support::seen(gpu, shape, *variant, &x);
            let mut want = cpu::linear(shape.inputs, shape.outputs, &weights, &seen);
            want.extend(poison(stride(shape.outputs)));
            let y = poisoned(gpu, want.len());
            let kernel = Linear::new(gpu, &matrix, false);
            let op = kernel
                .bind(gpu, &matrix, &input, &y)
                .expect("the shapes fit");
            support::run(gpu, &support::rows(count), |pass, table| {
                let dispatches = op
                    .encode_as(gpu, pass, table, *variant)
                    .expect("the grid is small");
                assert_eq!(dispatches, matrix.parts.len());
            });
            let what = format!("{shape:?}, {count} rows, {variant:?}");
            // Sums of many products round more, and GPUs fuse them as they like.
            let tolerance = 2e-5 * (shape.inputs as f32 / 128.0).sqrt().max(1.0);
            assert_close(&what, &fetch(gpu, &y, want.len()), &want, tolerance);
        }
    }
}

#[test]
fn every_variant_takes_every_number_of_rows() {
    let few = &RowVariant::ALL[..4];
    check(
        support::gpu(),
        plain(21, 150, Format::F32),
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 17],
        few,
    );
    check(
        support::gpu(),
        plain(150, 21, Format::F32),
        &[1, 31, 32, 33, 64, 70],
        &[RowVariant::Tile],
    );
}

#[test]
fn odd_sizes() {
    for (i, &outputs) in ODD_SIZES.iter().enumerate() {
        let inputs = ODD_SIZES[ODD_SIZES.len() - 1 - i];
        check(
            support::gpu(),
            plain(outputs, inputs, FORMATS[i % FORMATS.len()]),
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
            plain(70, 1031, format),
            &[2, 8],
            &[RowVariant::Few(2), RowVariant::Few(8), RowVariant::Tile],
        );
    }
}

#[test]
fn every_tuning_computes_the_same() {
    for (i, gpu) in support::unusual_tunings().iter().enumerate() {
        // Each tuning with each format and with each number of inputs, but not with all pairs of them: that is hundreds of
        // pipelines, and a CPU adapter takes more than a second for one.
        for (f, format) in [Format::F16, Format::Q8, Format::Q4]
            .into_iter()
            .enumerate()
        {
            // Groups of 32 that are whole, cut short, and fewer than lanes.
            let inputs = [2048, 1001, 40][(i + f) % 3];
            let few = &[[1, 4], [2, 8]][(i + f / 2) % 2].map(RowVariant::Few);
            check(gpu, plain(13, inputs, format), &[1, 7], few);
            let tile = [RowVariant::Tile];
            check(gpu, plain(67, inputs, format), &[63, 65], &tile);
        }
    }
}

#[test]
fn x_by_way_of_workgroup_memory() {
    for (i, gpu) in support::staged_tunings().into_iter().enumerate() {
        // Groups of 32 that are whole, more than a stage of one row, cut short, and fewer than lanes; outputs of more than
        // one workgroup. Each tuning with all of them, and half of them in each format.
        let shapes = [(3, 8300), (77, 1001), (5, 40), (1, 7)];
        for (s, (outputs, inputs)) in shapes.into_iter().enumerate() {
            let format = [Format::Q8, Format::Q4][(i + s / 2) % 2];
            let shape = plain(outputs, inputs, format);
            let few = [[1, 4], [2, 4]][(i + s) % 2].map(RowVariant::Few);
            check(&gpu, shape, &[7], &few);
        }
        let in_parts = support::small_gpu().with_tuning(gpu.tuning());
        let few = [RowVariant::Few(1), RowVariant::Few(4)];
        check(&in_parts, plain(201, 67, Format::Q4), &[5], &few);
    }
}

/// Beside a 1, numbers below half a 32,512th are nothing in whole numbers of 16 bits, and something otherwise.
#[test]
fn whole_numbers_are_what_is_computed_with() {
    let mut row = vec![1e-5f32; 32];
    row[0] = 1.0;
    let mut weights = vec![1.0f32; 32];
    weights[0] = 0.0;
    let product = |gpu: &Gpu| {
        let shape = plain(1, 32, Format::Q8);
        let matrix = support::wait(Matrix::zeros(gpu, "matrix", shape)).expect("it fits");
        matrix.write_rows(gpu, 0, 0, Element::F32, bytemuck::cast_slice(&weights));
        let (x, y) = (upload(gpu, &row), poisoned(gpu, 8));
        let op = Linear::new(gpu, &matrix, false)
            .bind(gpu, &matrix, &x, &y)
            .expect("the shapes fit");
        support::run(gpu, &support::rows(1), |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        fetch::<f32>(gpu, &y, 8)[0]
    };
    assert_eq!(product(&support::packed(1)), 0.0);
    assert_close(
        "in floating point",
        &[product(&support::staged())],
        &[31e-5],
        1e-5,
    );
}

/// Groups of zeros and of numbers near the smallest, whose scale would be none, are nothing; what is no number stays none.
#[test]
fn whole_numbers_of_little_and_of_none() {
    let gpu = &support::packed(1);
    let shape = plain(5, 96, Format::Q4);
    let (matrix, weights) = support::matrix(gpu, &mut support::rng(12), shape);
    let product = |x: &[f32]| {
        let (x, y) = (upload(gpu, x), poisoned(gpu, 8));
        let op = Linear::new(gpu, &matrix, false)
            .bind(gpu, &matrix, &x, &y)
            .expect("the shapes fit");
        support::run(gpu, &support::rows(1), |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        fetch::<f32>(gpu, &y, 8)
    };
    let mut x = vec![0.0f32; 96];
    x[32..64].fill(1e-38);
    x[70] = -3.0;
    let want = cpu::linear(96, 5, &weights, &cpu::packed(96, &x));
    assert_close("few groups", &product(&x), &want, 2e-5);
    for none in [f32::NAN, f32::INFINITY] {
        x[40] = none;
        assert!(product(&x)[..5].iter().all(|y| y.is_nan()), "of {none}");
    }
}

#[test]
fn matrices_in_parts() {
    let gpu = support::small_gpu();
    for format in FORMATS {
        let shape = plain(201, 67, format);
        assert!(
            shape
                .split("matrix", SMALL_BINDING)
                .expect("it can be split")
                .len()
                > 1
        );
        check(
            gpu,
            shape,
            &[1, 6],
            &[RowVariant::Few(1), RowVariant::Few(8), RowVariant::Tile],
        );
    }
}

#[test]
fn rows_gather_their_states() {
    let gpu = support::gpu();
    let mut rng = support::rng(7);
    let shape = plain(35, 20, Format::F16);
    let (matrix, weights) = support::matrix(gpu, &mut rng, shape);
    let kernel = Linear::new(gpu, &matrix, true);
    for count in [1, 5, 34] {
        let slots = count + 3;
        let states = support::padded_rows(&mut rng, slots, shape.inputs);
        let mut order: Vec<u32> = (0..slots as u32).collect();
        order.shuffle(&mut rng);
        let rows: Vec<GpuRow> = support::rows(count)
            .iter()
            .zip(&order)
            .map(|(row, &state)| GpuRow { state, ..*row })
            .collect();
        let gathered: Vec<f32> = rows
            .iter()
            .flat_map(|row| &states[row.state as usize * 24..][..24])
            .copied()
            .collect();
        let want = cpu::linear(shape.inputs, shape.outputs, &weights, &gathered);
        let (states, y) = (upload(gpu, &states), poisoned(gpu, want.len()));
        let op = kernel
            .bind(gpu, &matrix, &states, &y)
            .expect("the shapes fit");
        support::run(gpu, &rows, |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        assert_close(
            &format!("{count} of {slots} states"),
            &fetch(gpu, &y, want.len()),
            &want,
            1e-5,
        );
    }
}

#[test]
fn a_vocabulary_of_fifty_thousand() {
    check(
        support::gpu(),
        plain(50_003, 8, Format::BF16),
        &[2],
        &[RowVariant::Few(2), RowVariant::Tile],
    );
}

#[test]
fn the_number_of_rows_chooses_the_variant() {
    let chosen: Vec<_> = [1, 2, 3, 4, 5, 8, 9, MAX_FEW_ROWS, MAX_FEW_ROWS + 1, 500]
        .into_iter()
        .map(RowVariant::for_rows)
        .collect();
    let few = RowVariant::Few;
    assert_eq!(
        chosen,
        [
            few(1),
            few(2),
            few(4),
            few(4),
            few(8),
            few(8),
            few(8),
            few(8),
            RowVariant::Tile,
            RowVariant::Tile
        ]
    );
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let mut rng = support::rng(1);
    let (matrix, _) = support::matrix(gpu, &mut rng, plain(8, 24, Format::F32));
    let (paired, _) = support::matrix(
        gpu,
        &mut rng,
        MatrixShape {
            arrangement: Arrangement::Paired,
            ..matrix.shape
        },
    );
    let (narrow, _) = support::matrix(gpu, &mut rng, plain(8, 16, Format::F32));
    let (half, _) = support::matrix(gpu, &mut rng, plain(8, 24, Format::F16));
    let kernel = Linear::new(gpu, &matrix, false);
    let (x, y) = (poisoned(gpu, 2 * 24), poisoned(gpu, 2 * 8));
    for other in [&paired, &narrow, &half] {
        assert!(
            matches!(
                kernel.bind(gpu, other, &x, &y),
                Err(GpuError::Shape {
                    kernel: "linear",
                    ..
                })
            ),
            "{:?}",
            other.shape
        );
    }
    assert!(matches!(
        kernel.bind(gpu, &matrix, &poisoned(gpu, 20), &y),
        Err(GpuError::Shape { .. })
    ));
    let op = kernel.bind(gpu, &matrix, &x, &y).expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}

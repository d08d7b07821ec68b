//! `product` in its three kinds against its twin, and the twin's gradients against differences of its forward product.

use looplm_gpu::{
    Buffer, Gpu, GpuError, cpu,
    kernels::{Product, ProductKind, ProductMethod, ProductShape},
    stride,
};

use crate::support::{self, fetch, numbers, padded_rows, poison, upload};

const KINDS: [ProductKind; 3] = [
    ProductKind::Forward,
    ProductKind::InputGradient,
    ProductKind::WeightGradient,
];

fn shape(rows: usize, outputs: usize, inputs: usize) -> ProductShape {
    ProductShape {
        rows,
        outputs,
        inputs,
    }
}

/// Random operands of a kind, and its result so far: poisoned, or a gradient to add to.
fn operands(kind: ProductKind, s: ProductShape) -> [Vec<f32>; 3] {
    let mut rng = support::rng((s.rows * 1_000_003 + s.outputs * 1009 + s.inputs) as u64);
    let x = padded_rows(&mut rng, s.rows, s.inputs);
    let y = padded_rows(&mut rng, s.rows, s.outputs);
    let weights = padded_rows(&mut rng, s.outputs, s.inputs);
    match kind {
        ProductKind::Forward => [x, weights, poison(y.len())],
        ProductKind::InputGradient => [y, weights, poison(x.len())],
        ProductKind::WeightGradient => [y, x, weights],
    }
}

/// Zeros, then the data, then poison, in one buffer; the part with the data begins 256 bytes in.
fn within(gpu: &Gpu, data: &[f32]) -> Buffer {
    upload(gpu, &[&[0.0; 64], data, &poison(64)].concat())
}

fn check(kind: ProductKind, s: ProductShape, method: ProductMethod) {
    let gpu = support::gpu();
    let [a, b, mut c] = operands(kind, s);
    let kernel = Product::with_method(gpu, kind, s, method).expect("the sizes are small");
    let (a_buffer, b_buffer) = (within(gpu, &a), within(gpu, &b));
    let c_buffer = within(gpu, &c);
    let partials = support::poisoned(gpu, kernel.partials_elements());
    let a_view = a_buffer.part(256, 4 * a.len() as u64).expect("aligned");
    let b_view = b_buffer.part(256, 4 * b.len() as u64).expect("aligned");
    let c_view = c_buffer.part(256, 4 * c.len() as u64).expect("aligned");
    let bound = kernel
        .bind(gpu, a_view, b_view, c_view, partials.view())
        .expect("the buffers are large enough");
    let mut encoder = gpu.encoder();
    bound
        .record(&mut encoder.begin_compute_pass(&Default::default()))
        .expect("the grid is small");
    gpu.submit(encoder);
    let got: Vec<f32> = fetch(gpu, &c_buffer, 64 + c.len() + 64);
    cpu::product(kind, s, &a, &b, &mut c);
    let terms = match kind {
        ProductKind::Forward => s.inputs,
        ProductKind::InputGradient => s.outputs,
        ProductKind::WeightGradient => s.rows,
    };
    let tolerance = 1e-6 * (terms as f32).sqrt().max(2.0);
    let what = format!("{kind:?} {s:?} {method:?}");
    support::assert_near(&what, &got[64..64 + c.len()], &c, tolerance);
    assert!(got[..64].iter().all(|&v| v == 0.0), "{what}: before it");
    assert!(
        got[64 + c.len()..].iter().all(|v| v.is_nan()),
        "{what}: behind it"
    );
    // Padding of rows, in which nothing may gather.
    let width = match kind {
        ProductKind::Forward => s.outputs,
        _ => s.inputs,
    };
    for row in got[64..64 + c.len()].chunks_exact(stride(width)) {
        assert!(row[width..].iter().all(|&v| v == 0.0), "{what}: padding");
    }
}

#[test]
fn sizes_around_the_tile() {
    let shapes = [
        (1, 1, 1),
        (1, 7, 13),
        (2, 64, 3),
        (3, 1, 65),
        (13, 17, 1),
        (16, 64, 64),
        (63, 65, 64),
        (64, 127, 9),
        (65, 8, 131),
        (129, 66, 72),
    ];
    for kind in KINDS {
        for (i, &(rows, outputs, inputs)) in shapes.iter().enumerate() {
            let s = shape(rows, outputs, inputs);
            check(kind, s, ProductMethod::Tile);
            check(kind, s, ProductMethod::Patch);
            // Slow to compile.
            if i % 2 == 0 || i == 9 {
                check(kind, s, ProductMethod::Block);
            }
        }
    }
}

#[test]
fn many_rows() {
    for kind in KINDS {
        check(kind, shape(2039, 24, 40), ProductMethod::Tile);
        check(kind, shape(515, 192, 64), ProductMethod::Tile);
        check(kind, shape(1023, 67, 129), ProductMethod::Block);
        check(kind, shape(1023, 67, 129), ProductMethod::Patch);
    }
}

#[test]
fn the_same_bits_each_time() {
    let gpu = support::gpu();
    let s = shape(1500, 40, 24);
    let [a, b, c] = operands(ProductKind::WeightGradient, s);
    let kernel = Product::new(gpu, ProductKind::WeightGradient, s).expect("the sizes are small");
    let run = || -> Vec<u32> {
        let [a, b, c] = [&a, &b, &c].map(|data| upload(gpu, data));
        let partials = support::poisoned(gpu, kernel.partials_elements());
        let bound = kernel
            .bind(gpu, a.view(), b.view(), c.view(), partials.view())
            .expect("the buffers are large enough");
        let mut encoder = gpu.encoder();
        bound
            .record(&mut encoder.begin_compute_pass(&Default::default()))
            .expect("the grid is small");
        gpu.submit(encoder);
        fetch(gpu, &c, s.outputs * stride(s.inputs))
    };
    assert_eq!(run(), run());
}

#[test]
fn gradients_of_the_twin_are_differences_of_its_product() {
    let s = shape(5, 7, 11);
    let mut rng = support::rng(5);
    let x = padded_rows(&mut rng, s.rows, s.inputs);
    let weights = padded_rows(&mut rng, s.outputs, s.inputs);
    let dy = padded_rows(&mut rng, s.rows, s.outputs);
    let loss = |x: &[f32], weights: &[f32]| -> f64 {
        let mut y = vec![0.0; dy.len()];
        cpu::product(ProductKind::Forward, s, x, weights, &mut y);
        let terms = y.iter().zip(&dy);
        terms.map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
    };
    // The loss is linear in each operand, so that a large step only makes the difference more exact.
    let difference = |at: &[f32], i: usize, loss: &dyn Fn(&[f32]) -> f64| -> f32 {
        let moved = |by: f32| {
            let mut at = at.to_vec();
            at[i] += by;
            loss(&at)
        };
        ((moved(1.0) - moved(-1.0)) / 2.0) as f32
    };
    let mut dx = vec![0.0; x.len()];
    cpu::product(ProductKind::InputGradient, s, &dy, &weights, &mut dx);
    let mut dw = vec![0.0; weights.len()];
    cpu::product(ProductKind::WeightGradient, s, &dy, &x, &mut dw);
    for k in 0..s.inputs {
        for r in 0..s.rows {
            let i = r * stride(s.inputs) + k;
            let want = difference(&x, i, &|x| loss(x, &weights));
            support::assert_near("dx", &dx[i..=i], &[want], 1e-5);
        }
        for n in 0..s.outputs {
            let i = n * stride(s.inputs) + k;
            let want = difference(&weights, i, &|weights| loss(&x, weights));
            support::assert_near("dW", &dw[i..=i], &[want], 1e-5);
        }
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let refused = |s| matches!(Product::new(gpu, KINDS[0], s), Err(GpuError::Shape { .. }));
    assert!(refused(shape(0, 1, 1)));
    assert!(refused(shape(1, 0, 1)));
    assert!(refused(shape(1, 1, 0)));
    assert!(refused(shape(1 << 20, 1, 1 << 20)));
    let s = shape(300, 16, 8);
    let data = numbers(&mut support::rng(1), 4800, 1.0);
    let large = [&data, &data, &data, &data].map(|data| upload(gpu, data));
    let small = upload(gpu, &data[..64]);
    for kind in KINDS {
        let kernel = Product::new(gpu, kind, s).expect("the sizes are small");
        let bind = |short: Option<usize>| {
            let at = |i: usize| match short {
                Some(n) if n == i => small.view(),
                _ => large[i].view(),
            };
            kernel.bind(gpu, at(0), at(1), at(2), at(3))
        };
        assert!(bind(None).is_ok());
        for i in 0..3 {
            assert!(bind(Some(i)).is_err(), "{kind:?}, operand {i}");
        }
        assert_eq!(
            bind(Some(3)).is_err(),
            kind == ProductKind::WeightGradient,
            "{kind:?}"
        );
    }
}

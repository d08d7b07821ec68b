//! `add_norm` against its twin.

use looplm_gpu::{Gpu, GpuError, cpu, kernel::Op, kernels::AddNorm, stride};

use crate::support::{self, assert_close, fetch, poison, poisoned, upload};

const EPSILON: f32 = 1e-5;

fn check(width: usize, count: usize) {
    for gpu in &support::lanes_of_rows() {
        check_on(gpu, width, count);
    }
}

fn check_on(gpu: &Gpu, width: usize, count: usize) {
    let mut rng = support::rng(width as u64);
    let a = support::padded_rows(&mut rng, count, width);
    let gains = support::padded_rows(&mut rng, 2, width);
    // The padding of h is whatever was there: it is written, not read.
    let mut want_h = support::padded_rows(&mut rng, count + 1, width);
    for row in want_h.chunks_exact_mut(stride(width)) {
        row[width..].copy_from_slice(&poison(stride(width) - width));
    }
    let h = upload(gpu, &want_h);
    let mut want_x = cpu::add_norm(
        width,
        EPSILON,
        &a,
        &gains,
        &mut want_h[..count * stride(width)],
    );
    want_x.extend(poison(stride(width)));
    let (a, gains) = (upload(gpu, &a), upload(gpu, &gains));
    let x = poisoned(gpu, want_x.len());
    let op = AddNorm::new(gpu, width, EPSILON).bind(gpu, &a, &gains, &h, &x);
    let op = op.expect("the shapes fit");
    support::run(gpu, &support::rows(count), |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    assert_close(
        &format!("h, width {width}"),
        &fetch(gpu, &h, want_h.len()),
        &want_h,
        1e-5,
    );
    assert_close(
        &format!("x, width {width}"),
        &fetch(gpu, &x, want_x.len()),
        &want_x,
        1e-5,
    );
}

#[test]
fn odd_widths() {
    for width in support::ODD_SIZES {
        check(width, 3);
    }
    check(128, 1);
    check(1031, 2);
}

#[test]
fn many_rows() {
    check(33, 70);
}

#[test]
fn rows_of_zeros_stay_finite() {
    let gpu = support::gpu();
    let zeros = vec![0.0; 16];
    let (a, gains, h, x) = (
        upload(gpu, &zeros),
        upload(gpu, &[1.0f32; 16]),
        upload(gpu, &zeros),
        poisoned(gpu, 16),
    );
    let op = AddNorm::new(gpu, 8, 1e-6)
        .bind(gpu, &a, &gains, &h, &x)
        .expect("the shapes fit");
    support::run(gpu, &support::rows(2), |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    assert_eq!(fetch::<f32>(gpu, &x, 16), zeros);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let kernel = AddNorm::new(gpu, 9, EPSILON);
    let buffer = |count| poisoned(gpu, count);
    let (a, h, x) = (buffer(32), buffer(32), buffer(32));
    assert!(matches!(
        kernel.bind(gpu, &a, &buffer(28), &h, &x),
        Err(GpuError::Shape {
            kernel: "add_norm",
            ..
        })
    ));
    let op = kernel
        .bind(gpu, &a, &buffer(32), &h, &x)
        .expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}

//! `gradient_norm` against its twin.

use looplm_gpu::{GpuError, cpu, kernels::GradientNorm};

use crate::support::{self, fetch, numbers, poison, upload};

/// What the kernel says of `gradient`, which lies in the middle of a buffer.
fn stats(gradient: &[f32], max_norm: f32) -> Vec<f32> {
    let gpu = support::gpu();
    let data = upload(gpu, &[&poison(64), gradient, &poison(64)].concat());
    let kernel = GradientNorm::new(gpu, gradient.len(), max_norm).expect("a multiple of 4");
    let partials = support::poisoned(gpu, kernel.partials_elements());
    let stats = support::poisoned(gpu, 8);
    let view = data.part(256, 4 * gradient.len() as u64).expect("aligned");
    let bound = kernel
        .bind(gpu, view, partials.view(), stats.view())
        .expect("the buffers are large enough");
    let mut encoder = gpu.encoder();
    bound
        .record(&mut encoder.begin_compute_pass(&Default::default()))
        .expect("the grid is small");
    gpu.submit(encoder);
    let mut got: Vec<f32> = fetch(gpu, &stats, 8);
    assert!(got[4..].iter().all(|v| v.is_nan()), "four are written");
    got.truncate(4);
    got
}

#[test]
fn any_number_of_quads() {
    for elements in [4, 252, 256, 260, 4 * 1031, 4 * 64 * 16 * 128 + 12, 600_000] {
        let gradient = numbers(&mut support::rng(elements as u64), elements, 1.0);
        for max_norm in [1.0, 1e6, f32::INFINITY] {
            let want = cpu::gradient_norm(&gradient, max_norm);
            let what = format!("{elements} elements, {max_norm}");
            support::assert_near(&what, &stats(&gradient, max_norm), &want, 1e-6);
        }
    }
}

#[test]
fn zero_is_not_scaled() {
    assert_eq!(stats(&[0.0; 8], 1.0), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn whatever_is_not_finite_is_seen() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
        for at in [0, 4242, 9999] {
            let mut gradient = vec![0.5; 10_000];
            gradient[at] = bad;
            for max_norm in [1.0, f32::INFINITY] {
                let got = stats(&gradient, max_norm);
                assert_eq!(got[1..], [0.0; 3], "{bad} at {at}");
                let want = cpu::gradient_norm(&gradient, max_norm);
                assert_eq!(want[1..], [0.0; 3], "the twin, {bad} at {at}");
            }
        }
    }
}

#[test]
fn wrong_arguments_are_errors() {
    let gpu = support::gpu();
    let refused = |n, max| matches!(GradientNorm::new(gpu, n, max), Err(GpuError::Shape { .. }));
    assert!(refused(0, 1.0) && refused(6, 1.0));
    assert!(refused(8, 0.0) && refused(8, -1.0) && refused(8, f32::NAN));
    let kernel = GradientNorm::new(gpu, 64, 1.0).expect("a multiple of 4");
    let sizes = [64, kernel.partials_elements(), 4];
    let large = sizes.map(|n| support::poisoned(gpu, n));
    for (short, size) in sizes.into_iter().enumerate() {
        let small = support::poisoned(gpu, size.max(8) - 4);
        let too_small = small.size() < 4 * size as u64;
        let at = |i: usize| {
            if i == short {
                small.view()
            } else {
                large[i].view()
            }
        };
        let bound = kernel.bind(gpu, at(0), at(1), at(2));
        assert_eq!(bound.is_err(), too_small, "operand {short}");
    }
}

//! `accumulate` against its twin.

use looplm_gpu::{GpuError, cpu, kernels::Accumulate};

use crate::support::{self, fetch, numbers, poison, poisoned, upload};

fn check(elements: usize) {
    let gpu = support::gpu();
    let mut rng = support::rng(elements as u64);
    let mut want = numbers(&mut rng, elements, 1.0);
    let term = numbers(&mut rng, elements, 1.0);
    let mut sum = want.clone();
    sum.extend(poison(64));
    let (sum, addend) = (upload(gpu, &sum), upload(gpu, &term));
    let bound = Accumulate::new(gpu, elements)
        .and_then(|kernel| kernel.bind(gpu, sum.view(), addend.view()))
        .expect("the shapes fit");
    let mut encoder = gpu.encoder();
    bound
        .record(&mut encoder.begin_compute_pass(&Default::default()))
        .expect("the grid is small");
    gpu.submit(encoder);
    cpu::accumulate(&mut want, &term);
    let got: Vec<f32> = fetch(gpu, &sum, elements + 64);
    assert_eq!(got[..elements], want);
    assert!(
        got[elements..].iter().all(|v| v.is_nan()),
        "nothing behind it is written"
    );
}

#[test]
fn any_number_of_quads() {
    for elements in [4, 252, 256, 260, 4 * 1031] {
        check(elements);
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    assert!(matches!(
        Accumulate::new(gpu, 7),
        Err(GpuError::Shape { .. })
    ));
    let kernel = Accumulate::new(gpu, 64).expect("a multiple of 4");
    let (large, small) = (poisoned(gpu, 64), poisoned(gpu, 60));
    assert!(kernel.bind(gpu, large.view(), small.view()).is_err());
    assert!(kernel.bind(gpu, small.view(), large.view()).is_err());
}

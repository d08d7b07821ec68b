//! `glu` against its twin.

use looplm_gpu::{GpuError, cpu, kernels::Glu, stride};

use crate::{
    gradient::{narrow, submit, wide},
    support::{self, ODD_SIZES, assert_near, fetch, padded_rows, poison, poisoned, upload},
};

fn check(rows: usize, width: usize) {
    let gpu = support::gpu();
    let mut rng = support::rng((1000 * rows + width) as u64);
    let mut gu = padded_rows(&mut rng, rows, 2 * width);
    gu.iter_mut().for_each(|v| *v *= 8.0);
    let mut want = narrow(&cpu::glu(width, &wide(&gu)));
    want.extend(poison(64));
    let (gu, m) = (upload(gpu, &gu), poisoned(gpu, want.len()));
    let bound = Glu::new(gpu, rows, width)
        .and_then(|kernel| kernel.bind(gpu, gu.view(), m.view()))
        .expect("the shapes fit");
    submit(gpu, &bound);
    assert_near(
        &format!("{rows} rows of {width}"),
        &fetch(gpu, &m, want.len()),
        &want,
        1e-5,
    );
}

#[test]
fn odd_sizes() {
    for size in ODD_SIZES {
        check(5, size);
        check(size, 9);
    }
    check(130, 192);
}

#[test]
fn large_gates_stay_finite() {
    let gpu = support::gpu();
    let gu = upload(gpu, &[-200.0f32, 200.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
    let m = poisoned(gpu, 8);
    let bound = Glu::new(gpu, 1, 2)
        .and_then(|kernel| kernel.bind(gpu, gu.view(), m.view()))
        .expect("the shapes fit");
    submit(gpu, &bound);
    let got: Vec<f32> = fetch(gpu, &m, 8);
    assert_eq!(got, [0.0, 600.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    for (rows, width) in [(0, 4), (4, 0)] {
        let made = Glu::new(gpu, rows, width);
        assert!(matches!(made, Err(GpuError::Shape { .. })));
    }
    let kernel = Glu::new(gpu, 4, 9).expect("there are rows");
    let (gu, m) = (poisoned(gpu, 4 * stride(18)), poisoned(gpu, 4 * stride(9)));
    let small = poisoned(gpu, 60);
    assert!(kernel.bind(gpu, gu.view(), m.view()).is_ok());
    assert!(kernel.bind(gpu, m.view(), gu.view()).is_err());
    assert!(kernel.bind(gpu, gu.view(), small.view()).is_err());
}

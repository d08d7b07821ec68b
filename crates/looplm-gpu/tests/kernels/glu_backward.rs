//! `glu_backward` against its twin, and the twin against differences of `glu`.

use looplm_gpu::{GpuError, cpu, kernels::GluBackward, stride};

use crate::{
    gradient::{assert_gradient, narrow, submit, weighted, wide},
    support::{self, ODD_SIZES, assert_near, fetch, padded_rows, poison, poisoned, upload},
};

fn check(rows: usize, width: usize) {
    let gpu = support::gpu();
    let mut rng = support::rng((1000 * rows + width) as u64);
    let mut gu = padded_rows(&mut rng, rows, 2 * width);
    gu.iter_mut().for_each(|v| *v *= 8.0);
    let dm = padded_rows(&mut rng, rows, width);
    let mut want = narrow(&cpu::glu_backward(width, &wide(&gu), &wide(&dm)));
    want.extend(poison(64));
    let (gu, dm) = (upload(gpu, &gu), upload(gpu, &dm));
    let dgu = poisoned(gpu, want.len());
    let bound = GluBackward::new(gpu, rows, width)
        .and_then(|kernel| kernel.bind(gpu, gu.view(), dm.view(), dgu.view()))
        .expect("the shapes fit");
    submit(gpu, &bound);
    assert_near(
        &format!("{rows} rows of {width}"),
        &fetch(gpu, &dgu, want.len()),
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
fn the_twin_is_the_gradient() {
    let (rows, width) = (3, 5);
    let mut rng = support::rng(1);
    let gu = wide(&padded_rows(&mut rng, rows, 2 * width));
    let dm = wide(&padded_rows(&mut rng, rows, width));
    assert_gradient("dgu", &gu, &cpu::glu_backward(width, &gu, &dm), |gu| {
        weighted(&cpu::glu(width, gu), &dm)
    });
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let made = GluBackward::new(gpu, 0, 4);
    assert!(matches!(made, Err(GpuError::Shape { .. })));
    let kernel = GluBackward::new(gpu, 4, 9).expect("there are rows");
    let [gu, dgu] = [(); 2].map(|()| poisoned(gpu, 4 * stride(18)));
    let (dm, small) = (poisoned(gpu, 4 * stride(9)), poisoned(gpu, 60));
    assert!(kernel.bind(gpu, gu.view(), dm.view(), dgu.view()).is_ok());
    assert!(
        kernel
            .bind(gpu, small.view(), dm.view(), dgu.view())
            .is_err()
    );
    assert!(
        kernel
            .bind(gpu, gu.view(), small.view(), dgu.view())
            .is_err()
    );
    assert!(
        kernel
            .bind(gpu, gu.view(), dm.view(), small.view())
            .is_err()
    );
}

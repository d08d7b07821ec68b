//! `rms_norm` against its twin.

use looplm_gpu::{GpuError, cpu, kernels::RmsNorm, stride};

use crate::{
    gradient::{narrow, submit, wide},
    support::{self, ODD_SIZES, assert_close, fetch, padded_rows, poison, poisoned, upload},
};

const EPSILON: f32 = 1e-5;

fn check(rows: usize, width: usize, add: bool) {
    let gpu = support::gpu();
    let mut rng = support::rng((1000 * rows + width) as u64);
    let x = padded_rows(&mut rng, rows, width);
    let gain = padded_rows(&mut rng, 1, width);
    let residual = padded_rows(&mut rng, rows, width);
    let twin = cpu::rms_norm(
        width,
        f64::from(EPSILON),
        &wide(&x),
        &wide(&gain),
        add.then(|| wide(&residual)).as_deref(),
    );
    let mut want = narrow(&twin);
    want.extend(poison(64));
    let (x, gain, residual) = (upload(gpu, &x), upload(gpu, &gain), upload(gpu, &residual));
    let y = poisoned(gpu, want.len());
    let bound = RmsNorm::new(gpu, rows, width, EPSILON, add)
        .and_then(|kernel| {
            let residual = if add { residual.view() } else { x.view() };
            kernel.bind(gpu, x.view(), gain.view(), residual, y.view())
        })
        .expect("the shapes fit");
    submit(gpu, &bound);
    assert_close(
        &format!("{rows} rows of {width}, add {add}"),
        &fetch(gpu, &y, want.len()),
        &want,
        1e-5,
    );
}

#[test]
fn odd_sizes() {
    for size in ODD_SIZES {
        check(5, size, false);
        check(size, 9, true);
    }
    check(130, 256, true);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    for (rows, width) in [(0, 4), (4, 0)] {
        let made = RmsNorm::new(gpu, rows, width, EPSILON, false);
        assert!(matches!(made, Err(GpuError::Shape { .. })));
    }
    let kernel = RmsNorm::new(gpu, 4, 20, EPSILON, false).expect("there are rows");
    let (large, small) = (
        poisoned(gpu, 4 * stride(20)),
        poisoned(gpu, 4 * stride(20) - 4),
    );
    let y = poisoned(gpu, 4 * stride(20));
    let (l, s) = (large.view(), small.view());
    assert!(kernel.bind(gpu, l, l, l, y.view()).is_ok());
    assert!(kernel.bind(gpu, s, l, l, y.view()).is_err());
    assert!(kernel.bind(gpu, l, l, s, y.view()).is_err());
    assert!(kernel.bind(gpu, l, l, l, s).is_err());
}

//! `rms_norm_backward` against its twin, and the twin against differences of `rms_norm`.

use looplm_gpu::{
    GpuError, cpu,
    kernels::{RmsNormBackward, RmsNormGradients},
    stride,
};

use crate::{
    gradient::{assert_gradient, narrow, submit, weighted, wide},
    support::{
        self, ODD_SIZES, assert_close, assert_near, fetch, padded_rows, poison, poisoned, upload,
    },
};

const EPSILON: f32 = 1e-5;

fn check(rows: usize, width: usize, add: bool) {
    let gpu = support::gpu();
    let mut rng = support::rng((1000 * rows + width) as u64);
    let x = padded_rows(&mut rng, rows, width);
    let gain = padded_rows(&mut rng, 1, width);
    let dy = padded_rows(&mut rng, rows, width);
    let other = padded_rows(&mut rng, rows, width);
    let before = padded_rows(&mut rng, 1, width);
    let mut want_dgain = wide(&before);
    let twin = cpu::rms_norm_backward(
        width,
        f64::from(EPSILON),
        &wide(&x),
        &wide(&gain),
        &wide(&dy),
        add.then(|| wide(&other)).as_deref(),
        &mut want_dgain,
    );
    let mut want = narrow(&twin);
    want.extend(poison(64));
    let mut want_dgain = narrow(&want_dgain);
    want_dgain.extend(poison(8));
    let [x, gain, dy, other] = [&x, &gain, &dy, &other].map(|v| upload(gpu, v));
    let dx = poisoned(gpu, want.len());
    let dgain = upload(gpu, &[before, poison(8)].concat());
    let kernel = RmsNormBackward::new(gpu, rows, width, EPSILON, add).expect("there are rows");
    let partials = poisoned(gpu, kernel.partials());
    let bound = kernel
        .bind(
            gpu,
            RmsNormGradients {
                x: x.view(),
                gain: gain.view(),
                dy: dy.view(),
                add: if add { other.view() } else { dy.view() },
                dx: dx.view(),
                dgain: dgain.view(),
                partials: partials.view(),
            },
        )
        .expect("the shapes fit");
    submit(gpu, &bound);
    let what = format!("{rows} rows of {width}, add {add}");
    assert_near(
        &format!("dx of {what}"),
        &fetch(gpu, &dx, want.len()),
        &want,
        3e-5,
    );
    let padding_at = |i: usize| i % stride(width) >= width;
    let got: Vec<f32> = fetch(gpu, &dx, rows * stride(width));
    assert!(
        got.iter()
            .enumerate()
            .all(|(i, v)| !padding_at(i) || *v == 0.0),
        "the padding of {what}"
    );
    assert_close(
        &format!("dgain of {what}"),
        &fetch(gpu, &dgain, want_dgain.len()),
        &want_dgain,
        3e-5,
    );
}

#[test]
fn odd_sizes() {
    for size in ODD_SIZES {
        check(5, size, true);
        check(size, 9, false);
    }
    check(200, 256, true);
}

#[test]
fn the_twin_is_the_gradient() {
    let (rows, width, epsilon) = (3, 7, 1e-3);
    let mut rng = support::rng(1);
    let x = wide(&padded_rows(&mut rng, rows, width));
    let gain = wide(&padded_rows(&mut rng, 1, width));
    let dy = wide(&padded_rows(&mut rng, rows, width));
    let mut dgain = vec![0.0; stride(width)];
    let dx = cpu::rms_norm_backward(width, epsilon, &x, &gain, &dy, None, &mut dgain);
    assert_gradient("dx", &x, &dx, |x| {
        weighted(&cpu::rms_norm(width, epsilon, x, &gain, None), &dy)
    });
    assert_gradient("dgain", &gain, &dgain, |gain| {
        weighted(&cpu::rms_norm(width, epsilon, &x, gain, None), &dy)
    });
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let made = RmsNormBackward::new(gpu, 4, 0, EPSILON, false);
    assert!(matches!(made, Err(GpuError::Shape { .. })));
    let kernel = RmsNormBackward::new(gpu, 4, 20, EPSILON, false).expect("there are rows");
    let (read, dx, dgain) = (poisoned(gpu, 96), poisoned(gpu, 96), poisoned(gpu, 24));
    let partials = poisoned(gpu, kernel.partials());
    let small = poisoned(gpu, 20);
    let fine = RmsNormGradients {
        x: read.view(),
        gain: read.view(),
        dy: read.view(),
        add: read.view(),
        dx: dx.view(),
        dgain: dgain.view(),
        partials: partials.view(),
    };
    assert!(kernel.bind(gpu, fine).is_ok());
    let small = small.view();
    for wrong in [
        RmsNormGradients { x: small, ..fine },
        RmsNormGradients {
            gain: small,
            ..fine
        },
        RmsNormGradients { dy: small, ..fine },
        RmsNormGradients { add: small, ..fine },
        RmsNormGradients { dx: small, ..fine },
        RmsNormGradients {
            dgain: small,
            ..fine
        },
        RmsNormGradients {
            partials: small,
            ..fine
        },
    ] {
        assert!(kernel.bind(gpu, wrong).is_err());
    }
}

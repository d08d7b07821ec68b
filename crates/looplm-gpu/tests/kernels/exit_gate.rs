//! `exit_gate` and `exit_gate_backward` against their twins.

use looplm_gpu::{
    GpuError, cpu,
    kernels::{ExitGate, ExitGateBackward, ExitGateGradients, gate_elements},
    stride,
};
use rand::rngs::StdRng;

use crate::support::{
    self, assert_close, assert_near, fetch, numbers, padded_rows, poisoned, run_bound, upload,
};

fn random_gate(rng: &mut StdRng, width: usize) -> Vec<f32> {
    let mut gate = padded_rows(rng, 1, width);
    gate.extend(padded_rows(rng, 1, 1));
    gate
}

fn check(rows: usize, width: usize) {
    let gpu = support::gpu();
    let what = format!("{rows} rows of {width}");
    let mut rng = support::rng((rows * 1000 + width) as u64);
    let size = rows * stride(width);
    let y = padded_rows(&mut rng, rows, width);
    let gate = random_gate(&mut rng, width);
    let (y_buffer, gate_buffer) = (upload(gpu, &y), upload(gpu, &gate));
    let z = poisoned(gpu, rows + 4);
    let bound = ExitGate::new(gpu, rows, width)
        .bind(gpu, y_buffer.view(), gate_buffer.view(), z.view())
        .expect("the shapes fit");
    run_bound(gpu, &[bound]);
    let want: Vec<f32> = cpu::exit_gate(&y, &gate, width)
        .iter()
        .map(|z| *z as f32)
        .collect();
    let got: Vec<f32> = fetch(gpu, &z, rows + 4);
    assert_near(&what, &got[..rows], &want, 1e-5);
    assert!(got[rows..].iter().all(|v| v.is_nan()), "{what}: behind it");

    let dz = numbers(&mut rng, rows, 1.0);
    let mut want_dy = padded_rows(&mut rng, rows, width);
    let mut want_dgate = random_gate(&mut rng, width);
    let (dz_buffer, dy, dgate) = (
        upload(gpu, &dz),
        upload(gpu, &want_dy),
        upload(gpu, &want_dgate),
    );
    let partials = poisoned(gpu, ExitGateBackward::partials(rows, width));
    let bound = ExitGateBackward::new(gpu, rows, width)
        .bind(
            gpu,
            ExitGateGradients {
                y: y_buffer.view(),
                gate: gate_buffer.view(),
                dz: dz_buffer.view(),
                dy: dy.view(),
                dgate: dgate.view(),
                partials: partials.view(),
            },
        )
        .expect("the shapes fit");
    run_bound(gpu, &[bound]);
    cpu::exit_gate_backward(&y, &gate, &dz, width, &mut want_dy, &mut want_dgate);
    let got: Vec<f32> = fetch(gpu, &dy, size);
    assert_close(&format!("{what}: dy"), &got, &want_dy, 1e-6);
    let got: Vec<f32> = fetch(gpu, &dgate, gate_elements(width));
    assert_close(&format!("{what}: dgate"), &got, &want_dgate, 1e-5);
}

#[test]
fn odd_shapes() {
    for (rows, width) in [(1, 1), (2, 9), (63, 7), (64, 8), (65, 127), (300, 33)] {
        check(rows, width);
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_forward() {
    let mut rng = support::rng(3);
    let (rows, width) = (5, 3);
    let y = padded_rows(&mut rng, rows, width);
    let gate = random_gate(&mut rng, width);
    let dz = numbers(&mut rng, rows, 1.0);
    let (mut dy, mut dgate) = (vec![0.0; y.len()], vec![0.0; gate.len()]);
    cpu::exit_gate_backward(&y, &gate, &dz, width, &mut dy, &mut dgate);
    let value = |y: &[f32], gate: &[f32]| -> f64 {
        let z = cpu::exit_gate(y, gate, width);
        z.iter().zip(&dz).map(|(z, d)| z * f64::from(*d)).sum()
    };
    let slope = |x: &[f32], i: usize, value: &dyn Fn(&[f32]) -> f64| {
        let (mut above, mut below) = (x.to_vec(), x.to_vec());
        above[i] += 0.25;
        below[i] -= 0.25;
        (value(&above) - value(&below)) / f64::from(above[i] - below[i])
    };
    for (i, d) in dy.iter().enumerate() {
        let want = slope(&y, i, &|y| value(y, &gate));
        assert!((want - f64::from(*d)).abs() < 1e-6, "state {i}");
    }
    for i in (0..width).chain([stride(width)]) {
        let want = slope(&gate, i, &|gate| value(&y, gate));
        assert!((want - f64::from(dgate[i])).abs() < 1e-6, "parameter {i}");
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let (large, small) = (poisoned(gpu, 64), poisoned(gpu, 4));
    let (l, s) = (large.view(), small.view());
    let kernel = ExitGate::new(gpu, 8, 8);
    for [y, gate, z] in [[s, l, l], [l, s, l], [l, l, s]] {
        assert!(matches!(
            kernel.bind(gpu, y, gate, z),
            Err(GpuError::Shape { .. })
        ));
    }
    let backward = ExitGateBackward::new(gpu, 8, 8);
    for wrong in 0..6 {
        let pick = |i| if i == wrong { s } else { l };
        let buffers = ExitGateGradients {
            y: pick(0),
            gate: pick(1),
            dz: pick(2),
            dy: pick(3),
            dgate: pick(4),
            partials: pick(5),
        };
        assert!(backward.bind(gpu, buffers).is_err(), "buffer {wrong}");
    }
}

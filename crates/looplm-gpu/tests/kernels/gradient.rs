//! What the tests of the training kernels share: numbers in both widths, and central differences.

use looplm_gpu::{Bound, Gpu};

/// The numbers as the twins take them.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// The numbers as the kernels give them.
pub(crate) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

/// What is summed up to make one loss of an output: the output weighted with `slope`, its gradient.
pub(crate) fn weighted(output: &[f64], slope: &[f64]) -> f64 {
    output.iter().zip(slope).map(|(o, s)| o * s).sum()
}

/// Records and submits.
pub(crate) fn submit(gpu: &Gpu, bound: &Bound) {
    let mut encoder = gpu.encoder();
    bound
        .record(&mut encoder.begin_compute_pass(&Default::default()))
        .expect("the grid is small");
    gpu.submit(encoder);
}

/// Holds the gradient of `loss` at `at` against central differences.
#[track_caller]
pub(crate) fn assert_gradient(
    what: &str,
    at: &[f64],
    gradient: &[f64],
    loss: impl Fn(&[f64]) -> f64,
) {
    const STEP: f64 = 1e-5;
    assert_eq!(at.len(), gradient.len(), "{what}: length");
    let mut moved = at.to_vec();
    for (i, &analytic) in gradient.iter().enumerate() {
        moved[i] = at[i] + STEP;
        let above = loss(&moved);
        moved[i] = at[i] - STEP;
        let below = loss(&moved);
        moved[i] = at[i];
        let numeric = (above - below) / (2.0 * STEP);
        assert!(
            (numeric - analytic).abs() <= 1e-7 * analytic.abs().max(1.0),
            "{what}: element {i} has the gradient {analytic:e}, differences say {numeric:e}"
        );
    }
}

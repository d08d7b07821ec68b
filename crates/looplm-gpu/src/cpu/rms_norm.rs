use crate::stride;

/// Twin of `rms_norm`: returns y. `x` and `residual` are [rows, stride(width)].
pub fn rms_norm(
    width: usize,
    epsilon: f64,
    x: &[f64],
    gain: &[f64],
    residual: Option<&[f64]>,
) -> Vec<f64> {
    let padded = stride(width);
    let mut y = residual.map_or_else(|| vec![0.0; x.len()], <[f64]>::to_vec);
    for (x, y) in x.chunks_exact(padded).zip(y.chunks_exact_mut(padded)) {
        let scale = rms_scale(&x[..width], epsilon);
        for i in 0..width {
            y[i] += x[i] * scale * gain[i];
        }
    }
    y
}

/// 1 / sqrt(mean(x^2) + epsilon).
pub(super) fn rms_scale(x: &[f64], epsilon: f64) -> f64 {
    let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
    1.0 / (mean + epsilon).sqrt()
}

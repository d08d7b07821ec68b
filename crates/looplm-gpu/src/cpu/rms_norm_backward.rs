use super::rms_norm::rms_scale;
use crate::stride;

/// Twin of `rms_norm_backward`: returns dx and adds to `dgain`. `x`, `dy` and `add` are [rows, stride(width)].
pub fn rms_norm_backward(
    width: usize,
    epsilon: f64,
    x: &[f64],
    gain: &[f64],
    dy: &[f64],
    add: Option<&[f64]>,
    dgain: &mut [f64],
) -> Vec<f64> {
    let padded = stride(width);
    let mut dx = add.map_or_else(|| vec![0.0; x.len()], <[f64]>::to_vec);
    for ((x, dy), dx) in x
        .chunks_exact(padded)
        .zip(dy.chunks_exact(padded))
        .zip(dx.chunks_exact_mut(padded))
    {
        let scale = rms_scale(&x[..width], epsilon);
        let pull: f64 = (0..width).map(|i| x[i] * gain[i] * dy[i]).sum::<f64>() / width as f64;
        for i in 0..width {
            dx[i] += scale * gain[i] * dy[i] - x[i] * scale.powi(3) * pull;
            dgain[i] += x[i] * scale * dy[i];
        }
    }
    dx
}

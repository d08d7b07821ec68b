use super::{dot, normed};
use crate::{kernels::Record, rows::GpuRow, stride};

/// Twin of `finish`: updates `state` and `records`. `gains` is [3, stride(width)] and the gate's bias.
#[allow(clippy::too_many_arguments)]
pub fn finish(
    width: usize,
    epsilon: f32,
    rows: &[GpuRow],
    a: &[f32],
    h: &[f32],
    gains: &[f32],
    state: &mut [f32],
    records: &mut [Record],
) {
    let padded = stride(width);
    for (r, row) in rows.iter().enumerate() {
        let slot = row.state as usize;
        let branch = normed(&a[r * padded..][..width], gains, epsilon);
        let sum: Vec<f32> = h[r * padded..]
            .iter()
            .zip(branch)
            .map(|(h, b)| h + b)
            .collect();
        let y = normed(&sum, &gains[padded..], epsilon);
        let old = &mut state[slot * padded..][..padded];
        let moved: f64 = y
            .iter()
            .zip(old.iter())
            .map(|(y, o)| f64::from(y - o).powi(2))
            .sum();
        let before: f64 = old[..width].iter().map(|o| f64::from(*o).powi(2)).sum();
        old.fill(0.0);
        old[..width].copy_from_slice(&y);
        let gate = dot(&y, &gains[2 * padded..][..width]) + f64::from(gains[3 * padded]);
        let lambda = (1.0 / (1.0 + (-gate).exp())) as f32;
        let record = &mut records[slot];
        if row.step == 1 {
            record.survival = 1.0;
        }
        let step = row.step as usize - 1;
        let p = if row.step == row.last_step {
            record.survival
        } else {
            lambda * record.survival
        };
        record.survival *= 1.0 - lambda;
        record.steps = row.step;
        record.lambda[step] = lambda;
        record.p[step] = p;
        record.change[step] = (moved / before.max(1e-30)).sqrt() as f32;
        record.moved[step] = moved.sqrt() as f32;
    }
}

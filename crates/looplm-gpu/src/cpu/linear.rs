use super::dot;
use crate::stride;

/// Twin of `linear`: `weights` is [outputs, inputs] without padding, `x` is [rows, stride(inputs)].
pub fn linear(inputs: usize, outputs: usize, weights: &[f32], x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / stride(inputs) * stride(outputs)];
    for (x, y) in x
        .chunks_exact(stride(inputs))
        .zip(y.chunks_exact_mut(stride(outputs)))
    {
        for (row, y) in weights.chunks_exact(inputs).zip(y) {
            *y = dot(row, x) as f32;
        }
    }
    y
}

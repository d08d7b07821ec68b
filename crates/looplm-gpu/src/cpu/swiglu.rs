use super::dot;
use crate::stride;

/// Twin of `swiglu`: `gate` and `up` are [outputs, inputs] without padding, `x` is [rows, stride(inputs)].
pub fn swiglu(inputs: usize, outputs: usize, gate: &[f32], up: &[f32], x: &[f32]) -> Vec<f32> {
    let mut m = vec![0.0; x.len() / stride(inputs) * stride(outputs)];
    for (x, m) in x
        .chunks_exact(stride(inputs))
        .zip(m.chunks_exact_mut(stride(outputs)))
    {
        for ((gate, up), m) in gate
            .chunks_exact(inputs)
            .zip(up.chunks_exact(inputs))
            .zip(m)
        {
            let g = dot(gate, x);
            *m = (g / (1.0 + (-g).exp()) * dot(up, x)) as f32;
        }
    }
    m
}

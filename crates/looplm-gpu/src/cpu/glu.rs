use crate::stride;

/// Twin of `glu`: silu(gate) * up for `gu` [rows, stride(2 width)], returned as [rows, stride(width)].
pub fn glu(width: usize, gu: &[f64]) -> Vec<f64> {
    let rows = gu.chunks_exact(stride(2 * width));
    let mut m = vec![0.0; rows.len() * stride(width)];
    for (gu, m) in rows.zip(m.chunks_exact_mut(stride(width))) {
        for i in 0..width {
            m[i] = gu[i] / (1.0 + (-gu[i]).exp()) * gu[width + i];
        }
    }
    m
}

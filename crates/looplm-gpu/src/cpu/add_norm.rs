use super::normed;
use crate::stride;

/// Twin of `add_norm`: updates `h` and returns `x`. `gains` is [2, stride(width)].
pub fn add_norm(width: usize, epsilon: f32, a: &[f32], gains: &[f32], h: &mut [f32]) -> Vec<f32> {
    let padded = stride(width);
    let mut x = vec![0.0; h.len()];
    for ((a, h), x) in a
        .chunks_exact(padded)
        .zip(h.chunks_exact_mut(padded))
        .zip(x.chunks_exact_mut(padded))
    {
        for (h, branch) in h.iter_mut().zip(normed(&a[..width], gains, epsilon)) {
            *h += branch;
        }
        h[width..].fill(0.0);
        x[..width].copy_from_slice(&normed(&h[..width], &gains[padded..], epsilon));
    }
    x
}

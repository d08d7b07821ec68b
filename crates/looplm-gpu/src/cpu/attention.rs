use super::{dot, kv::place};
use crate::{head_stride, kernels::AttentionShape, rows::GpuRow, stride};

/// Twin of `attention`: softmax(q k / sqrt(head_dim)) v over the entries that the
/// KV map names for the positions before each row, and its own. Queries, keys and values are in the order of the cache.
pub fn attention(
    shape: AttentionShape,
    rows: &[GpuRow],
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    kv_map: &[u32],
) -> Vec<f32> {
    let AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let pitch = head_stride(head_dim);
    let mut out = vec![0.0; rows.len() * stride(heads * head_dim)];
    for (r, row) in rows.iter().enumerate() {
        for head in 0..heads {
            let query = &q[(r * heads + head) * pitch..][..head_dim];
            let at = |j: usize| {
                let entry = if j == row.position as usize {
                    row.entry
                } else {
                    kv_map[row.map as usize + j]
                };
                (entry as usize * kv_heads + head / (heads / kv_heads)) * pitch
            };
            let count = row.position as usize + 1;
            let scores: Vec<f64> = (0..count)
                .map(|j| dot(query, &keys[at(j)..][..head_dim]) / (head_dim as f64).sqrt())
                .collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
            let total: f64 = weights.iter().sum();
            for i in 0..head_dim {
                let sum: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(j, w)| w * f64::from(values[at(j) + place(head_dim, i)]))
                    .sum();
                out[r * stride(heads * head_dim) + head * head_dim + i] = (sum / total) as f32;
            }
        }
    }
    out
}

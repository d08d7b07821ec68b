use crate::{kernels::AttentionShape, stride};

/// Twin of `causal_attention`: returns `out` [rows, stride(heads * head_dim)] and the log-sum-exp of the scores
/// [rows, heads], from `qkv` [rows, stride(shape.packed())] and the first row of each row's document.
pub fn causal_attention(
    shape: AttentionShape,
    scale: f64,
    qkv: &[f64],
    first: &[u32],
) -> (Vec<f64>, Vec<f64>) {
    let AttentionShape {
        heads, head_dim, ..
    } = shape;
    let joined = stride(heads * head_dim);
    let mut out = vec![0.0; first.len() * joined];
    let mut lse = Vec::with_capacity(first.len() * heads);
    for (row, &first) in first.iter().enumerate() {
        let seen = first as usize..row + 1;
        for head in 0..heads {
            let query = query(shape, qkv, row, head);
            let scores: Vec<f64> = seen
                .clone()
                .map(|j| scale * dot(query, key(shape, qkv, j, head)))
                .collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total = scores.iter().map(|s| (s - top).exp()).sum::<f64>().ln() + top;
            let out = &mut out[row * joined + head * head_dim..][..head_dim];
            for (j, score) in seen.clone().zip(&scores) {
                for (out, value) in out.iter_mut().zip(value(shape, qkv, j, head)) {
                    *out += (score - total).exp() * value;
                }
            }
            lse.push(total);
        }
    }
    (out, lse)
}

fn at(shape: AttentionShape, row: usize, packed_head: usize) -> usize {
    row * stride(shape.packed()) + packed_head * shape.head_dim
}

/// Where the key of query head `head` begins in row `row`.
pub(super) fn key_at(shape: AttentionShape, row: usize, head: usize) -> usize {
    let sharing = shape.heads / shape.kv_heads;
    at(shape, row, shape.heads + head / sharing)
}

/// Where its value begins.
pub(super) fn value_at(shape: AttentionShape, row: usize, head: usize) -> usize {
    key_at(shape, row, head) + shape.kv_heads * shape.head_dim
}

/// Where its query begins.
pub(super) fn query_at(shape: AttentionShape, row: usize, head: usize) -> usize {
    at(shape, row, head)
}

pub(super) fn query(shape: AttentionShape, qkv: &[f64], row: usize, head: usize) -> &[f64] {
    &qkv[query_at(shape, row, head)..][..shape.head_dim]
}

pub(super) fn key(shape: AttentionShape, qkv: &[f64], row: usize, head: usize) -> &[f64] {
    &qkv[key_at(shape, row, head)..][..shape.head_dim]
}

pub(super) fn value(shape: AttentionShape, qkv: &[f64], row: usize, head: usize) -> &[f64] {
    &qkv[value_at(shape, row, head)..][..shape.head_dim]
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

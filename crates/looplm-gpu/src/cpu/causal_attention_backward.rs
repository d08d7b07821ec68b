use super::causal_attention::{dot, key, key_at, query, query_at, value, value_at};
use crate::{kernels::AttentionShape, stride};

/// Twin of `causal_attention_backward`: the gradient of `qkv` from `dout`, with `out` and `lse` of
/// [`super::causal_attention`]. It needs no last rows: it adds to the keys as it comes by.
pub fn causal_attention_backward(
    shape: AttentionShape,
    scale: f64,
    qkv: &[f64],
    out: &[f64],
    dout: &[f64],
    lse: &[f64],
    first: &[u32],
) -> Vec<f64> {
    let AttentionShape {
        heads, head_dim, ..
    } = shape;
    let joined = stride(heads * head_dim);
    let mut dqkv = vec![0.0; qkv.len()];
    for (row, &first) in first.iter().enumerate() {
        for head in 0..heads {
            let own = row * joined + head * head_dim..row * joined + (head + 1) * head_dim;
            let dout = &dout[own.clone()];
            let delta = dot(dout, &out[own]);
            let q = query(shape, qkv, row, head);
            for j in first as usize..=row {
                let k = key(shape, qkv, j, head);
                let weight = (scale * dot(q, k) - lse[row * heads + head]).exp();
                let dscore = weight * (dot(dout, value(shape, qkv, j, head)) - delta) * scale;
                for i in 0..head_dim {
                    dqkv[query_at(shape, row, head) + i] += dscore * k[i];
                    dqkv[key_at(shape, j, head) + i] += dscore * q[i];
                    dqkv[value_at(shape, j, head) + i] += weight * dout[i];
                }
            }
        }
    }
    dqkv
}

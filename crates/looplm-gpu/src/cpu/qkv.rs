use super::{
    kv::{place, rounded},
    linear,
};
use crate::{head_stride, kernels::AttentionShape, kv_format::KvFormat, rows::GpuRow, stride};

/// The rotary table the kernels read: (cos, sin) of position * theta^(-2 i / head_dim), [positions, head_dim / 2].
pub fn rotary_table(head_dim: usize, theta: f64, positions: usize) -> Vec<[f32; 2]> {
    let half = head_dim / 2;
    let mut table = Vec::with_capacity(positions * half);
    for position in 0..positions {
        for i in 0..half {
            let angle = position as f64 * theta.powf(-2.0 * i as f64 / head_dim as f64);
            table.push([angle.cos() as f32, angle.sin() as f32]);
        }
    }
    table
}

/// Twin of `qkv`: returns q and writes `keys` and `values`, all in the order of the cache, the latter two rounded to its
/// format. `weights` is [(heads + 2 kv_heads) head_dim, inputs].
#[allow(clippy::too_many_arguments)]
pub fn qkv(
    shape: AttentionShape,
    format: KvFormat,
    inputs: usize,
    rows: &[GpuRow],
    weights: &[f32],
    x: &[f32],
    rotary: &[[f32; 2]],
    keys: &mut [f32],
    values: &mut [f32],
) -> Vec<f32> {
    let AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let (pitch, half) = (head_stride(head_dim), head_dim / 2);
    let outputs = (heads + 2 * kv_heads) * head_dim;
    let product = linear(inputs, outputs, weights, x);
    let mut q = vec![0.0; rows.len() * heads * pitch];
    for (r, row) in rows.iter().enumerate() {
        let entry = row.entry as usize;
        for head in 0..heads + 2 * kv_heads {
            let from = &product[r * stride(outputs) + head * head_dim..][..head_dim];
            let to = if head < heads {
                &mut q[(r * heads + head) * pitch..][..pitch]
            } else if head < heads + kv_heads {
                &mut keys[(entry * kv_heads + head - heads) * pitch..][..pitch]
            } else {
                &mut values[(entry * kv_heads + head - heads - kv_heads) * pitch..][..pitch]
            };
            to[head_dim..].fill(0.0);
            for i in 0..half {
                // Values are not turned.
                let [cos, sin] = match head {
                    _ if head >= heads + kv_heads => [1.0, 0.0],
                    _ => rotary[row.position as usize * half + i],
                };
                let (a, b) = (from[i], from[half + i]);
                to[place(head_dim, i)] = a * cos - b * sin;
                to[place(head_dim, half + i)] = b * cos + a * sin;
            }
            // Queries are not kept.
            if head >= heads {
                to.copy_from_slice(&rounded(format, to));
            }
        }
    }
    q
}

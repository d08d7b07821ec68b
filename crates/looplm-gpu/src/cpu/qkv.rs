use super::linear;
use crate::{head_stride, kernels::AttentionShape, rows::GpuRow, stride};

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

/// Twin of `qkv`: returns q and writes `keys` and `values`. `weights` is [(heads + 2 kv_heads) head_dim, inputs].
#[allow(clippy::too_many_arguments)]
pub fn qkv(
    shape: AttentionShape,
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
            if head >= heads + kv_heads {
                to[..head_dim].copy_from_slice(from);
                continue;
            }
            to[head_dim..].fill(0.0);
            for i in 0..half {
                let [cos, sin] = rotary[row.position as usize * half + i];
                to[i] = from[i] * cos - from[half + i] * sin;
                to[half + i] = from[half + i] * cos + from[i] * sin;
            }
        }
    }
    q
}

use crate::{kernels::AttentionShape, kernels::KvMove};

/// Twin of `kv_mean`: the keys or the values of a layer, [entries, kv_heads, head_stride].
pub fn kv_mean(shape: AttentionShape, moves: &[KvMove], data: &mut [f32]) {
    let size = shape.entry();
    for one in moves {
        let sources = &one.source[..one.count as usize];
        for i in 0..size {
            let sum: f64 = sources
                .iter()
                .map(|entry| f64::from(data[*entry as usize * size + i]))
                .sum();
            data[one.target as usize * size + i] = (sum / sources.len() as f64) as f32;
        }
    }
}

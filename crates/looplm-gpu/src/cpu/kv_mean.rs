use super::kv::rounded;
use crate::{
    kernels::{AttentionShape, KvMove},
    kv_format::KvFormat,
};

/// Twin of `kv_mean`: the keys or the values of a layer, [entries, kv_heads, head_stride], rounded to the
/// format of the cache.
pub fn kv_mean(shape: AttentionShape, format: KvFormat, moves: &[KvMove], data: &mut [f32]) {
    let size = shape.entry();
    for one in moves {
        let sources = &one.source[..one.count as usize];
        let means: Vec<f32> = (0..size)
            .map(|i| {
                let sum: f64 = sources
                    .iter()
                    .map(|entry| f64::from(data[*entry as usize * size + i]))
                    .sum();
                (sum / sources.len() as f64) as f32
            })
            .collect();
        data[one.target as usize * size..][..size].copy_from_slice(&rounded(format, &means));
    }
}

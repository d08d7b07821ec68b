//! CPU twins of the kernels: the same inputs and outputs, row by row, slow and meant to be read. The tests hold the
//! kernels against them; nothing else uses them.
//!
//! Buffers are slices in the layout of the kernels: rows of [`crate::stride`] elements with zero padding. Sums are
//! taken in `f64`, so that a difference is the kernel's rounding.

mod accumulate;
mod add_norm;
mod attention;
mod embed;
mod finish;
mod linear;
mod product;
mod qkv;
mod sample;
mod stream_read;
mod swiglu;
mod token_stats;

pub use accumulate::accumulate;
pub use add_norm::add_norm;
pub use attention::attention;
pub use embed::embed;
pub use finish::finish;
pub use linear::linear;
pub use product::product;
pub use qkv::{qkv, rotary_table};
pub use sample::{sample, scores};
pub use stream_read::stream_read;
pub use swiglu::swiglu;
pub use token_stats::{TokenStat, token_stats};

/// RMSNorm of a row: gain * x / sqrt(mean(x^2) + epsilon).
pub fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32) -> Vec<f32> {
    let mean = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean + f64::from(epsilon)).sqrt();
    x.iter()
        .zip(gain)
        .map(|(v, g)| (f64::from(*v) * scale * f64::from(*g)) as f32)
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum()
}

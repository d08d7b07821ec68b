//! CPU twins of the kernels: the same inputs and outputs, row by row, slow and meant to be read. The tests hold the
//! kernels against them; nothing else uses them.
//!
//! Buffers are slices in the layout of the kernels: rows of [`crate::stride`] elements with zero padding. Sums are
//! taken in `f64`, so that a difference is the kernel's rounding. The twins of training take and give `f64`, so that
//! gradients can be held against central differences.

mod accumulate;
mod adamw;
mod add_norm;
mod attention;
mod causal_attention;
mod causal_attention_backward;
mod cross_entropy;
mod embed;
mod exit_gate;
mod exit_gate_backward;
mod exit_objective;
mod exit_probabilities;
mod finish;
mod gather;
mod gather_backward;
mod glu;
mod glu_backward;
mod gradient_norm;
mod kv;
mod kv_mean;
mod linear;
mod packed;
mod product;
mod qkv;
mod rms_norm;
mod rms_norm_backward;
mod rotary;
mod sample;
mod stream_read;
mod swiglu;
mod token_stats;

pub use accumulate::accumulate;
pub use adamw::adamw;
pub use add_norm::add_norm;
pub use attention::attention;
pub use causal_attention::causal_attention;
pub use causal_attention_backward::causal_attention_backward;
pub use cross_entropy::cross_entropy;
pub use embed::embed;
pub use exit_gate::exit_gate;
pub use exit_gate_backward::exit_gate_backward;
pub use exit_objective::{RowObjective, exit_objective};
pub use exit_probabilities::exit_probabilities;
pub use finish::finish;
pub use gather::gather;
pub use gather_backward::gather_backward;
pub use glu::glu;
pub use glu_backward::glu_backward;
pub use gradient_norm::gradient_norm;
pub use kv::{kv_elements, kv_words};
pub use kv_mean::kv_mean;
pub use linear::linear;
pub use packed::packed;
pub use product::product;
pub use qkv::{qkv, rotary_table};
pub use rms_norm::rms_norm;
pub use rms_norm_backward::rms_norm_backward;
pub use rotary::rotary;
pub use sample::{note, sample, scores};
pub use stream_read::stream_read;
pub use swiglu::swiglu;
pub use token_stats::{TokenStat, token_stats};

/// RMSNorm of a row: gain * x / sqrt(mean(x^2) + epsilon).
fn normed(x: &[f32], gain: &[f32], epsilon: f32) -> Vec<f32> {
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

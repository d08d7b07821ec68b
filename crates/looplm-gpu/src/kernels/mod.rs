//! Typed wrappers of the shaders, one file each. A wrapper checks shapes, makes pipelines and bind groups once,
//! and records dispatches.

pub mod accumulate;
pub mod adamw;
pub mod add_norm;
pub mod attention;
pub mod causal_attention;
pub mod causal_attention_backward;
pub mod cross_entropy;
pub mod embed;
pub mod exit_gate;
pub mod exit_gate_backward;
pub mod exit_objective;
pub mod exit_probabilities;
pub mod finish;
pub mod gather;
pub mod gather_backward;
pub mod glu;
pub mod glu_backward;
pub mod gradient_norm;
pub mod kv_mean;
pub mod linear;
pub mod product;
mod projection;
pub mod qkv;
pub mod rms_norm;
pub mod rms_norm_backward;
pub mod rotary;
pub mod sample;
pub mod stream_read;
pub mod swiglu;
mod texts;
pub mod token_stats;

use crate::kernel::Source;

pub use accumulate::Accumulate;
pub use adamw::{AdamW, AdamWBuffers, AdamWHyper};
pub use add_norm::{AddNorm, AddNormOp};
pub use attention::{Attention, AttentionBuffers, AttentionOp, AttentionParts};
pub use causal_attention::{CausalAttention, RowBlock};
pub use causal_attention_backward::{CausalAttentionBackward, CausalAttentionGradients};
pub use cross_entropy::CrossEntropy;
pub use embed::{Embed, EmbedBuffers, EmbedOp};
pub use exit_gate::{ExitGate, gate_elements};
pub use exit_gate_backward::{ExitGateBackward, ExitGateGradients};
pub use exit_objective::{
    ExitObjective, ExitPrior, GateLabel, ObjectiveBuffers, ObjectiveKind, ObjectiveParams,
    ObjectiveTotals,
};
pub use exit_probabilities::ExitProbabilities;
pub use finish::{Finish, FinishBuffers, FinishOp, Record};
pub use gather::Gather;
pub use gather_backward::{GatherBackward, Takers};
pub use glu::Glu;
pub use glu_backward::GluBackward;
pub use gradient_norm::{GRADIENT_STATS, GradientNorm};
pub use kv_mean::{KvMean, KvMeanOp, KvMove};
pub use linear::Linear;
pub use product::{Product, ProductKind, ProductMethod, ProductShape};
pub use projection::{MAX_FEW_ROWS, ProjectionOp, RowVariant, Texts};
pub use qkv::{AttentionShape, Qkv, QkvBuffers};
pub use rms_norm::RmsNorm;
pub use rms_norm_backward::{RmsNormBackward, RmsNormGradients};
pub use rotary::Rotary;
pub use sample::{Sample, SampleOp, SampleRequest, seen_words};
pub use stream_read::StreamRead;
pub use swiglu::Swiglu;
pub use token_stats::{STATS_WORDS, TOP_MAX, TokenStats, TokenStatsOp};

/// Every shader of the crate, for validation and tools.
pub const SOURCES: [Source; 29] = [
    embed::SOURCE,
    qkv::SOURCE,
    attention::SOURCE,
    kv_mean::SOURCE,
    linear::SOURCE,
    add_norm::SOURCE,
    swiglu::SOURCE,
    finish::SOURCE,
    sample::SOURCE,
    token_stats::SOURCE,
    stream_read::SOURCE,
    accumulate::SOURCE,
    product::SOURCE,
    gather::SOURCE,
    gather_backward::SOURCE,
    exit_gate::SOURCE,
    exit_gate_backward::SOURCE,
    cross_entropy::SOURCE,
    exit_probabilities::SOURCE,
    exit_objective::SOURCE,
    rms_norm::SOURCE,
    rms_norm_backward::SOURCE,
    rotary::SOURCE,
    causal_attention::SOURCE,
    causal_attention_backward::SOURCE,
    glu::SOURCE,
    glu_backward::SOURCE,
    gradient_norm::SOURCE,
    adamw::SOURCE,
];

//! Typed wrappers of the shaders, one file each. A wrapper checks shapes, makes pipelines and bind groups once,
//! and records dispatches.

pub mod accumulate;
pub mod add_norm;
pub mod attention;
pub mod embed;
pub mod finish;
pub mod linear;
pub mod product;
mod projection;
pub mod qkv;
pub mod sample;
pub mod stream_read;
pub mod swiglu;
pub mod token_stats;

use crate::kernel::Source;

pub use accumulate::Accumulate;
pub use add_norm::{AddNorm, AddNormOp};
pub use attention::{Attention, AttentionOp};
pub use embed::{Embed, EmbedBuffers, EmbedOp};
pub use finish::{Finish, FinishBuffers, FinishOp, Record};
pub use linear::Linear;
pub use product::{Product, ProductKind, ProductShape};
pub use projection::{ProjectionOp, RowVariant};
pub use qkv::{AttentionShape, Qkv, QkvBuffers};
pub use sample::{Sample, SampleOp, SampleRequest, seen_words};
pub use stream_read::StreamRead;
pub use swiglu::Swiglu;
pub use token_stats::{STATS_WORDS, TOP_MAX, TokenStats, TokenStatsOp};

/// Every shader of the crate, for validation and tools.
pub const SOURCES: [Source; 12] = [
    embed::SOURCE,
    qkv::SOURCE,
    attention::SOURCE,
    linear::SOURCE,
    add_norm::SOURCE,
    swiglu::SOURCE,
    finish::SOURCE,
    sample::SOURCE,
    token_stats::SOURCE,
    stream_read::SOURCE,
    accumulate::SOURCE,
    product::SOURCE,
];

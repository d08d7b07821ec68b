//! Buffers of a pass: activations, states, tables, results. Allocated once for the largest pass.

use looplm_gpu::{
    Buffer, Gpu, GpuError, MAX_STEPS, Readback, RowTables, head_stride,
    kernels::{AttentionParts, MAX_FEW_ROWS, Record, STATS_WORDS, SampleRequest, seen_words},
    stride,
};

use super::{MAX_SEQUENCES, kv::attention_shape};
use crate::config::Config;

/// Bytes that logits may take; fewer rows go through the head at once with a large vocabulary.
const LOGITS_BYTES: usize = 16 << 20;

/// Passes of a submission: the steps of many tokens of few rows, or of one with more.
pub(super) const MAX_PASSES: usize = 64;

/// Draws of a submission.
const MAX_DRAWS: usize = 256;

/// States of tokens of decoding sequences between their steps: as many, or as few where bindings are small.
const WAITING_SLOTS: (usize, usize) = (512, 8);

#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) max_rows: usize,
    /// Tokens that can be between their steps at once.
    pub(super) slots: usize,
    /// Rows that go through the head at once.
    pub(super) head_rows: usize,
    pub(super) tables: RowTables,
    pub(super) h: Buffer,
    pub(super) x: Buffer,
    pub(super) q: Buffer,
    pub(super) attention: Buffer,
    pub(super) parts: Buffer,
    pub(super) branch: Buffer,
    pub(super) inner: Buffer,
    pub(super) state: Buffer,
    pub(super) records: Buffer,
    pub(super) logits: Buffer,
    pub(super) stats: Buffer,
    pub(super) requests: Buffer,
    pub(super) seen: Buffer,
    pub(super) tokens: Buffer,
    pub(super) readback: Readback,
    seen_words: usize,
}

/// Room for the parts of rows that see as many keys as the longest sequence has.
pub(super) fn attention_parts(gpu: &Gpu, c: &Config, context: usize) -> AttentionParts {
    AttentionParts::new(attention_shape(c), context, gpu.max_binding())
}

/// States there is room for: those of the rows of a pass, of a prefill that waits for it, and of others.
pub(super) fn state_slots(gpu: &Gpu, max_rows: usize) -> usize {
    let bound = (gpu.max_binding() as usize / (MAX_STEPS * STATS_WORDS * 4))
        .saturating_sub(2 * max_rows)
        .clamp(WAITING_SLOTS.1, WAITING_SLOTS.0);
    2 * max_rows + bound
}

impl Workspace {
    /// `context` is the longest sequence.
    pub(super) async fn new(
        gpu: &Gpu,
        c: &Config,
        context: usize,
        max_rows: usize,
    ) -> Result<Self, GpuError> {
        let width = stride(c.hidden_size);
        let vocab_bytes = stride(c.vocab_size) * 4;
        let head_rows = (LOGITS_BYTES / vocab_bytes).clamp(1, max_rows);
        let floats =
            |label: &'static str, count: usize| Buffer::storage(gpu, label, (count * 4) as u64);
        let slots = state_slots(gpu, max_rows);
        let records = (slots * size_of::<Record>()) as u64;
        let stats = slots * MAX_STEPS * STATS_WORDS;
        let report = size_of::<Record>() + MAX_STEPS * STATS_WORDS * 4;
        let draws = max_rows.max(MAX_DRAWS);
        // Every pass of a submission has its table, and one for each turn of the head at its rows and those drawn from.
        let tables = MAX_STEPS * (2 + max_rows.div_ceil(head_rows)) + 1;
        let small = (2 * MAX_PASSES, MAX_FEW_ROWS.min(max_rows));
        let largest = (head_rows * vocab_bytes)
            .max(max_rows * width * 4)
            .max(draws * (report + 4));
        let attention_parts = attention_parts(gpu, c, context);
        Ok(Self {
            max_rows,
            slots,
            head_rows,
            tables: RowTables::with_small(gpu, (tables, max_rows), small).await?,
            h: floats("residual stream", max_rows * width).await?,
            x: floats("normed rows", max_rows * width).await?,
            q: floats(
                "queries",
                max_rows * c.num_attention_heads * head_stride(c.head_dim),
            )
            .await?,
            parts: Buffer::storage(gpu, "attention parts", attention_parts.bytes).await?,
            attention: floats("attention", max_rows * stride(c.query_size())).await?,
            branch: floats("branch", max_rows * width).await?,
            inner: floats("SwiGLU", max_rows * stride(c.intermediate_size)).await?,
            state: floats("states", slots * width).await?,
            records: Buffer::storage(gpu, "records", records).await?,
            logits: floats("logits", head_rows * stride(c.vocab_size)).await?,
            stats: floats("token statistics", stats).await?,
            requests: Buffer::storage(gpu, "requests", (draws * size_of::<SampleRequest>()) as u64)
                .await?,
            seen: floats("seen tokens", MAX_SEQUENCES * seen_words(c.vocab_size)).await?,
            tokens: floats("tokens", draws).await?,
            readback: Readback::new(gpu, largest as u64).await?,
            seen_words: seen_words(c.vocab_size),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        let buffers = [
            &self.h,
            &self.x,
            &self.q,
            &self.attention,
            &self.parts,
            &self.branch,
            &self.inner,
            &self.state,
            &self.records,
            &self.logits,
            &self.stats,
            &self.requests,
            &self.seen,
            &self.tokens,
        ];
        buffers.iter().map(|b| b.size()).sum::<u64>() + self.readback.size()
    }

    /// Words of a sequence's set of seen tokens.
    pub(super) fn seen_words(&self) -> usize {
        self.seen_words
    }

    /// Writes part of a sequence's set of seen tokens, from word `first` on.
    pub(super) fn write_seen(&self, gpu: &Gpu, sequence: usize, first: usize, words: &[u32]) {
        let at = (sequence * self.seen_words + first) * size_of::<u32>();
        self.seen.write(gpu, at as u64, bytemuck::cast_slice(words));
    }
}

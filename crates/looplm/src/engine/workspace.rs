//! Buffers of a pass: activations, states, tables, results. Allocated once for the largest pass.

use looplm_gpu::{
    Buffer, Gpu, GpuError, MAX_STEPS, Readback, RowTables, head_stride,
    kernels::{AttentionParts, MAX_FEW_ROWS, Record, STATS_WORDS, SampleRequest, seen_words},
    storage_size, stride,
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
pub(super) fn attention_parts(max_binding: u64, c: &Config, context: usize) -> AttentionParts {
    AttentionParts::new(attention_shape(c), context, max_binding)
}

/// States there is room for: those of the rows of a pass, of a prefill that waits for it, and of others.
pub(super) fn state_slots(max_binding: u64, max_rows: usize) -> usize {
    let bound = (max_binding as usize / (MAX_STEPS * STATS_WORDS * 4))
        .saturating_sub(2 * max_rows)
        .clamp(WAITING_SLOTS.1, WAITING_SLOTS.0);
    2 * max_rows + bound
}

/// Buffers of a workspace that kernels bind, row tables left out.
const BUFFERS: usize = 14;

/// How large a workspace is, in all its parts.
#[derive(Debug)]
pub(crate) struct Layout {
    slots: usize,
    head_rows: usize,
    tables: usize,
    /// Tables of few rows that may take their place, and those rows.
    small_tables: (usize, usize),
    /// What each buffer is called, and its bytes.
    buffers: [(&'static str, u64); BUFFERS],
    readback: u64,
    max_rows: usize,
}

impl Layout {
    /// `context` is the longest sequence.
    pub(crate) fn new(c: &Config, context: usize, max_rows: usize, max_binding: u64) -> Self {
        let width = stride(c.hidden_size);
        let vocab_bytes = stride(c.vocab_size) * 4;
        let head_rows = (LOGITS_BYTES / vocab_bytes).clamp(1, max_rows);
        let slots = state_slots(max_binding, max_rows);
        let stats = slots * MAX_STEPS * STATS_WORDS;
        let report = size_of::<Record>() + MAX_STEPS * STATS_WORDS * 4;
        let draws = max_rows.max(MAX_DRAWS);
        let largest = (head_rows * vocab_bytes)
            .max(max_rows * width * 4)
            .max(draws * (report + 4));
        let queries = c.num_attention_heads * head_stride(c.head_dim);
        let floats = |label: &'static str, count: usize| (label, (count * 4) as u64);
        Self {
            slots,
            head_rows,
            max_rows,
            // Every pass of a submission has its table, and one for each turn of the head at its rows and those drawn from.
            tables: MAX_STEPS * (2 + max_rows.div_ceil(head_rows)) + 1,
            small_tables: (2 * MAX_PASSES, MAX_FEW_ROWS.min(max_rows)),
            buffers: [
                floats("residual stream", max_rows * width),
                floats("normed rows", max_rows * width),
                floats("queries", max_rows * queries),
                floats("attention", max_rows * stride(c.query_size())),
                (
                    "attention parts",
                    attention_parts(max_binding, c, context).bytes,
                ),
                floats("branch", max_rows * width),
                floats("SwiGLU", max_rows * stride(c.intermediate_size)),
                floats("states", slots * width),
                ("records", (slots * size_of::<Record>()) as u64),
                floats("logits", head_rows * stride(c.vocab_size)),
                floats("token statistics", stats),
                ("requests", (draws * size_of::<SampleRequest>()) as u64),
                floats("seen tokens", MAX_SEQUENCES * seen_words(c.vocab_size)),
                floats("tokens", draws),
            ],
            readback: largest as u64,
        }
    }

    /// Bytes of all buffers but the row tables, where kernels bind up to `max_binding`.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`].
    pub(crate) fn bytes(&self, max_binding: u64) -> Result<u64, GpuError> {
        let sizes = self
            .buffers
            .iter()
            .map(|(label, bytes)| storage_size(label, *bytes, max_binding));
        Ok(sizes.sum::<Result<u64, _>>()? + self.readback.next_multiple_of(16))
    }

    /// Bytes of the row tables.
    pub(crate) fn table_bytes(&self, max_binding: u64) -> u64 {
        RowTables::bytes((self.tables, self.max_rows), self.small_tables, max_binding)
    }
}

impl Workspace {
    /// `context` is the longest sequence.
    pub(super) async fn new(
        gpu: &Gpu,
        c: &Config,
        context: usize,
        max_rows: usize,
    ) -> Result<Self, GpuError> {
        let layout = Layout::new(c, context, max_rows, gpu.max_binding());
        let mut made = Vec::with_capacity(BUFFERS);
        for (label, bytes) in layout.buffers {
            made.push(Buffer::storage(gpu, label, bytes).await?);
        }
        let made: [Buffer; BUFFERS] = made
            .try_into()
            .map_err(|_| GpuError::Internal("a workspace without all its buffers".into()))?;
        let [
            h,
            x,
            q,
            attention,
            parts,
            branch,
            inner,
            state,
            records,
            logits,
            stats,
            requests,
            seen,
            tokens,
        ] = made;
        Ok(Self {
            max_rows,
            slots: layout.slots,
            head_rows: layout.head_rows,
            tables: RowTables::with_small(gpu, (layout.tables, max_rows), layout.small_tables)
                .await?,
            h,
            x,
            q,
            attention,
            parts,
            branch,
            inner,
            state,
            records,
            logits,
            stats,
            requests,
            seen,
            tokens,
            readback: Readback::new(gpu, layout.readback).await?,
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

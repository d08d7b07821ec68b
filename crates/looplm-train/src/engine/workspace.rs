//! The buffers of a training pass: planned first, so that their size is known, then made.

use looplm::Config;
use looplm_gpu::{
    Buffer, Gpu, GpuError, View,
    kernels::{ExitObjective, ObjectiveParams},
    stride,
};

use super::inputs::{Inputs, ROW_BLOCK};

/// Most bytes of logits held at once: the head of a larger batch is done in chunks of rows.
const LOGITS_BYTES: usize = 64 << 20;

/// The index of a buffer in a [`Workspace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// Sizes of the buffers of a workspace, in 32-bit elements.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    sizes: Vec<(&'static str, usize)>,
}

impl Plan {
    fn add(&mut self, what: &'static str, elements: usize) -> Slot {
        self.sizes.push((what, elements));
        Slot(self.sizes.len() - 1)
    }

    /// Bytes of all buffers together.
    pub(crate) fn bytes(&self) -> u64 {
        self.sizes
            .iter()
            .map(|(_, elements)| (4 * *elements as u64).max(16).next_multiple_of(16))
            .sum()
    }
}

/// What the passes of one shape of batch share.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    /// Rows with padding, R.
    pub(crate) rows: usize,
    /// Rows of a chunk of the head; divides `rows`.
    pub(crate) chunk: usize,
    pub(crate) ids: Slot,
    pub(crate) targets: Slot,
    pub(crate) positions: Slot,
    pub(crate) first: Slot,
    pub(crate) last: Slot,
    pub(crate) starts: Slot,
    pub(crate) by_token: Slot,
    pub(crate) objective: Slot,
    /// The state before step 1, and after every step: T + 1 of [R, stride(D)].
    pub(crate) states: Vec<Slot>,
    /// The input of every layer but the first, of every step: `inputs[step][layer - 1]`.
    pub(crate) inputs: Vec<Vec<Slot>>,
    pub(crate) layer: LayerSlots,
    pub(crate) logits: Slot,
    /// [T, R] each.
    pub(crate) gate: Slot,
    pub(crate) probabilities: Slot,
    pub(crate) weights: Slot,
    pub(crate) losses: Slot,
    pub(crate) predictions: Slot,
    pub(crate) gate_gradient: Slot,
    /// [R, 4].
    pub(crate) row_stats: Slot,
    pub(crate) totals: Slot,
    pub(crate) partials: Slot,
    /// Gradients of the states; empty for passes that only look.
    pub(crate) state_gradients: Vec<Slot>,
    pub(crate) backward: Option<BackwardSlots>,
}

/// What a layer computes on its way, made anew for every layer and step.
#[derive(Debug, Clone)]
pub(crate) struct LayerSlots {
    pub(crate) x: Slot,
    pub(crate) qkv: Slot,
    pub(crate) attention: Slot,
    pub(crate) log_sums: Slot,
    pub(crate) projected: Slot,
    pub(crate) middle: Slot,
    pub(crate) middle_norm: Slot,
    pub(crate) gate_up: Slot,
    pub(crate) glu: Slot,
    pub(crate) down: Slot,
    /// The output of the last layer, in front of the final norm.
    pub(crate) top: Slot,
}

/// Gradients of what a layer computes.
#[derive(Debug, Clone)]
pub(crate) struct BackwardSlots {
    /// Gradients of the residual stream, in turns.
    pub(crate) stream: [Slot; 2],
    pub(crate) branch: Slot,
    pub(crate) x: Slot,
    pub(crate) glu: Slot,
    pub(crate) gate_up: Slot,
    pub(crate) attention: Slot,
    pub(crate) delta: Slot,
    pub(crate) qkv: Slot,
}

/// Rows of a chunk of the head: the most that keep the logits below `LOGITS_BYTES` and divide all rows evenly.
fn chunk_rows(rows: usize, vocabulary: usize, max_binding: u64) -> usize {
    let blocks = rows / ROW_BLOCK;
    let budget = LOGITS_BYTES.min(usize::try_from(max_binding).unwrap_or(usize::MAX));
    let most = (budget / (4 * ROW_BLOCK * stride(vocabulary))).max(1);
    (1..=blocks.min(most))
        .rev()
        .find(|chunk| blocks.is_multiple_of(*chunk))
        .map_or(ROW_BLOCK, |chunk| chunk * ROW_BLOCK)
}

impl Slots {
    /// Plans the buffers for `rows` rows and up to `steps` recurrent steps. `partials` are the elements that the
    /// kernels' partial sums need.
    pub(crate) fn plan(
        config: &Config,
        rows: usize,
        steps: usize,
        backward: bool,
        partials: usize,
        max_binding: u64,
    ) -> (Self, Plan) {
        let mut plan = Plan::default();
        let width = rows * stride(config.hidden_size);
        let packed = config.query_size() + 2 * config.key_value_size();
        let heads = config.num_attention_heads;
        let chunk = chunk_rows(rows, config.vocab_size, max_binding);
        let of = |elements: usize| rows * stride(elements);
        let slots = Self {
            rows,
            chunk,
            ids: plan.add("token ids", rows),
            targets: plan.add("targets", rows),
            positions: plan.add("positions", rows),
            first: plan.add("first rows", rows),
            last: plan.add("last rows", rows),
            starts: plan.add("token starts", config.vocab_size + 1),
            by_token: plan.add("rows by token", rows),
            objective: plan.add("objective", ObjectiveParams::WORDS),
            states: (0..=steps).map(|_| plan.add("states", width)).collect(),
            inputs: (0..steps)
                .map(|_| {
                    (1..config.num_hidden_layers)
                        .map(|_| plan.add("layer inputs", width))
                        .collect()
                })
                .collect(),
            layer: LayerSlots {
                x: plan.add("norm", width),
                qkv: plan.add("queries, keys and values", of(packed)),
                attention: plan.add("attention", of(config.query_size())),
                log_sums: plan.add("attention sums", rows * heads),
                projected: plan.add("attention projection", width),
                middle: plan.add("residual stream", width),
                middle_norm: plan.add("norm", width),
                gate_up: plan.add("gate and up", of(2 * config.intermediate_size)),
                glu: plan.add("SwiGLU", of(config.intermediate_size)),
                down: plan.add("down projection", width),
                top: plan.add("residual stream", width),
            },
            logits: plan.add("logits", chunk * stride(config.vocab_size)),
            gate: plan.add("gate", steps * rows),
            probabilities: plan.add("exit probabilities", steps * rows),
            weights: plan.add("loss weights", steps * rows),
            losses: plan.add("losses", steps * rows),
            predictions: plan.add("predictions", steps * rows),
            gate_gradient: plan.add("gate gradient", steps * rows),
            row_stats: plan.add("row statistics", 4 * rows),
            totals: plan.add("totals", ExitObjective::totals(rows)),
            partials: plan.add("partial sums", partials),
            state_gradients: (0..if backward { steps } else { 0 })
                .map(|_| plan.add("state gradients", width))
                .collect(),
            backward: backward.then(|| BackwardSlots {
                stream: [
                    plan.add("stream gradient", width),
                    plan.add("stream gradient", width),
                ],
                branch: plan.add("branch gradient", width),
                x: plan.add("norm gradient", width),
                glu: plan.add("SwiGLU gradient", of(config.intermediate_size)),
                gate_up: plan.add("gate and up gradient", of(2 * config.intermediate_size)),
                attention: plan.add("attention gradient", of(config.query_size())),
                delta: plan.add("attention sums", rows * heads),
                qkv: plan.add("queries, keys and values gradient", of(packed)),
            }),
        };
        (slots, plan)
    }
}

/// The buffers themselves.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) slots: Slots,
    buffers: Vec<Buffer>,
}

impl Workspace {
    /// Makes the buffers of a plan.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`], [`GpuError::OutOfMemory`].
    pub(crate) async fn new(gpu: &Gpu, slots: Slots, plan: &Plan) -> Result<Self, GpuError> {
        let mut buffers = Vec::with_capacity(plan.sizes.len());
        for (what, elements) in &plan.sizes {
            buffers.push(Buffer::storage(gpu, what, 4 * *elements as u64).await?);
        }
        Ok(Self { slots, buffers })
    }

    pub(crate) fn buffer(&self, slot: Slot) -> &Buffer {
        &self.buffers[slot.0]
    }

    pub(crate) fn view(&self, slot: Slot) -> View<'_> {
        self.buffer(slot).view()
    }

    /// Row `first` on of a [T, R] buffer's step `step` (from 0), `rows` rows of one element.
    pub(crate) fn rows_of_step(
        &self,
        slot: Slot,
        step: usize,
        first: usize,
        rows: usize,
    ) -> Result<View<'_>, GpuError> {
        let begin = 4 * (step * self.slots.rows + first) as u64;
        self.buffer(slot).part(begin, 4 * rows as u64)
    }

    /// Rows `first ..` of a buffer of padded rows of `width` elements.
    pub(crate) fn rows(
        &self,
        slot: Slot,
        width: usize,
        first: usize,
        rows: usize,
    ) -> Result<View<'_>, GpuError> {
        let pitch = 4 * stride(width) as u64;
        self.buffer(slot)
            .part(first as u64 * pitch, rows as u64 * pitch)
    }

    /// Uploads a batch.
    pub(crate) fn write(&self, gpu: &Gpu, inputs: &Inputs) {
        let write = |slot, bytes: &[u8]| self.buffer(slot).write(gpu, 0, bytes);
        write(self.slots.ids, bytemuck::cast_slice(&inputs.ids));
        write(self.slots.targets, bytemuck::cast_slice(&inputs.targets));
        write(
            self.slots.positions,
            bytemuck::cast_slice(&inputs.positions),
        );
        write(self.slots.first, bytemuck::cast_slice(&inputs.first));
        write(self.slots.last, bytemuck::cast_slice(&inputs.last));
        write(
            self.slots.starts,
            bytemuck::cast_slice(&inputs.takers.starts),
        );
        write(
            self.slots.by_token,
            bytemuck::cast_slice(&inputs.takers.rows),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_the_head_fit_and_divide_the_rows() {
        assert_eq!(chunk_rows(2176, 14, u64::MAX), 2176);
        for (rows, vocabulary) in [
            (2176, 50_000),
            (64, 1 << 24),
            (64 * 7, 1 << 17),
            (1024, 8192),
        ] {
            let chunk = chunk_rows(rows, vocabulary, 128 << 20);
            assert!(rows.is_multiple_of(chunk) && chunk.is_multiple_of(ROW_BLOCK));
            assert!(chunk == ROW_BLOCK || 4 * chunk * stride(vocabulary) <= LOGITS_BYTES);
        }
    }
}

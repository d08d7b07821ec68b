//! The order of a pass: every kernel of every layer, bound once to its weights and to the workspace.

use looplm_gpu::{
    Buffer, Gpu, GpuError,
    kernel::Op,
    kernels::{
        AddNormOp, AttentionBuffers, AttentionOp, Embed, EmbedBuffers, EmbedOp, FinishBuffers,
        FinishOp, ProjectionOp, QkvBuffers, SampleOp, TokenStatsOp,
    },
    rows::Table,
    stride,
};

use super::{
    kernels::Kernels,
    kv::{KvCache, LayerKv},
    wishes::{Place, Wishes},
    workspace::Workspace,
};
use crate::{config::Config, error::Error, weights::Weights};

/// A layer's kernels, in order.
#[derive(Debug)]
struct LayerOps {
    qkv: ProjectionOp,
    attention: AttentionOp,
    output: ProjectionOp,
    after_attention: AddNormOp,
    swiglu: ProjectionOp,
    down: ProjectionOp,
    /// `None` in the last layer, where `finish` stands instead.
    after_mlp: Option<AddNormOp>,
}

/// All kernels of a model, bound.
#[derive(Debug)]
pub(super) struct Plan {
    embed: EmbedOp,
    layers: Vec<LayerOps>,
    finish: FinishOp,
    /// The head over states.
    pub(super) head: ProjectionOp,
    pub(super) stats: TokenStatsOp,
    pub(super) sample: SampleOp,
    pub(super) kernels: Kernels,
    wishes: Wishes,
    first_gain: Buffer,
    /// Keeps alive what the bind groups use.
    _gains: Vec<Buffer>,
}

/// Rows of `width` elements one after another, each padded.
fn padded(width: usize, rows: &[&[f32]]) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len() * stride(width));
    for row in rows {
        out.extend_from_slice(row);
        out.resize(out.len().next_multiple_of(looplm_gpu::ALIGN), 0.0);
    }
    out
}

/// The embedding bound to the gain behind it, the workspace and the KV map.
fn bind_embed(
    gpu: &Gpu,
    embed: &Embed,
    weights: &Weights,
    (gain, ws, kv): (&Buffer, &Workspace, &KvCache),
) -> EmbedOp {
    let to = EmbedBuffers {
        gain,
        state: &ws.state,
        h: &ws.h,
        x: &ws.x,
        kv_map: &kv.map,
        tokens: &ws.tokens,
    };
    embed.bind(gpu, &weights.embedding, to)
}

fn attention_buffers<'a>(
    ws: &'a Workspace,
    kv: &'a KvCache,
    layer: &'a LayerKv,
) -> AttentionBuffers<'a> {
    AttentionBuffers {
        q: &ws.q,
        keys: &layer.keys,
        values: &layer.values,
        kv_map: &kv.map,
        out: &ws.attention,
        parts: &ws.parts,
    }
}

impl Plan {
    pub(super) async fn new(
        gpu: &Gpu,
        c: &Config,
        weights: &Weights,
        ws: &Workspace,
        kv: &KvCache,
        mut kernels: Kernels,
    ) -> Result<Self, Error> {
        let width = c.hidden_size;
        let mut gains = Vec::new();

        let first = Buffer::storage_with(
            gpu,
            "gains",
            &padded(width, &[&weights.layers[0].attention_norms[0]]),
        )
        .await?;
        let embed = kernels.embed(gpu, &weights.embedding)?;
        let embed_op = bind_embed(gpu, &embed, weights, (&first, ws, kv));

        let mut layers = Vec::with_capacity(weights.layers.len());
        for (i, (layer, layer_kv)) in weights.layers.iter().zip(&kv.layers).enumerate() {
            let qkv = kernels.qkv(gpu, &layer.qkv)?;
            let project = kernels.linear(gpu, &layer.output)?;
            let down = kernels.linear(gpu, &layer.down)?;
            let gated = kernels.swiglu(gpu, &layer.gate_up)?;
            let after = padded(width, &[&layer.attention_norms[1], &layer.mlp_norms[0]]);
            let after = Buffer::storage_with(gpu, "gains", &after).await?;
            let after_mlp = match weights.layers.get(i + 1) {
                None => None,
                Some(next) => {
                    let gain = padded(width, &[&layer.mlp_norms[1], &next.attention_norms[0]]);
                    let gain = Buffer::storage_with(gpu, "gains", &gain).await?;
                    let op = kernels
                        .add_norm
                        .bind(gpu, &ws.branch, &gain, &ws.h, &ws.x)?;
                    gains.push(gain);
                    Some(op)
                }
            };
            let to = QkvBuffers {
                rotary: &kv.rotary,
                q: &ws.q,
                keys: &layer_kv.keys,
                values: &layer_kv.values,
            };
            layers.push(LayerOps {
                qkv: qkv.bind(gpu, &layer.qkv, &ws.x, to)?,
                attention: kernels
                    .attention
                    .bind(gpu, attention_buffers(ws, kv, layer_kv))?,
                output: project.bind(gpu, &layer.output, &ws.attention, &ws.branch)?,
                after_attention: kernels
                    .add_norm
                    .bind(gpu, &ws.branch, &after, &ws.h, &ws.x)?,
                swiglu: gated.bind(gpu, &layer.gate_up, &ws.x, &ws.inner)?,
                down: down.bind(gpu, &layer.down, &ws.inner, &ws.branch)?,
                after_mlp,
            });
            gains.push(after);
        }

        let last = weights
            .layers
            .last()
            .ok_or_else(|| Error::invalid("config", "a model has at least one layer"))?;
        let mut ends = padded(
            width,
            &[&last.mlp_norms[1], &weights.final_norm, &weights.gate],
        );
        ends.push(weights.gate_bias);
        let ends = Buffer::storage_with(gpu, "gains", &ends).await?;
        let finish = kernels.finish.bind(
            gpu,
            FinishBuffers {
                a: &ws.branch,
                h: &ws.h,
                gains: &ends,
                state: &ws.state,
                records: &ws.records,
            },
        )?;
        gains.push(ends);

        let head_matrix = weights.head.as_ref().unwrap_or(&weights.embedding);
        let head = kernels.head(gpu, head_matrix)?;
        Ok(Self {
            embed: embed_op,
            layers,
            finish,
            head: head.bind(gpu, head_matrix, &ws.state, &ws.logits)?,
            stats: kernels.token_stats.bind(gpu, &ws.logits, &ws.stats),
            sample: kernels
                .sample
                .bind(gpu, &ws.logits, &ws.requests, &ws.seen, &ws.tokens),
            kernels,
            wishes: Wishes::default(),
            first_gain: first,
            _gains: gains,
        })
    }

    /// Binds the kernels that touch the KV cache anew, after it grew.
    pub(super) fn rebind_kv(
        &mut self,
        gpu: &Gpu,
        weights: &Weights,
        ws: &Workspace,
        kv: &KvCache,
    ) -> Result<(), Error> {
        let from = (&self.first_gain, ws, kv);
        let embed = self.kernels.embed(gpu, &weights.embedding)?;
        self.embed = bind_embed(gpu, &embed, weights, from);
        for ((ops, layer), layer_kv) in self.layers.iter_mut().zip(&weights.layers).zip(&kv.layers)
        {
            let qkv = self.kernels.qkv(gpu, &layer.qkv)?;
            let to = QkvBuffers {
                rotary: &kv.rotary,
                q: &ws.q,
                keys: &layer_kv.keys,
                values: &layer_kv.values,
            };
            ops.qkv = qkv.bind(gpu, &layer.qkv, &ws.x, to)?;
            ops.attention = self
                .kernels
                .attention
                .bind(gpu, attention_buffers(ws, kv, layer_kv))?;
        }
        Ok(())
    }

    /// Records one pass over the rows of `table`, which is selected already. Returns how many dispatches that took.
    pub(super) fn encode(
        &self,
        gpu: &Gpu,
        pass: &mut looplm_gpu::wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError> {
        let mut dispatches = self.embed.encode(gpu, pass, table)?;
        for layer in &self.layers {
            let after_mlp: &dyn Op = match &layer.after_mlp {
                Some(op) => op,
                None => &self.finish,
            };
            let ops: [&dyn Op; 7] = [
                &layer.qkv,
                &layer.attention,
                &layer.output,
                &layer.after_attention,
                &layer.swiglu,
                &layer.down,
                after_mlp,
            ];
            for op in ops {
                dispatches += op.encode(gpu, pass, table)?;
            }
        }
        Ok(dispatches)
    }

    /// Dispatches of one pass of few rows, the longest of which sees `keys` keys.
    pub(super) fn dispatches(&self, weights: &Weights, keys: usize) -> usize {
        let attention: usize = self
            .layers
            .iter()
            .map(|l| l.attention.dispatches(keys))
            .sum();
        let layer = |l: &crate::weights::LayerWeights| {
            2 + l.qkv.parts.len()
                + l.output.parts.len()
                + l.gate_up.parts.len()
                + l.down.parts.len()
        };
        weights.embedding.parts.len() + attention + weights.layers.iter().map(layer).sum::<usize>()
    }

    /// After a pass of `rows` rows, `heads` of which went through the head: compiles what does better with so many, if they
    /// come often.
    pub(super) fn note(&mut self, rows: usize, heads: usize) {
        let layers = self.wishes.note(Place::Layers, rows);
        let head = self.wishes.note(Place::Head, heads);
        for layer in self.layers.iter().filter(|_| layers) {
            for op in [&layer.qkv, &layer.output, &layer.swiglu, &layer.down] {
                op.pipeline(rows).compile_soon();
            }
        }
        if head {
            self.head.pipeline(heads).compile_soon();
        }
    }
}

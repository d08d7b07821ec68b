//! causal_attention_backward: the gradient of causal attention. See `shaders/causal_attention_backward.wgsl`.

use super::causal_attention::{RowBlock, constants};
use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    kernels::AttentionShape,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "causal_attention_backward",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/causal_attention_backward.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    rows: false,
    entries: &["queries", "keys", "queries_four", "keys_four"],
};

/// What [`CausalAttentionBackward::bind`] binds. `packed` is stride([`AttentionShape::packed`]), `joined` is
/// stride(heads * head_dim).
#[derive(Debug, Clone, Copy)]
pub struct CausalAttentionGradients<'a> {
    /// Rotated queries and keys, and values, [rows, packed].
    pub qkv: View<'a>,
    /// What `causal_attention` made of them, [rows, joined].
    pub out: View<'a>,
    /// Gradient of `out`, [rows, joined].
    pub dout: View<'a>,
    /// Log-sum-exp of the scores, [rows, heads], as `causal_attention` wrote it.
    pub lse: View<'a>,
    /// First row of each row's document, [rows] `u32`.
    pub first: View<'a>,
    /// Last row of each row's document, [rows] `u32`.
    pub last: View<'a>,
    /// Scratch, [rows, heads].
    pub delta: View<'a>,
    /// Gradient of `qkv`, [rows, packed], written.
    pub dqkv: View<'a>,
}

/// The kernel for one number of rows of one attention shape.
#[derive(Debug)]
pub struct CausalAttentionBackward {
    rows: usize,
    attention: AttentionShape,
    block: RowBlock,
    kernel: Kernel,
    stages: [wgpu::ComputePipeline; 2],
}

impl CausalAttentionBackward {
    /// A kernel for `rows` rows, whose scores were multiplied by `scale`.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are no rows, `attention` is not a shape of attention, or its heads are longer than 128.
    pub fn new(
        gpu: &Gpu,
        rows: usize,
        attention: AttentionShape,
        scale: f32,
    ) -> Result<Self, GpuError> {
        Self::with_block(gpu, rows, attention, scale, RowBlock::of(gpu, attention))
    }

    /// As [`CausalAttentionBackward::new`] with so many rows an invocation.
    ///
    /// # Errors
    /// As there.
    pub fn with_block(
        gpu: &Gpu,
        rows: usize,
        attention: AttentionShape,
        scale: f32,
        block: RowBlock,
    ) -> Result<Self, GpuError> {
        let constants = constants(SOURCE.name, rows, attention, scale, block)?;
        // SAFETY: its loops count up to constants and to numbers of rows, which are below 2^32 - 1.
        let kernel = unsafe { Kernel::with_free_loops(gpu, SOURCE) };
        let entries = match block {
            RowBlock::One => ["queries", "keys"],
            RowBlock::Four => ["queries_four", "keys_four"],
        };
        let stages = entries.map(|entry| kernel.pipeline(gpu, entry, &constants));
        Ok(Self {
            rows,
            attention,
            block,
            kernel,
            stages,
        })
    }

    /// Binds its buffers.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, views: CausalAttentionGradients<'_>) -> Result<Bound, GpuError> {
        let CausalAttentionGradients {
            qkv,
            out,
            dout,
            lse,
            first,
            last,
            delta,
            dqkv,
        } = views;
        let AttentionShape {
            heads,
            kv_heads,
            head_dim,
        } = self.attention;
        let rows = self.rows;
        let packed = stride(self.attention.packed());
        let joined = stride(heads * head_dim);
        for (what, view, elements) in [
            ("qkv", qkv, rows * packed),
            ("out", out, rows * joined),
            ("dout", dout, rows * joined),
            ("lse", lse, rows * heads),
            ("first", first, rows),
            ("last", last, rows),
            ("delta", delta, rows * heads),
            ("dqkv", dqkv, rows * packed),
        ] {
            check_size(SOURCE.name, what, view, elements)?;
        }
        let group = self
            .kernel
            .bind_views(gpu, &[qkv, out, dout, lse, first, last, delta, dqkv]);
        let [queries, keys] = &self.stages;
        let stage = |pipeline, heads| {
            Bound::new(
                SOURCE.name,
                pipeline,
                group.clone(),
                flat_grid(self.block.invocations(rows) * heads),
            )
        };
        Ok(stage(queries, heads).then(stage(keys, kv_heads)))
    }
}

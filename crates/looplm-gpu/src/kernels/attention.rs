//! attention: causal attention over the keys and values of each row's step. See `shaders/attention.wgsl`.

use super::qkv::AttentionShape;
use crate::{
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    head_stride,
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, dispatch},
    rows::Table,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "attention",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/attention.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
    ],
    rows: true,
    entries: &["main"],
};

/// The kernel for one attention shape.
#[derive(Debug)]
pub struct Attention {
    shape: AttentionShape,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Attention {
    /// A kernel for this shape.
    ///
    /// # Errors
    /// [`GpuError::Shape`].
    pub fn new(gpu: &Gpu, shape: AttentionShape) -> Result<Self, GpuError> {
        shape.check()?;
        let kernel = Kernel::new(gpu, SOURCE);
        let mut constants = shape.constants();
        constants.push(("OUT_STRIDE", stride(shape.heads * shape.head_dim) as f64));
        constants.push(("SCALE", 1.0 / (shape.head_dim as f64).sqrt()));
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        Ok(Self {
            shape,
            kernel,
            pipeline,
        })
    }

    /// Binds `q` [rows, heads, head_stride], `keys` and `values` [entries, kv_heads, head_stride], the KV map, and
    /// `out` [rows, stride(heads * head_dim)].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if keys and values differ in size or hold no entry.
    pub fn bind(
        &self,
        gpu: &Gpu,
        q: &Buffer,
        keys: &Buffer,
        values: &Buffer,
        kv_map: &Buffer,
        out: &Buffer,
    ) -> Result<AttentionOp, GpuError> {
        if keys.size() < (self.shape.entry() * 4) as u64 || keys.size() != values.size() {
            return Err(shape(
                SOURCE.name,
                "keys and values must be of one size and hold at least an entry",
            ));
        }
        let AttentionShape {
            heads, head_dim, ..
        } = self.shape;
        Ok(AttentionOp {
            pipeline: self.pipeline.clone(),
            bind_group: self.kernel.bind(gpu, &[q, keys, values, kv_map, out]),
            heads,
            max_rows: capacity(&[
                (q, heads * head_stride(head_dim)),
                (out, stride(heads * head_dim)),
            ]),
        })
    }
}

/// Attention bound to its buffers.
#[derive(Debug)]
pub struct AttentionOp {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    heads: usize,
    max_rows: usize,
}

impl Op for AttentionOp {
    fn encode(
        &self,
        _gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError> {
        check_rows(SOURCE.name, table.rows, self.max_rows)?;
        dispatch(
            SOURCE.name,
            pass,
            &self.pipeline,
            &self.bind_group,
            [self.heads, table.rows],
        )?;
        Ok(1)
    }
}

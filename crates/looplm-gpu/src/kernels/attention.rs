//! attention: causal attention over the keys and values of each row's step. See `shaders/attention.wgsl`.

use super::qkv::AttentionShape;
use crate::{
    buffer::Buffer,
    device::Gpu,
    error::GpuError,
    head_stride,
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, dispatch},
    kv_format::KvFormat,
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

/// The kernel for one attention shape and format of the cache.
#[derive(Debug)]
pub struct Attention {
    shape: AttentionShape,
    format: KvFormat,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Attention {
    /// A kernel for this shape.
    ///
    /// # Errors
    /// [`GpuError::Shape`].
    pub fn new(gpu: &Gpu, shape: AttentionShape, format: KvFormat) -> Result<Self, GpuError> {
        shape.check()?;
        let kernel = Kernel::new(gpu, SOURCE);
        let mut constants = shape.constants(format);
        constants.push(("OUT_STRIDE", stride(shape.heads * shape.head_dim) as f64));
        constants.push(("SCALE", 1.0 / (shape.head_dim as f64).sqrt()));
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        Ok(Self {
            shape,
            format,
            kernel,
            pipeline,
        })
    }

    /// Binds `q` [rows, heads, head_stride], `keys` and `values` [entries, kv_heads, head_stride] in the kernel's format,
    /// the KV map, and `out` [rows, stride(heads * head_dim)].
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
        self.shape
            .check_cache(SOURCE.name, self.format, keys, values)?;
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

//! kv_mean: a KV entry becomes the mean of others. See `shaders/kv_mean.wgsl`.

use bytemuck::{Pod, Zeroable};

use super::qkv::AttentionShape;
use crate::{
    MAX_STEPS,
    buffer::Buffer,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Kernel, Source, capacity, check_rows, dispatch},
    kv_format::KvFormat,
    pipeline::Pipeline,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "kv_mean",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/kv_mean.wgsl")),
    bindings: &[Binding::Read, Binding::Write, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// One entry made of others: no move may read what another of the same dispatch writes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct KvMove {
    /// The entry that is written; it may be one of its sources.
    pub target: u32,
    /// Entries that are averaged, 1 to [`MAX_STEPS`].
    pub count: u32,
    /// Which; the first `count` are read.
    pub source: [u32; MAX_STEPS],
}

/// The kernel for one attention shape and format of the cache.
#[derive(Debug)]
pub struct KvMean {
    shape: AttentionShape,
    format: KvFormat,
    /// Words of an entry.
    entry: usize,
    kernel: Kernel,
    pipeline: Pipeline,
}

impl KvMean {
    /// A kernel for entries of this shape.
    pub fn new(gpu: &Gpu, shape: AttentionShape, format: KvFormat) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let entry = shape.entry_bytes(format) / size_of::<u32>();
        let constants = vec![("ENTRY", entry as f64), ("KV_FORMAT", format.constant())];
        let pipeline = kernel.lazy(gpu, "main", constants);
        Self {
            shape,
            format,
            entry,
            kernel,
            pipeline,
        }
    }

    /// Binds `moves` and the `keys` and `values` of a layer, [entries, kv_heads, head_stride] in the kernel's
    /// format.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if keys and values differ in size or hold no entry.
    pub fn bind(
        &self,
        gpu: &Gpu,
        moves: &Buffer,
        keys: &Buffer,
        values: &Buffer,
    ) -> Result<KvMeanOp, GpuError> {
        self.shape
            .check_cache(SOURCE.name, self.format, keys, values)?;
        Ok(KvMeanOp {
            pipeline: self.pipeline.clone(),
            bind_group: self.kernel.bind(gpu, &[moves, keys, values]),
            groups: self.entry.div_ceil(64),
            max_moves: capacity(&[(moves, size_of::<KvMove>() / 4)]),
        })
    }
}

/// The kernel bound to a layer.
#[derive(Debug)]
pub struct KvMeanOp {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    groups: usize,
    max_moves: usize,
}

impl KvMeanOp {
    /// Records the first `moves` moves.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the bound buffer holds fewer, or WebGPU does not dispatch so many at once.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, moves: usize) -> Result<(), GpuError> {
        check_rows(SOURCE.name, moves, self.max_moves)?;
        let grid = [self.groups, moves];
        dispatch(
            SOURCE.name,
            pass,
            self.pipeline.get(),
            &self.bind_group,
            grid,
        )
    }
}

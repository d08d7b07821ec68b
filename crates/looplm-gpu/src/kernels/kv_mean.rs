//! kv_mean: a KV entry becomes the mean of others. See `shaders/kv_mean.wgsl`.

use bytemuck::{Pod, Zeroable};

use super::qkv::AttentionShape;
use crate::{
    MAX_STEPS,
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Kernel, Source, capacity, check_rows, dispatch},
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

/// The kernel for one attention shape.
#[derive(Debug)]
pub struct KvMean {
    entry: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl KvMean {
    /// A kernel for entries of this shape.
    pub fn new(gpu: &Gpu, shape: AttentionShape) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(gpu, "main", &[("ENTRY", shape.entry() as f64)]);
        Self {
            entry: shape.entry(),
            kernel,
            pipeline,
        }
    }

    /// Binds `moves` and the `keys` and `values` of a layer, [entries, kv_heads, head_stride].
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
        if keys.size() < (self.entry * 4) as u64 || keys.size() != values.size() {
            return Err(shape(
                SOURCE.name,
                "keys and values must be of one size and hold at least an entry",
            ));
        }
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
    pipeline: wgpu::ComputePipeline,
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
        dispatch(SOURCE.name, pass, &self.pipeline, &self.bind_group, grid)
    }
}

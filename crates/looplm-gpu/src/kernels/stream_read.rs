//! stream_read: the benchmark's yardstick. See `shaders/stream_read.wgsl`.

use crate::{
    buffer::Buffer,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Kernel, Source, dispatch},
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "stream_read",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/stream_read.wgsl")),
    bindings: &[Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// Invocations of a workgroup.
const LANES: usize = 64;
/// Workgroups of a dispatch: enough to keep many reads in flight on any device.
const WORKGROUPS: usize = 4096;

/// Reads a whole buffer once.
#[derive(Debug)]
pub struct StreamRead {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    sums: Buffer,
}

impl StreamRead {
    /// A kernel that reads `data`.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`].
    pub async fn new(gpu: &Gpu, data: &Buffer) -> Result<Self, GpuError> {
        let kernel = Kernel::new(gpu, SOURCE);
        let count = data.size() as usize / 16;
        let span = count.div_ceil(WORKGROUPS).next_multiple_of(LANES);
        let constants = [("COUNT", count as f64), ("SPAN", span as f64)];
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        let sums = Buffer::storage(gpu, "stream_read", (WORKGROUPS * LANES * 4) as u64).await?;
        let bind_group = kernel.bind(gpu, &[data, &sums]);
        Ok(Self {
            pipeline,
            bind_group,
            sums,
        })
    }

    /// One word an invocation: the exclusive or of what it read.
    pub fn sums(&self) -> &Buffer {
        &self.sums
    }

    /// Records one reading.
    ///
    /// # Errors
    /// None on a valid device.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<usize, GpuError> {
        dispatch(
            SOURCE.name,
            pass,
            &self.pipeline,
            &self.bind_group,
            [WORKGROUPS, 1],
        )?;
        Ok(1)
    }
}

//! exit_gate: the logit of the exit gate for each row. See `shaders/exit_gate.wgsl`.

use crate::{
    ALIGN,
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "exit_gate",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/exit_gate.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// Elements of the gate's parameters for states of `width`: the weight, padded with zeros to `stride(width)`, then the
/// bias, padded with zeros to [`ALIGN`].
pub const fn gate_elements(width: usize) -> usize {
    stride(width) + ALIGN
}

/// The kernel for one number of rows and one width.
#[derive(Debug)]
pub struct ExitGate {
    rows: usize,
    width: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl ExitGate {
    /// A kernel for `rows` states of `width`.
    pub fn new(gpu: &Gpu, rows: usize, width: usize) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(
            gpu,
            "main",
            &[("ROWS", rows as f64), ("QUADS", (stride(width) / 4) as f64)],
        );
        Self {
            rows,
            width,
            kernel,
            pipeline,
        }
    }

    /// Binds `y` [rows, stride(width)], `gate` \[[`gate_elements`]\] and `z` \[rows\], which becomes the logits of the
    /// gate: the exit probability of a step is their sigmoid.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        y: View<'_>,
        gate: View<'_>,
        z: View<'_>,
    ) -> Result<Bound, GpuError> {
        check_size(SOURCE.name, "y", y, self.rows * stride(self.width))?;
        check_size(SOURCE.name, "gate", gate, gate_elements(self.width))?;
        check_size(SOURCE.name, "z", z, self.rows)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[y, gate, z]),
            flat_grid(self.rows),
        ))
    }
}

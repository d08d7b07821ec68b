//! glu_backward: the gradient of the gated product. See `shaders/glu_backward.wgsl`.

use super::glu::constants;
use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "glu_backward",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/glu_backward.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of rows of one width.
#[derive(Debug)]
pub struct GluBackward {
    rows: usize,
    width: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl GluBackward {
    /// A kernel for `rows` rows of `width` products.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there is nothing to multiply.
    pub fn new(gpu: &Gpu, rows: usize, width: usize) -> Result<Self, GpuError> {
        let constants = constants(SOURCE.name, rows, width)?;
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        Ok(Self {
            rows,
            width,
            kernel,
            pipeline,
        })
    }

    /// Binds `gu` [rows, stride(2 width)], `dm` [rows, stride(width)] and `dgu` [rows, stride(2 width)], written.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        gu: View<'_>,
        dm: View<'_>,
        dgu: View<'_>,
    ) -> Result<Bound, GpuError> {
        let elements = self.rows * stride(2 * self.width);
        check_size(SOURCE.name, "gu", gu, elements)?;
        check_size(SOURCE.name, "dm", dm, self.rows * stride(self.width))?;
        check_size(SOURCE.name, "dgu", dgu, elements)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[gu, dm, dgu]),
            flat_grid(self.rows * self.width),
        ))
    }
}

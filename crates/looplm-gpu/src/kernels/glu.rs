//! glu: the gated product of a SwiGLU block. See `shaders/glu.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "glu",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/glu.wgsl")),
    bindings: &[Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of rows of one width.
#[derive(Debug)]
pub struct Glu {
    rows: usize,
    width: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Glu {
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

    /// Binds `gu` [rows, stride(2 width)], gate then up, and `m` [rows, stride(width)], written.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, gu: View<'_>, m: View<'_>) -> Result<Bound, GpuError> {
        check_size(SOURCE.name, "gu", gu, self.rows * stride(2 * self.width))?;
        check_size(SOURCE.name, "m", m, self.rows * stride(self.width))?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[gu, m]),
            flat_grid(self.rows * stride(self.width)),
        ))
    }
}

pub(super) fn constants(
    kernel: &'static str,
    rows: usize,
    width: usize,
) -> Result<[(&'static str, f64); 4], GpuError> {
    if rows == 0 || width == 0 {
        return Err(shape(kernel, format!("{rows} rows of {width} elements")));
    }
    Ok([
        ("ROWS", rows as f64),
        ("WIDTH", width as f64),
        ("GU_STRIDE", stride(2 * width) as f64),
        ("M_STRIDE", stride(width) as f64),
    ])
}

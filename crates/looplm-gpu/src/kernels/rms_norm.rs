//! rms_norm: RMSNorm of rows, with or without a residual. See `shaders/rms_norm.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "rms_norm",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/rms_norm.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of rows of one width.
#[derive(Debug)]
pub struct RmsNorm {
    rows: usize,
    width: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl RmsNorm {
    /// A kernel for `rows` rows of `width` elements. With `add` it adds a residual to what it norms.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there is nothing to norm.
    pub fn new(
        gpu: &Gpu,
        rows: usize,
        width: usize,
        epsilon: f32,
        add: bool,
    ) -> Result<Self, GpuError> {
        check_shape(SOURCE.name, rows, width)?;
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(gpu, "main", &constants(rows, width, epsilon, add));
        Ok(Self {
            rows,
            width,
            kernel,
            pipeline,
        })
    }

    /// Binds `x`, `residual` and `y` of rows of [`stride`]`(width)` elements and `gain` of one such row. Without `add`
    /// nothing reads `residual`: pass `x` again.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        x: View<'_>,
        gain: View<'_>,
        residual: View<'_>,
        y: View<'_>,
    ) -> Result<Bound, GpuError> {
        let elements = self.rows * stride(self.width);
        check_size(SOURCE.name, "x", x, elements)?;
        check_size(SOURCE.name, "gain", gain, stride(self.width))?;
        check_size(SOURCE.name, "residual", residual, elements)?;
        check_size(SOURCE.name, "y", y, elements)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[x, gain, residual, y]),
            flat_grid(self.rows),
        ))
    }
}

pub(super) fn check_shape(kernel: &'static str, rows: usize, width: usize) -> Result<(), GpuError> {
    if rows == 0 || width == 0 {
        return Err(shape(kernel, format!("{rows} rows of {width} elements")));
    }
    Ok(())
}

pub(super) fn constants(
    rows: usize,
    width: usize,
    epsilon: f32,
    add: bool,
) -> Vec<(&'static str, f64)> {
    vec![
        ("ROWS", rows as f64),
        ("WIDTH", width as f64),
        ("QUADS", (stride(width) / 4) as f64),
        ("EPSILON", f64::from(epsilon)),
        ("ADD", f64::from(u8::from(add))),
    ]
}

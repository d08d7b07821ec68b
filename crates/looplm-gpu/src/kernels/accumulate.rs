//! accumulate: one buffer added to another. See `shaders/accumulate.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "accumulate",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/accumulate.wgsl")),
    bindings: &[Binding::Write, Binding::Read],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of elements.
#[derive(Debug)]
pub struct Accumulate {
    elements: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Accumulate {
    /// A kernel for `elements` elements, a multiple of 4.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if it is not one.
    pub fn new(gpu: &Gpu, elements: usize) -> Result<Self, GpuError> {
        if !elements.is_multiple_of(4) {
            return Err(shape(
                SOURCE.name,
                format!("{elements} elements are no multiple of 4"),
            ));
        }
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(gpu, "main", &[("QUADS", (elements / 4) as f64)]);
        Ok(Self {
            elements,
            kernel,
            pipeline,
        })
    }

    /// Binds `sum` and `term`.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, sum: View<'_>, term: View<'_>) -> Result<Bound, GpuError> {
        check_size(SOURCE.name, "sum", sum, self.elements)?;
        check_size(SOURCE.name, "term", term, self.elements)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[sum, term]),
            flat_grid(self.elements / 4),
        ))
    }
}

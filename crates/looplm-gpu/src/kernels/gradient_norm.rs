//! gradient_norm: norm of a whole gradient and the factor that clips it. See `shaders/gradient_norm.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size},
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "gradient_norm",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/gradient_norm.wgsl")),
    bindings: &[Binding::Read, Binding::Write],
    rows: false,
    entries: &["sums", "total"],
};

/// Elements of the `stats` that the kernel writes: norm, scale, 1 if finite, 0.
pub const GRADIENT_STATS: usize = 4;

const LANES: usize = 64;
/// Most workgroups of the first pass.
const MOST_GROUPS: usize = 128;
/// Quads an invocation adds up before another workgroup is worth it.
const QUADS_EACH: usize = 16;

/// The kernel for one number of elements.
#[derive(Debug)]
pub struct GradientNorm {
    elements: usize,
    groups: usize,
    kernel: Kernel,
    sums: wgpu::ComputePipeline,
    total: wgpu::ComputePipeline,
}

impl GradientNorm {
    /// A kernel for `elements` elements, a multiple of 4, that clips to `max_norm` (infinity: never).
    ///
    /// # Errors
    /// [`GpuError::Shape`] if `elements` is 0 or no multiple of 4, or `max_norm` is not positive.
    pub fn new(gpu: &Gpu, elements: usize, max_norm: f32) -> Result<Self, GpuError> {
        if elements == 0 || !elements.is_multiple_of(4) {
            return Err(shape(
                SOURCE.name,
                format!("{elements} elements are no positive multiple of 4"),
            ));
        }
        if max_norm.is_nan() || max_norm <= 0.0 {
            return Err(shape(
                SOURCE.name,
                format!("a largest norm of {max_norm} is not positive"),
            ));
        }
        let quads = elements / 4;
        let groups = quads.div_ceil(LANES * QUADS_EACH).min(MOST_GROUPS);
        let bound = if max_norm.is_finite() {
            f64::from(max_norm)
        } else {
            0.0
        };
        let constants = [
            ("QUADS", quads as f64),
            ("GROUPS", groups as f64),
            ("MAX_NORM", bound),
        ];
        let kernel = Kernel::new(gpu, SOURCE);
        Ok(Self {
            elements,
            groups,
            sums: kernel.pipeline(gpu, "sums", &constants),
            total: kernel.pipeline(gpu, "total", &constants),
            kernel,
        })
    }

    /// Elements of the partial sums that [`GradientNorm::bind`] wants.
    pub fn partials_elements(&self) -> usize {
        LANES * self.groups
    }

    /// Binds the gradient, scratch of [`GradientNorm::partials_elements`], and the result of [`GRADIENT_STATS`] elements.
    /// The three lie in different buffers.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        gradient: View<'_>,
        partials: View<'_>,
        stats: View<'_>,
    ) -> Result<Bound, GpuError> {
        let name = SOURCE.name;
        check_size(name, "gradient", gradient, self.elements)?;
        check_size(name, "partials", partials, self.partials_elements())?;
        check_size(name, "stats", stats, GRADIENT_STATS)?;
        let sums = self.kernel.bind_views(gpu, &[gradient, partials]);
        let total = self.kernel.bind_views(gpu, &[partials, stats]);
        Ok(
            Bound::new(name, &self.sums, sums, [self.groups, 1]).then(Bound::new(
                name,
                &self.total,
                total,
                [1, 1],
            )),
        )
    }
}

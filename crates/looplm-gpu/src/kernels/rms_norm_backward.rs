//! rms_norm_backward: the gradients of RMSNorm. See `shaders/rms_norm_backward.wgsl`.

use super::rms_norm::{check_shape, constants};
use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "rms_norm_backward",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/rms_norm_backward.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    rows: false,
    entries: &["rows", "columns", "total"],
};

/// Rows that one invocation sums up.
const CHUNK: usize = 64;

/// What [`RmsNormBackward::bind`] binds.
#[derive(Debug, Clone, Copy)]
pub struct RmsNormGradients<'a> {
    /// Input of the norm, [rows, stride(width)].
    pub x: View<'a>,
    /// Its gain, [stride(width)].
    pub gain: View<'a>,
    /// Gradient of the output, [rows, stride(width)].
    pub dy: View<'a>,
    /// Added to `dx`, [rows, stride(width)]. Without `add` nothing reads it: pass `dy` again.
    pub add: View<'a>,
    /// Gradient of the input, [rows, stride(width)], written.
    pub dx: View<'a>,
    /// Gradient of the gain, [stride(width)], added to.
    pub dgain: View<'a>,
    /// Scratch, [`RmsNormBackward::partials`] elements.
    pub partials: View<'a>,
}

/// The kernel for one number of rows of one width.
#[derive(Debug)]
pub struct RmsNormBackward {
    rows: usize,
    width: usize,
    kernel: Kernel,
    stages: [wgpu::ComputePipeline; 3],
}

impl RmsNormBackward {
    /// A kernel for `rows` rows of `width` elements. With `add` it adds another gradient to that of the input.
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
        let mut constants = constants(rows, width, epsilon, add);
        constants.extend([
            ("CHUNK", CHUNK as f64),
            ("CHUNKS", rows.div_ceil(CHUNK) as f64),
        ]);
        let stages =
            ["rows", "columns", "total"].map(|entry| kernel.pipeline(gpu, entry, &constants));
        Ok(Self {
            rows,
            width,
            kernel,
            stages,
        })
    }

    /// Elements of the scratch buffer `partials`.
    pub fn partials(&self) -> usize {
        self.rows.next_multiple_of(4) + self.rows.div_ceil(CHUNK) * stride(self.width)
    }

    /// Binds its buffers.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, views: RmsNormGradients<'_>) -> Result<Bound, GpuError> {
        let RmsNormGradients {
            x,
            gain,
            dy,
            add,
            dx,
            dgain,
            partials,
        } = views;
        let padded = stride(self.width);
        for (what, view, elements) in [
            ("x", x, self.rows * padded),
            ("gain", gain, padded),
            ("dy", dy, self.rows * padded),
            ("add", add, self.rows * padded),
            ("dx", dx, self.rows * padded),
            ("dgain", dgain, padded),
            ("partials", partials, self.partials()),
        ] {
            check_size(SOURCE.name, what, view, elements)?;
        }
        let group = self
            .kernel
            .bind_views(gpu, &[x, gain, dy, add, dx, dgain, partials]);
        let quads = padded / 4;
        let [rows, columns, total] = &self.stages;
        let stage = |pipeline, invocations| {
            Bound::new(SOURCE.name, pipeline, group.clone(), flat_grid(invocations))
        };
        Ok(stage(rows, self.rows)
            .then(stage(columns, self.rows.div_ceil(CHUNK) * quads))
            .then(stage(total, quads)))
    }
}

//! adamw: one update of the parameters. See `shaders/adamw.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    kernels::gradient_norm::GRADIENT_STATS,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "adamw",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/adamw.wgsl")),
    bindings: &[
        Binding::Write,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Read,
        Binding::Read,
    ],
    rows: false,
    entries: &["main"],
};

/// What the host writes before each update, as it lies in the buffer `hyper`.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct AdamWHyper {
    /// Learning rate of this update.
    pub learning_rate: f32,
    /// Decay of the mean of the gradients.
    pub beta1: f32,
    /// Decay of the mean of their squares.
    pub beta2: f32,
    /// Added to the root of the mean square; positive.
    pub epsilon: f32,
    /// Decoupled decay; multiplied by the learning rate.
    pub weight_decay: f32,
    /// 1 - beta1^t at the t-th update, counted from 1.
    pub correction1: f32,
    /// 1 - beta2^t.
    pub correction2: f32,
    /// Zero.
    pub pad: f32,
}

impl AdamWHyper {
    /// The values of update `t`, counted from 1. The corrections are computed in f64.
    pub fn new(
        learning_rate: f32,
        betas: [f32; 2],
        epsilon: f32,
        weight_decay: f32,
        t: u64,
    ) -> Self {
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(t as f64)) as f32;
        Self {
            learning_rate,
            beta1: betas[0],
            beta2: betas[1],
            epsilon,
            weight_decay,
            correction1: correction(betas[0]),
            correction2: correction(betas[1]),
            pad: 0.0,
        }
    }
}

/// The buffers of an update.
#[derive(Debug, Clone, Copy)]
pub struct AdamWBuffers<'a> {
    /// Parameters, updated.
    pub parameters: View<'a>,
    /// Their gradient.
    pub gradient: View<'a>,
    /// Mean of the gradients, updated.
    pub m: View<'a>,
    /// Mean of their squares, updated.
    pub v: View<'a>,
    /// What `gradient_norm` wrote.
    pub stats: View<'a>,
    /// An [`AdamWHyper`].
    pub hyper: View<'a>,
}

/// The kernel for one number of elements.
#[derive(Debug)]
pub struct AdamW {
    elements: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl AdamW {
    /// A kernel for `elements` elements, of which the first `decay_below` decay. Both are multiples of 4.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if they are not.
    pub fn new(gpu: &Gpu, elements: usize, decay_below: usize) -> Result<Self, GpuError> {
        if elements == 0 || !elements.is_multiple_of(4) || !decay_below.is_multiple_of(4) {
            return Err(shape(
                SOURCE.name,
                format!("{elements} elements, {decay_below} with decay, are no multiples of 4"),
            ));
        }
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = [
            ("QUADS", (elements / 4) as f64),
            ("DECAY_QUADS", (decay_below.min(elements) / 4) as f64),
        ];
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        Ok(Self {
            elements,
            kernel,
            pipeline,
        })
    }

    /// Binds the buffers of the update. `parameters`, `m` and `v` each lie in a buffer of their own.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, to: AdamWBuffers<'_>) -> Result<Bound, GpuError> {
        let all = [
            ("parameters", to.parameters, self.elements),
            ("gradient", to.gradient, self.elements),
            ("m", to.m, self.elements),
            ("v", to.v, self.elements),
            ("stats", to.stats, GRADIENT_STATS),
            ("hyper", to.hyper, size_of::<AdamWHyper>() / 4),
        ];
        for (what, view, elements) in all {
            check_size(SOURCE.name, what, view, elements)?;
        }
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &all.map(|(_, view, _)| view)),
            flat_grid(self.elements / 4),
        ))
    }
}

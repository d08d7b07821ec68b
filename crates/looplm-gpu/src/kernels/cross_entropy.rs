//! cross_entropy: loss, prediction and gradient of each row's logits. See `shaders/cross_entropy.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "cross_entropy",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/cross_entropy.wgsl")),
    bindings: &[
        Binding::Write,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of rows and one vocabulary.
#[derive(Debug)]
pub struct CrossEntropy {
    rows: usize,
    vocabulary: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl CrossEntropy {
    /// A kernel for `rows` rows of `vocabulary` logits; with `gradient` they are replaced by their gradient.
    pub fn new(gpu: &Gpu, rows: usize, vocabulary: usize, gradient: bool) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(
            gpu,
            "main",
            &[
                ("ROWS", rows as f64),
                ("VOCABULARY", vocabulary as f64),
                ("QUADS", (stride(vocabulary) / 4) as f64),
                ("GRADIENT", f64::from(u8::from(gradient))),
            ],
        );
        Self {
            rows,
            vocabulary,
            kernel,
            pipeline,
        }
    }

    /// Binds its buffers:
    /// - `logits` [rows, stride(vocabulary)]: with `gradient` they become weight * (softmax - onehot(target)), zero in
    ///   ignored rows and in the padding; without they stay as they are;
    /// - `targets` \[rows\] (i32): rows with a negative target, or one beyond the vocabulary, are ignored;
    /// - `weights` \[rows\]: read only with `gradient`;
    /// - `losses` \[rows\]: cross-entropy in nats, not weighted, 0 in ignored rows;
    /// - `predictions` \[rows\] (u32): the most probable id, the smallest among equals, in ignored rows too.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        logits: View<'_>,
        targets: View<'_>,
        weights: View<'_>,
        losses: View<'_>,
        predictions: View<'_>,
    ) -> Result<Bound, GpuError> {
        let name = SOURCE.name;
        check_size(name, "logits", logits, self.rows * stride(self.vocabulary))?;
        check_size(name, "targets", targets, self.rows)?;
        check_size(name, "weights", weights, self.rows)?;
        check_size(name, "losses", losses, self.rows)?;
        check_size(name, "predictions", predictions, self.rows)?;
        Ok(Bound::new(
            name,
            &self.pipeline,
            self.kernel
                .bind_views(gpu, &[logits, targets, weights, losses, predictions]),
            flat_grid(self.rows),
        ))
    }
}

//! exit_probabilities: the distribution over exit steps and the weight of each step's loss. See
//! `shaders/exit_probabilities.wgsl`.

use crate::{
    MAX_STEPS,
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    kernels::exit_objective::ObjectiveParams,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "exit_probabilities",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/exit_probabilities.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    rows: false,
    entries: &["main"],
};

/// Refuses numbers of steps that the kernels have no room for.
pub(super) fn check_steps(kernel: &'static str, steps: usize) -> Result<(), GpuError> {
    if steps == 0 || steps > MAX_STEPS {
        return Err(shape(
            kernel,
            format!("{steps} steps; it takes 1 to {MAX_STEPS}"),
        ));
    }
    Ok(())
}

/// The kernel for one number of rows and one of steps.
#[derive(Debug)]
pub struct ExitProbabilities {
    rows: usize,
    steps: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl ExitProbabilities {
    /// A kernel for `rows` rows of `steps` recurrent steps.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there is no step or more than [`MAX_STEPS`].
    pub fn new(gpu: &Gpu, rows: usize, steps: usize) -> Result<Self, GpuError> {
        check_steps(SOURCE.name, steps)?;
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = [("ROWS", rows as f64), ("STEPS", steps as f64)];
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        Ok(Self {
            rows,
            steps,
            kernel,
            pipeline,
        })
    }

    /// Binds its buffers:
    /// - `params`: one [`ObjectiveParams`];
    /// - `targets` \[rows\] (i32), negative where there is none;
    /// - `z` [steps, rows]: logits of the gate;
    /// - `p` [steps, rows]: becomes the probability of exiting at each step;
    /// - `weights` [steps, rows]: becomes the derivative of the mean objective in each step's loss, what
    ///   [`CrossEntropy`](super::CrossEntropy) takes.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        params: View<'_>,
        targets: View<'_>,
        z: View<'_>,
        p: View<'_>,
        weights: View<'_>,
    ) -> Result<Bound, GpuError> {
        let cells = self.steps * self.rows;
        check_size(SOURCE.name, "params", params, ObjectiveParams::WORDS)?;
        check_size(SOURCE.name, "targets", targets, self.rows)?;
        check_size(SOURCE.name, "z", z, cells)?;
        check_size(SOURCE.name, "p", p, cells)?;
        check_size(SOURCE.name, "weights", weights, cells)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel
                .bind_views(gpu, &[params, targets, z, p, weights]),
            flat_grid(self.rows),
        ))
    }
}

//! exit_objective: the training objective of each row, its gradient in the gate's logits, and sums over the rows. See
//! `shaders/exit_objective.wgsl`.
//!
//! The objectives are those of "Scaling Latent Reasoning via Looped Language Models" (arXiv 2510.25741): Stage I is
//! equation 4, Stage II equations 5 and 6.

use bytemuck::{Pod, Zeroable};

use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    kernels::exit_probabilities::check_steps,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "exit_objective",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/exit_objective.wgsl")),
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
    entries: &["gradient", "chunk_totals", "totals_of_chunks"],
};

/// Rows that one invocation sums, as the shader counts them.
const CHUNK: usize = 64;

/// What an update trains for.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectiveKind {
    /// Stage I: model and gate together. Expected loss under the exit distribution, and its divergence from a prior.
    #[default]
    Stage1 = 0,
    /// The loss of the last step alone; the gate gets no gradient.
    LastStep = 1,
    /// Stage II: the gate alone, with labels from the losses; the model gets no gradient.
    Stage2 = 2,
}

/// The prior over exit steps in Stage I.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExitPrior {
    /// Every step alike: the term is minus the entropy (the constant log T is left out).
    #[default]
    Uniform = 0,
    /// A constant rate of exiting at each step; the last takes what remains.
    Geometric = 1,
}

/// What a step's gate is told in Stage II: the chance of going on is sigmoid(k (improvement - gamma)).
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GateLabel {
    /// Of the paper: how much this step improved on the one before, for steps 2 to T.
    #[default]
    Paper = 0,
    /// How much the best of the steps to come will improve on this one, for steps 1 to T - 1.
    LookAhead = 1,
}

/// The parameters of an update's objective, as the kernels read them from a storage buffer. Write them before each
/// update that changes them.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ObjectiveParams {
    /// 1 / number of rows with a target in the update: what makes gradients those of a mean.
    pub inv_count: f32,
    /// Weight of the divergence from the prior in Stage I.
    pub beta: f32,
    /// [`ObjectiveKind`] as a number.
    pub kind: u32,
    /// [`ExitPrior`] as a number.
    pub prior: u32,
    /// Rate of the geometric prior, between 0 and 1 (both excluded).
    pub exit_rate: f32,
    /// Steepness of the label in Stage II (50 in the paper).
    pub k: f32,
    /// Improvement in nats that is worth another step in Stage II (0.005 in the paper).
    pub gamma: f32,
    /// [`GateLabel`] as a number.
    pub label: u32,
    /// Zeros.
    pub pad: [u32; 8],
}

impl ObjectiveParams {
    /// Size in 32-bit words.
    pub const WORDS: usize = size_of::<Self>() / 4;

    /// Last-step training of `count` rows with a target.
    pub fn last_step(count: usize) -> Self {
        Self {
            inv_count: 1.0 / count.max(1) as f32,
            kind: ObjectiveKind::LastStep as u32,
            ..Self::zeroed()
        }
    }

    /// Stage I of `count` rows with a target; `exit_rate` of the geometric prior, none for the uniform one.
    pub fn stage_1(count: usize, beta: f32, exit_rate: Option<f32>) -> Self {
        let prior = match exit_rate {
            Some(_) => ExitPrior::Geometric,
            None => ExitPrior::Uniform,
        };
        Self {
            beta,
            kind: ObjectiveKind::Stage1 as u32,
            prior: prior as u32,
            exit_rate: exit_rate.unwrap_or_default(),
            ..Self::last_step(count)
        }
    }

    /// Stage II of `count` rows with a target.
    pub fn stage_2(count: usize, label: GateLabel, k: f32, gamma: f32) -> Self {
        Self {
            kind: ObjectiveKind::Stage2 as u32,
            k,
            gamma,
            label: label as u32,
            ..Self::last_step(count)
        }
    }
}

/// Sums over the rows of an update: the first elements of the buffer `totals`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ObjectiveTotals {
    /// Of the objective.
    pub objective: f32,
    /// Of the entropy of the exit distribution, in nats.
    pub entropy: f32,
    /// Of the expected exit step, counted from 1.
    pub expected_step: f32,
    /// Of the rows with a target.
    pub count: f32,
    /// Of the losses of each step, in nats; 0 beyond the last step.
    pub losses: [f32; crate::MAX_STEPS],
    /// Zeros.
    pub pad: [f32; 4],
}

impl ObjectiveTotals {
    /// Size in 32-bit words.
    pub const WORDS: usize = size_of::<Self>() / 4;
}

/// The buffers of [`ExitObjective`].
#[derive(Debug, Clone, Copy)]
pub struct ObjectiveBuffers<'a> {
    /// One [`ObjectiveParams`].
    pub params: View<'a>,
    /// \[rows\] (i32), negative where there is none.
    pub targets: View<'a>,
    /// [steps, rows]: logits of the gate.
    pub z: View<'a>,
    /// [steps, rows]: cross-entropy of each step, in nats.
    pub losses: View<'a>,
    /// [steps, rows]: becomes the gradient of the mean objective in `z`, 0 in rows without a target.
    pub dz: View<'a>,
    /// [rows, 4]: becomes objective, entropy, expected exit step and 1; zeros in rows without a target.
    pub row_stats: View<'a>,
    /// \[[`ExitObjective::totals`]\]: begins with an [`ObjectiveTotals`]; the rest is scratch.
    pub totals: View<'a>,
}

/// The kernel for one number of rows and one of steps.
#[derive(Debug)]
pub struct ExitObjective {
    rows: usize,
    steps: usize,
    kernel: Kernel,
    pipelines: [wgpu::ComputePipeline; 3],
}

impl ExitObjective {
    /// A kernel for `rows` rows of `steps` recurrent steps.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there is no step or more than [`MAX_STEPS`](crate::MAX_STEPS).
    pub fn new(gpu: &Gpu, rows: usize, steps: usize) -> Result<Self, GpuError> {
        check_steps(SOURCE.name, steps)?;
        let kernel = Kernel::new(gpu, SOURCE);
        let rows_only = [("ROWS", rows as f64)];
        let constants = [rows_only[0], ("STEPS", steps as f64)];
        let pipelines = [
            kernel.pipeline(gpu, "gradient", &constants),
            kernel.pipeline(gpu, "chunk_totals", &constants),
            kernel.pipeline(gpu, "totals_of_chunks", &rows_only),
        ];
        Ok(Self {
            rows,
            steps,
            kernel,
            pipelines,
        })
    }

    /// Elements of the buffer `totals` for `rows` rows.
    pub fn totals(rows: usize) -> usize {
        ObjectiveTotals::WORDS * (1 + rows.div_ceil(CHUNK))
    }

    /// Binds its buffers.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, to: ObjectiveBuffers<'_>) -> Result<Bound, GpuError> {
        let name = SOURCE.name;
        let cells = self.steps * self.rows;
        check_size(name, "params", to.params, ObjectiveParams::WORDS)?;
        check_size(name, "targets", to.targets, self.rows)?;
        check_size(name, "z", to.z, cells)?;
        check_size(name, "losses", to.losses, cells)?;
        check_size(name, "dz", to.dz, cells)?;
        check_size(name, "row_stats", to.row_stats, 4 * self.rows)?;
        check_size(name, "totals", to.totals, Self::totals(self.rows))?;
        let views = [
            to.params,
            to.targets,
            to.z,
            to.losses,
            to.dz,
            to.row_stats,
            to.totals,
        ];
        let group = self.kernel.bind_views(gpu, &views);
        let [gradient, chunk_totals, totals_of_chunks] = &self.pipelines;
        let chunks = flat_grid(self.rows.div_ceil(CHUNK));
        Ok(
            Bound::new(name, gradient, group.clone(), flat_grid(self.rows))
                .then(Bound::new(name, chunk_totals, group.clone(), chunks))
                .then(Bound::new(name, totals_of_chunks, group, [1, 1])),
        )
    }
}

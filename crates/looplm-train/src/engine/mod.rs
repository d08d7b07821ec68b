//! The engine: gradients of a looped language model by the kernels of `looplm-gpu`, without any general autodiff.
//! A [`program::Program`] is the list of dispatches of one batch; everything here is about buffers and order.

mod inputs;
mod kernels;
pub(crate) mod layout;
pub(crate) mod parameters;
mod program;
pub(crate) mod tensors;
mod workspace;

use looplm::Config;
use looplm_gpu::{
    Bound, Buffer, Gpu, GpuError, Readback,
    cpu::rotary_table,
    kernels::{ExitObjective, ExitProbabilities, ObjectiveParams, ObjectiveTotals},
    wgpu::{CommandEncoder, ComputePassDescriptor},
};

pub(crate) use inputs::{Inputs, padded_rows};

use crate::error::TrainError;
use kernels::Kernels;
use layout::Layout;
use parameters::Parameters;
use program::{Builder, Program};
use workspace::{Slots, Workspace};

/// Most pass shapes kept: those of an evaluation, and of the batches before and after a curriculum changes them.
const MOST_SHAPES: usize = 2;

/// What a batch has to be like for passes to fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PassShape {
    /// Rows with padding.
    pub(crate) rows: usize,
    /// The most recurrent steps.
    pub(crate) steps: usize,
    /// Whether gradients are wanted.
    pub(crate) backward: bool,
}

/// Kernels, buffers and programs for one shape of batch.
#[derive(Debug)]
pub(crate) struct Passes {
    shape: PassShape,
    kernels: Kernels,
    workspace: Workspace,
    /// One for each number of steps met so far.
    programs: Vec<Program>,
    bytes: u64,
}

/// A model's parameters on the device, and the passes over them.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) gpu: Gpu,
    pub(crate) config: Config,
    pub(crate) parameters: Parameters,
    rotary: Buffer,
    passes: Vec<Passes>,
}

/// What every row of a batch came to: [T, R] each, R with padding.
#[derive(Debug, Clone)]
pub(crate) struct RowResults {
    /// Cross-entropy.
    pub(crate) losses: Vec<f32>,
    /// Most likely token.
    pub(crate) predictions: Vec<u32>,
    /// Probability of leaving at the step.
    pub(crate) probabilities: Vec<f32>,
}

/// Sums over the rows of a batch that have a target.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) objective: f64,
    pub(crate) entropy: f64,
    pub(crate) expected_step: f64,
    pub(crate) targets: f64,
    pub(crate) losses: [f64; 8],
}

/// Bytes of the totals of a batch.
pub(crate) const TOTALS_BYTES: u64 = size_of::<ObjectiveTotals>() as u64;

impl Totals {
    /// Of what a kernel wrote; not a number where there are too few bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let Some(totals) = bytemuck::pod_collect_to_vec::<u8, ObjectiveTotals>(bytes).pop() else {
            return Self {
                objective: f64::NAN,
                ..Self::default()
            };
        };
        Self {
            objective: totals.objective.into(),
            entropy: totals.entropy.into(),
            expected_step: totals.expected_step.into(),
            targets: totals.count.into(),
            losses: totals.losses.map(f64::from),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.objective += other.objective;
        self.entropy += other.entropy;
        self.expected_step += other.expected_step;
        self.targets += other.targets;
        for (sum, loss) in self.losses.iter_mut().zip(other.losses) {
            *sum += loss;
        }
    }
}

impl Engine {
    /// Uploads the parameters `flat`, in the order of [`Layout`].
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`], [`GpuError::OutOfMemory`].
    pub(crate) async fn new(
        gpu: Gpu,
        config: Config,
        flat: &[f32],
        gradient: bool,
    ) -> Result<Self, GpuError> {
        let layout = Layout::new(&config);
        let parameters = Parameters::new(&gpu, layout, flat, gradient).await?;
        let table = rotary_table(
            config.head_dim,
            config.rope_theta,
            config.max_position_embeddings,
        );
        let rotary = Buffer::storage_with(&gpu, "rotary table", table.as_flattened()).await?;
        Ok(Self {
            gpu,
            config,
            parameters,
            rotary,
            passes: Vec::new(),
        })
    }

    /// Bytes on the device.
    pub(crate) fn bytes(&self) -> u64 {
        self.parameters.bytes()
            + self.rotary.size()
            + self.passes.iter().map(|passes| passes.bytes).sum::<u64>()
    }

    /// Makes the passes for a shape and a number of steps, or finds them; their index.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`] or [`GpuError::OutOfMemory`] before anything is computed.
    pub(crate) async fn prepare(
        &mut self,
        shape: PassShape,
        steps: usize,
    ) -> Result<usize, GpuError> {
        let at = match self.passes.iter().position(|p| p.shape == shape) {
            Some(at) => at,
            None => {
                // Passes of the same kind are of a shape that is not coming back; their memory makes room.
                self.passes.retain(|p| p.shape.backward != shape.backward);
                if self.passes.len() >= MOST_SHAPES {
                    self.passes.remove(0);
                }
                let passes = self.new_passes(shape).await?;
                self.passes.push(passes);
                self.passes.len() - 1
            }
        };
        if self.passes[at].program(steps).is_none() {
            let passes = &self.passes[at];
            let program = Builder {
                gpu: &self.gpu,
                config: &self.config,
                kernels: &passes.kernels,
                probabilities: &ExitProbabilities::new(&self.gpu, shape.rows, steps)?,
                objective: &ExitObjective::new(&self.gpu, shape.rows, steps)?,
                parameters: &self.parameters,
                workspace: &passes.workspace,
                rotary_table: self.rotary.view(),
                steps,
            }
            .build()?;
            self.passes[at].programs.push(program);
        }
        Ok(at)
    }

    async fn new_passes(&self, shape: PassShape) -> Result<Passes, GpuError> {
        let PassShape {
            rows,
            steps,
            backward,
        } = shape;
        let plan = |partials| {
            Slots::plan(
                &self.config,
                rows,
                steps,
                backward,
                partials,
                self.gpu.max_binding(),
            )
        };
        let chunk = plan(16).0.chunk;
        let kernels = Kernels::new(&self.gpu, &self.config, rows, chunk, backward)?;
        let (slots, plan) = plan(kernels.partials(rows, self.config.hidden_size));
        Ok(Passes {
            shape,
            workspace: Workspace::new(&self.gpu, slots, &plan).await?,
            kernels,
            programs: Vec::new(),
            bytes: plan.bytes(),
        })
    }

    /// Uploads a batch and its objective to the passes `at`.
    pub(crate) fn write(&self, at: usize, inputs: &Inputs, objective: &ObjectiveParams) {
        let workspace = &self.passes[at].workspace;
        workspace.write(&self.gpu, inputs);
        workspace.buffer(workspace.slots.objective).write(
            &self.gpu,
            0,
            bytemuck::bytes_of(objective),
        );
    }

    /// Records the way forward and, if the passes have one, back. The gradient is added to what is there.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the batch is larger than WebGPU dispatches at once.
    pub(crate) fn record(
        &self,
        at: usize,
        steps: usize,
        encoder: &mut CommandEncoder,
    ) -> Result<(), GpuError> {
        let Some(program) = self.passes[at].program(steps) else {
            return Ok(());
        };
        record(encoder, program.forward.iter().chain(&program.backward))
    }

    /// Records the copy of the totals into `readback` at `offset`.
    pub(crate) fn copy_totals(
        &self,
        at: usize,
        encoder: &mut CommandEncoder,
        readback: &Readback,
        offset: u64,
    ) {
        let workspace = &self.passes[at].workspace;
        let totals = workspace.buffer(workspace.slots.totals);
        readback.copy(encoder, totals, 0, offset, TOTALS_BYTES);
    }

    /// Runs the way forward and reads what every row came to.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub(crate) async fn look(
        &mut self,
        inputs: &Inputs,
        steps: usize,
        objective: &ObjectiveParams,
    ) -> Result<(RowResults, Totals), TrainError> {
        let shape = PassShape {
            rows: inputs.ids.len(),
            steps,
            backward: false,
        };
        let at = self.prepare(shape, steps).await?;
        self.write(at, inputs, objective);
        let mut encoder = self.gpu.encoder();
        self.record(at, steps, &mut encoder)?;
        let workspace = &self.passes[at].workspace;
        let slots = &workspace.slots;
        let bytes = 4 * (steps * shape.rows) as u64;
        let readback = Readback::new(&self.gpu, 3 * bytes + TOTALS_BYTES).await?;
        for (i, slot) in [slots.losses, slots.predictions, slots.probabilities]
            .into_iter()
            .enumerate()
        {
            readback.copy(
                &mut encoder,
                workspace.buffer(slot),
                0,
                i as u64 * bytes,
                bytes,
            );
        }
        self.copy_totals(at, &mut encoder, &readback, 3 * bytes);
        self.gpu.submit(encoder);
        let data = readback.read(&self.gpu, 3 * bytes + TOTALS_BYTES).await?;
        let (rows, totals) = data.split_at(3 * bytes as usize);
        let third = |i: usize| &rows[i * bytes as usize..(i + 1) * bytes as usize];
        Ok((
            RowResults {
                losses: bytemuck::pod_collect_to_vec(third(0)),
                predictions: bytemuck::pod_collect_to_vec(third(1)),
                probabilities: bytemuck::pod_collect_to_vec(third(2)),
            },
            Totals::from_bytes(totals),
        ))
    }

    /// The states after every step of the last [`Engine::look`], [rows, stride(D)] each, and its losses.
    pub(crate) fn looked_at(&self, rows: usize, steps: usize) -> Option<(Vec<&Buffer>, &Buffer)> {
        let passes = self
            .passes
            .iter()
            .find(|p| !p.shape.backward && p.shape.rows == rows && p.shape.steps == steps)?;
        let workspace = &passes.workspace;
        let states = workspace.slots.states[1..].iter();
        Some((
            states.map(|&slot| workspace.buffer(slot)).collect(),
            workspace.buffer(workspace.slots.losses),
        ))
    }

    /// Seconds that each kernel of a training batch takes, summed by name: every dispatch is waited for, so their sum
    /// is more than a batch takes. For the bench.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub(crate) fn profile(
        &self,
        at: usize,
        steps: usize,
    ) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let mut seconds: Vec<(&'static str, f64)> = Vec::new();
        let Some(program) = self.passes[at].program(steps) else {
            return Ok(seconds);
        };
        self.gpu.wait()?;
        for bound in program.forward.iter().chain(&program.backward) {
            let started = web_time::Instant::now();
            let mut encoder = self.gpu.encoder();
            record(&mut encoder, [bound])?;
            self.gpu.submit(encoder);
            self.gpu.wait()?;
            let took = started.elapsed().as_secs_f64();
            match seconds.iter_mut().find(|(name, _)| *name == bound.name()) {
                Some((_, sum)) => *sum += took,
                None => seconds.push((bound.name(), took)),
            }
        }
        Ok(seconds)
    }
}

impl Passes {
    fn program(&self, steps: usize) -> Option<&Program> {
        self.programs.iter().find(|program| program.steps == steps)
    }
}

/// Records kernels one after another.
///
/// # Errors
/// [`GpuError::Shape`] if one of them has more workgroups than WebGPU dispatches at once.
pub(crate) fn record<'a>(
    encoder: &mut CommandEncoder,
    program: impl IntoIterator<Item = &'a Bound>,
) -> Result<(), GpuError> {
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
    for bound in program {
        bound.record(&mut pass)?;
    }
    Ok(())
}

//! The objective and its gradient for one batch: the proof that the engine computes what it should.

use looplm::checkpoint::{Source, read_config};
use looplm_gpu::Gpu;
use serde::Serialize;

use crate::{
    batch::Batch,
    engine::{
        Engine, Inputs, PassShape, TOTALS_BYTES, Totals,
        layout::Layout,
        tensors::{HostParameters, named, to_safetensors},
    },
    error::TrainError,
    objective::Objective,
};

/// A parameter's gradient: name, shape, values.
pub type Gradient = (String, Vec<usize>, Vec<f32>);

/// What a batch came to. Means over the positions that have a target, in nats.
#[derive(Debug, Clone, Serialize)]
pub struct LossReport {
    /// The objective.
    pub loss: f64,
    /// Cross-entropy at each recurrent step.
    pub step_losses: Vec<f64>,
    /// Entropy of the exit distribution.
    pub entropy: f64,
    /// Expected exit step.
    pub expected_steps: f64,
    /// The objective's gradient by checkpoint name; of the gate alone in Stage II.
    #[serde(skip)]
    pub gradients: Vec<Gradient>,
}

impl LossReport {
    /// The gradients as a safetensors file in 32-bit floats.
    ///
    /// # Errors
    /// [`TrainError::Snapshot`]; a defect.
    pub fn gradients_file(&self) -> Result<Vec<u8>, TrainError> {
        to_safetensors(&self.gradients, &[])
    }
}

/// Computes the objective of a batch and its gradient with respect to every parameter of the model in `source`.
///
/// # Errors
/// [`TrainError::Model`] for what is wrong with the folder, [`TrainError::Batch`] for what is wrong with the batch,
/// [`TrainError::Gpu`].
pub async fn loss(
    gpu: &Gpu,
    source: &dyn Source,
    batch: &Batch,
    objective: Objective,
) -> Result<LossReport, TrainError> {
    let config = read_config(source).await.map_err(looplm::Error::from)?;
    let layout = Layout::new(&config);
    let inputs = Inputs::new(batch, &config)?;
    let parameters = HostParameters::read(source, &config, &layout).await?;
    let steps = config.total_ut_steps;
    let mut engine = Engine::new(gpu.clone(), config, &parameters.flat, true).await?;
    let shape = PassShape {
        rows: inputs.ids.len(),
        steps,
        backward: true,
    };
    let at = engine.prepare(shape, steps).await?;
    engine.write(at, &inputs, &objective.params(inputs.targets_count));
    let readback = looplm_gpu::Readback::new(gpu, TOTALS_BYTES).await?;
    let mut encoder = gpu.encoder();
    engine.record(at, steps, &mut encoder)?;
    engine.copy_totals(at, &mut encoder, &readback, 0);
    gpu.submit(encoder);
    let totals = Totals::from_bytes(&readback.read(gpu, TOTALS_BYTES).await?);
    let flat = engine.parameters.read_gradient(gpu).await?;
    let gate_only = matches!(objective, Objective::StageII { .. });
    let gradients = named(&engine.parameters.layout, &flat)
        .into_iter()
        .filter(|(name, ..)| !gate_only || name.contains("early_exit_gate"))
        .collect();
    let count = totals.targets.max(1.0);
    Ok(LossReport {
        loss: totals.objective / count,
        step_losses: totals.losses[..steps].iter().map(|l| l / count).collect(),
        entropy: totals.entropy / count,
        expected_steps: totals.expected_step / count,
        gradients,
    })
}

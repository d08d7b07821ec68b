//! A run's state as two safetensors files: the model's own, and the optimizer's beside it.

use looplm::checkpoint::MemorySource;
use looplm_gpu::{Gpu, Readback};
use safetensors::SafeTensors;

use super::{Trainer, pace::Pace};
use crate::{
    config::TrainConfig,
    engine::{
        layout::Layout,
        tensors::{HostParameters, named, to_safetensors},
    },
    error::TrainError,
};

/// Names of the optimizer's tensors: these, and then the parameter's name.
const MOMENTS: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

/// Everything that training needs to go on as if it had not stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Updates done.
    pub update: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// `model.safetensors`, in 32-bit floats.
    pub weights: Vec<u8>,
    /// `optimizer.safetensors`: `exp_avg.NAME` and `exp_avg_sq.NAME` of every parameter; update and seconds in the metadata.
    pub optimizer: Vec<u8>,
}

fn unusable(message: impl Into<String>) -> TrainError {
    TrainError::Snapshot {
        message: message.into(),
    }
}

impl Snapshot {
    /// A snapshot from its two files.
    ///
    /// # Errors
    /// [`TrainError::Snapshot`] if the optimizer's metadata is not there or makes no sense.
    pub fn from_files(weights: Vec<u8>, optimizer: Vec<u8>) -> Result<Self, TrainError> {
        let (_, header) = SafeTensors::read_metadata(&optimizer)
            .map_err(|e| unusable(format!("optimizer.safetensors: {e}")))?;
        let field = |name: &str| {
            header
                .metadata()
                .as_ref()
                .and_then(|metadata| metadata.get(name))
                .ok_or_else(|| unusable(format!("optimizer.safetensors does not say its {name}")))
        };
        let update = field("update")?
            .parse()
            .map_err(|_| unusable("optimizer.safetensors: its update is not a number"))?;
        let seconds = field("seconds")?
            .parse()
            .map_err(|_| unusable("optimizer.safetensors: its seconds are not a number"))?;
        Ok(Self {
            update,
            seconds,
            weights,
            optimizer,
        })
    }
}

/// The two moments, in the order of `layout`.
fn read_moments(bytes: &[u8], layout: &Layout) -> Result<[Vec<f32>; 2], TrainError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| unusable(format!("optimizer.safetensors: {e}")))?;
    let mut moments = [vec![0.0; layout.elements], vec![0.0; layout.elements]];
    for (prefix, flat) in MOMENTS.iter().zip(&mut moments) {
        for entry in &layout.entries {
            let name = format!("{prefix}{}", entry.name);
            let tensor = file
                .tensor(&name)
                .map_err(|_| unusable(format!("optimizer.safetensors has no {name}")))?;
            if tensor.dtype() != safetensors::Dtype::F32 || tensor.shape() != entry.shape {
                return Err(unusable(format!(
                    "optimizer.safetensors: {name} is {:?} of {:?}, but this model's is F32 of {:?}",
                    tensor.shape(),
                    tensor.dtype(),
                    entry.shape
                )));
            }
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
            if values.iter().any(|value| !value.is_finite()) {
                return Err(unusable(format!(
                    "optimizer.safetensors: {name} holds what is no finite number"
                )));
            }
            entry.scatter(&values, flat);
        }
    }
    Ok(moments)
}

impl Trainer {
    /// A trainer that goes on where `state` was taken: the same configuration gives the same losses, bit for bit on
    /// one adapter.
    ///
    /// # Errors
    /// [`TrainError::Snapshot`] or [`TrainError::Model`] if the state is not of this architecture;
    /// otherwise as [`Trainer::new`].
    pub async fn resume(
        gpu: Gpu,
        config: TrainConfig,
        state: &Snapshot,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        let task = config.task()?;
        let model = config.checkpoint_config(task.as_ref());
        let layout = Layout::new(&model);
        let moments = read_moments(&state.optimizer, &layout)?;
        let source = MemorySource::new().with("model.safetensors", state.weights.clone());
        let parameters = HostParameters::read(&source, &model, &layout).await?;
        let mut trainer = Self::with_parameters(gpu, config, task, model, &parameters.flat)
            .await?
            .reserve()
            .await?;
        for (buffer, flat) in trainer.optimizer.moments.iter().zip(&moments) {
            buffer.write(&trainer.engine.gpu, 0, bytemuck::cast_slice(flat));
        }
        trainer.submitted = state.update;
        trainer.pace = Pace::at(state.seconds);
        Ok(trainer)
    }

    /// The state after all updates handed out so far.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub async fn snapshot(&mut self) -> Result<Snapshot, TrainError> {
        let gpu = &self.engine.gpu;
        let layout = &self.engine.parameters.layout;
        let seconds = self.pace.seconds();
        let mut tensors = Vec::new();
        for (prefix, buffer) in MOMENTS.iter().zip(&self.optimizer.moments) {
            let flat: Vec<f32> = Readback::fetch(gpu, buffer).await?;
            for (name, shape, values) in named(layout, &flat) {
                tensors.push((format!("{prefix}{name}"), shape, values));
            }
        }
        let metadata = [
            ("update", self.submitted.to_string()),
            ("seconds", seconds.to_string()),
        ];
        Ok(Snapshot {
            update: self.submitted,
            seconds,
            weights: self.weights_file().await?,
            optimizer: to_safetensors(&tensors, &metadata)?,
        })
    }

    /// `model.safetensors` as the weights are now.
    pub(super) async fn weights_file(&self) -> Result<Vec<u8>, TrainError> {
        let flat = self.engine.parameters.read_values(&self.engine.gpu).await?;
        if flat.iter().any(|value| !value.is_finite()) {
            return Err(TrainError::NonFinite {
                update: self.submitted,
                what: "weight",
            });
        }
        to_safetensors(
            &named(&self.engine.parameters.layout, &flat),
            &[("format", "pt".to_owned())],
        )
    }
}

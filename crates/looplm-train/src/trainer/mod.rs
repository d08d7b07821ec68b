//! The trainer: updates, evaluations, checkpoints, and the gate afterwards.

mod evaluation;
mod export;
mod fit;
mod gate;
mod pace;
mod snapshot;

use std::collections::VecDeque;

use looplm::{
    Config,
    checkpoint::{Source, read_config},
};
use looplm_gpu::{Gpu, Readback, kernels::AdamWHyper};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::{
    batch::Batch,
    config::TrainConfig,
    engine::{
        Engine, Inputs, PassShape, TOTALS_BYTES, Totals,
        layout::{Block, Layout},
        padded_rows,
        parameters::Optimizer,
        record,
        tensors::HostParameters,
    },
    error::TrainError,
    initial,
    metrics::Update,
    objective::Objective,
    schedule::learning_rate,
    task::{Split, Task},
};
use pace::Pace;

pub use fit::fit;
pub use snapshot::Snapshot;

/// Updates handed to the device and not yet heard of. Two keep it busy while the host draws the next batch; more only
/// fill its queue (and slowed a peer down twofold).
const IN_FLIGHT: usize = 2;

/// Trains one model on one task.
#[derive(Debug)]
pub struct Trainer {
    config: TrainConfig,
    task: Box<dyn Task>,
    engine: Engine,
    optimizer: Optimizer,
    /// Updates handed to the device.
    submitted: u64,
    in_flight: VecDeque<InFlight>,
    /// Staging buffers that are free.
    readbacks: Vec<Readback>,
    pace: Pace,
}

/// An update whose results are still to be read.
#[derive(Debug)]
struct InFlight {
    readback: Readback,
    update: u64,
    steps: usize,
    learning_rate: f32,
    tokens: u64,
}

impl Trainer {
    /// A trainer with weights drawn from the configuration's seed.
    ///
    /// # Errors
    /// [`TrainError::Config`], [`TrainError::Gpu`] if the adapter cannot hold the run: all of its memory is taken here.
    pub async fn new(gpu: Gpu, config: TrainConfig) -> Result<Self, TrainError> {
        config.validate()?;
        let task = config.task()?;
        Self::with_task(gpu, config, task).await
    }

    /// A trainer on a task of one's own; what the configuration says of its task is not looked at.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub async fn with_task(
        gpu: Gpu,
        config: TrainConfig,
        task: Box<dyn Task>,
    ) -> Result<Self, TrainError> {
        let model = config.checkpoint_config(task.as_ref());
        let flat = initial::parameters(&model, &Layout::new(&model), config.seed);
        Self::with_parameters(gpu, config, task, model, &flat)
            .await?
            .reserve()
            .await
    }

    /// A trainer over the weights of a model folder: to evaluate it, or to train its gate. The model's shape is the
    /// folder's, whatever `config.model` says; `steps` are the recurrent steps, as many as it was trained with if `None`.
    ///
    /// # Errors
    /// [`TrainError::Model`] for what is wrong with the folder, [`TrainError::Config`] if the task's vocabulary or
    /// length is not the model's, [`TrainError::Gpu`].
    pub async fn load(
        gpu: Gpu,
        mut config: TrainConfig,
        source: &dyn Source,
        steps: Option<usize>,
    ) -> Result<Self, TrainError> {
        let mut model = read_config(source).await.map_err(looplm::Error::from)?;
        model.total_ut_steps = steps.unwrap_or(model.total_ut_steps);
        let task = fit(&mut config, &model)?;
        let layout = Layout::new(&model);
        let parameters = HostParameters::read(source, &model, &layout).await?;
        Self::with_parameters(gpu, config, task, model, &parameters.flat).await
    }

    async fn with_parameters(
        gpu: Gpu,
        config: TrainConfig,
        task: Box<dyn Task>,
        model: Config,
        flat: &[f32],
    ) -> Result<Self, TrainError> {
        let engine = Engine::new(gpu, model, flat, true).await?;
        let whole = Block {
            offset: 0,
            elements: engine.parameters.layout.elements,
        };
        let clip = if config.optimizer.clip_norm > 0.0 {
            config.optimizer.clip_norm as f32
        } else {
            f32::INFINITY
        };
        let optimizer = Optimizer::new(&engine.gpu, &engine.parameters, whole, clip).await?;
        let bytes = 16 + TOTALS_BYTES * config.run.accumulate as u64;
        let mut readbacks = Vec::new();
        for _ in 0..IN_FLIGHT {
            readbacks.push(Readback::new(&engine.gpu, bytes).await?);
        }
        Ok(Self {
            config,
            task,
            engine,
            optimizer,
            submitted: 0,
            in_flight: VecDeque::new(),
            readbacks,
            pace: Pace::default(),
        })
    }

    /// Takes the memory of the largest batch: what fits now will fit to the end.
    async fn reserve(mut self) -> Result<Self, TrainError> {
        let shape = self.shape(self.config.run.batch_size, self.task.max_length(), true);
        let steps = self.steps();
        self.engine.prepare(shape, steps).await?;
        Ok(self)
    }

    fn steps(&self) -> usize {
        self.config.model.total_ut_steps
    }

    fn shape(&self, sequences: usize, length: usize, backward: bool) -> PassShape {
        PassShape {
            rows: padded_rows(sequences, length),
            steps: self.steps(),
            backward,
        }
    }

    /// The run's configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What is trained on.
    pub fn task(&self) -> &dyn Task {
        self.task.as_ref()
    }

    /// The shape of the model.
    pub fn model_config(&self) -> &Config {
        &self.engine.config
    }

    /// The device it runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.engine.gpu
    }

    /// Updates handed to the device; the metrics of the last ones may still be to come.
    pub fn updates_done(&self) -> u64 {
        self.submitted
    }

    /// Whether all updates of the configuration were handed out.
    pub fn is_done(&self) -> bool {
        self.submitted >= self.config.run.updates
    }

    /// Bytes on the device.
    pub fn memory_bytes(&self) -> u64 {
        self.engine.bytes() + self.optimizer.bytes()
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        self.engine.config.parameters()
    }

    /// Seconds of training so far.
    pub fn seconds(&self) -> f64 {
        self.pace.seconds()
    }

    /// Does one update. The device works ahead: what is returned is the oldest update not yet reported, or nothing while
    /// the first is on its way. Call [`Trainer::finish_updates`] for the last ones.
    ///
    /// # Errors
    /// [`TrainError::NonFinite`] for the update that went wrong: it changed no weights, but one behind it, already handed
    /// out, may have, so a run goes on from its last checkpoint;
    /// [`TrainError::Gpu`].
    pub async fn update(&mut self) -> Result<Option<Update>, TrainError> {
        self.pace.start();
        let reported = if self.in_flight.len() >= IN_FLIGHT {
            self.oldest().await?
        } else {
            None
        };
        if !self.is_done() {
            self.submit().await?;
        }
        self.pace.stop();
        Ok(reported)
    }

    /// Waits for the updates handed out and returns what was not yet reported.
    ///
    /// # Errors
    /// As [`Trainer::update`].
    pub async fn finish_updates(&mut self) -> Result<Vec<Update>, TrainError> {
        self.pace.start();
        let mut reports = Vec::new();
        while let Some(report) = self.oldest().await? {
            reports.push(report);
        }
        self.pace.stop();
        Ok(reports)
    }

    /// The objective of update `update` (from 0).
    fn objective(&self, update: u64) -> Objective {
        Objective::of_update(&self.config.objective, update, self.config.run.updates)
    }

    /// Recurrent steps of update `update`: drawn from the range of the configuration where it has one.
    fn steps_of(&self, update: u64) -> usize {
        match self.config.objective.steps {
            Some([least, most]) if least < most => {
                let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
                rng.set_stream(u64::MAX - update);
                least + (rng.next_u64() % (most - least + 1) as u64) as usize
            }
            Some([_, most]) => most,
            None => self.steps(),
        }
    }

    async fn submit(&mut self) -> Result<(), TrainError> {
        let update = self.submitted;
        let (config, run) = (&self.config, &self.config.run);
        let accumulate = run.accumulate as u64;
        let steps = self.steps_of(update);
        let batches: Vec<Batch> = (0..accumulate)
            .map(|i| {
                self.task
                    .batch(Split::Train, update * accumulate + i, run.batch_size)
            })
            .collect();
        let inputs = batches
            .iter()
            .map(|batch| Inputs::new(batch, &self.engine.config))
            .collect::<Result<Vec<_>, _>>()?;
        let targets = inputs.iter().map(|inputs| inputs.targets_count).sum();
        let params = self.objective(update).params(targets);
        let learning_rate = learning_rate(&config.optimizer, update, config.run.updates);
        self.optimizer.set(
            &self.engine.gpu,
            AdamWHyper::new(
                learning_rate,
                config.optimizer.betas.map(|beta| beta as f32),
                config.optimizer.epsilon as f32,
                config.optimizer.weight_decay as f32,
                update + 1,
            ),
        );
        let Some(readback) = self.readbacks.pop() else {
            // There are as many as updates in flight.
            return Ok(());
        };
        let last = inputs.len() - 1;
        for (i, inputs) in inputs.iter().enumerate() {
            let shape = PassShape {
                rows: inputs.ids.len(),
                steps: config.model.total_ut_steps,
                backward: true,
            };
            let at = self.engine.prepare(shape, steps).await?;
            // Writes are ordered between submissions, so every batch is a submission of its own.
            self.engine.write(at, inputs, &params);
            let mut encoder = self.engine.gpu.encoder();
            if i == 0 {
                self.engine.parameters.clear_gradient(&mut encoder)?;
            }
            self.engine.record(at, steps, &mut encoder)?;
            self.engine
                .copy_totals(at, &mut encoder, &readback, 16 + i as u64 * TOTALS_BYTES);
            if i == last {
                record(&mut encoder, &self.optimizer.program)?;
                readback.copy(&mut encoder, &self.optimizer.stats, 0, 0, 16);
            }
            self.engine.gpu.submit(encoder);
        }
        self.in_flight.push_back(InFlight {
            readback,
            update: update + 1,
            steps,
            learning_rate,
            tokens: batches.iter().map(|batch| batch.rows() as u64).sum(),
        });
        self.submitted += 1;
        Ok(())
    }

    /// Reads the oldest update in flight.
    async fn oldest(&mut self) -> Result<Option<Update>, TrainError> {
        let Some(flight) = self.in_flight.pop_front() else {
            return Ok(None);
        };
        let bytes = flight.readback.size();
        let data = flight.readback.read(&self.engine.gpu, bytes).await;
        let InFlight {
            readback,
            update,
            steps,
            learning_rate,
            tokens,
        } = flight;
        self.readbacks.push(readback);
        let data = data?;
        let (stats, totals) = data.split_at(16);
        let stats: Vec<f32> = bytemuck::pod_collect_to_vec(stats);
        let mut sum = Totals::default();
        for totals in totals.chunks_exact(TOTALS_BYTES as usize) {
            sum.add(&Totals::from_bytes(totals));
        }
        let count = sum.targets.max(1.0);
        let loss = sum.objective / count;
        let finite = stats.get(2).is_some_and(|&finite| finite == 1.0);
        if !finite || !loss.is_finite() {
            // The device skipped this update. What those behind it came to is nobody's business any more.
            self.submitted = update - 1;
            while let Some(later) = self.in_flight.pop_front() {
                self.readbacks.push(later.readback);
            }
            let what = if loss.is_finite() { "gradient" } else { "loss" };
            return Err(TrainError::NonFinite { update, what });
        }
        self.pace.count(tokens);
        let left = self.config.run.updates.saturating_sub(update);
        Ok(Some(Update {
            update,
            loss: loss as f32,
            step_losses: sum.losses[..steps]
                .iter()
                .map(|loss| (loss / count) as f32)
                .collect(),
            entropy: (sum.entropy / count) as f32,
            expected_steps: (sum.expected_step / count) as f32,
            gradient_norm: stats[0],
            learning_rate,
            tokens_per_second: self.pace.tokens_per_second(),
            seconds: self.pace.seconds(),
            seconds_left: self.pace.seconds_for(left),
        }))
    }

    /// Seconds that each kernel takes in a training batch, by name; see [`Trainer::update`] for real use. For the bench.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub async fn profile(&mut self) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let shape = self.shape(self.config.run.batch_size, self.task.max_length(), true);
        let steps = self.steps();
        let at = self.engine.prepare(shape, steps).await?;
        self.engine.profile(at, steps)
    }
}

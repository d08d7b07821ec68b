//! A loaded model: its folder's configuration, tokenizer and chat template, and the engine that runs it.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, Mutex as StdMutex, PoisonError},
    task::Poll,
    time::Duration,
};

use futures::{channel::oneshot, future::try_join, lock::Mutex};
use looplm_gpu::{
    AdapterReport, DeviceOptions, Gpu, GpuError, Matrix, MatrixShape, Tuning,
    tune::{self, Tunings},
};
use web_time::Instant;

use crate::{
    batch::{Batch, LaneId},
    chat::{ChatError, ChatOptions, ChatSource, ChatTemplate, Message},
    checkpoint::{self, Checkpoint, LoadError, Source},
    config::Config,
    engine::{Engine, EngineOptions, Kernels, Memory, bytes_per_position},
    error::Error,
    fit::Fit,
    generation_config::GenerationConfig,
    precision::{Precision, WeightFormat},
    row::{MAX_STEPS, SequenceId, Step},
    tokenizer::{Tokenizer, TokenizerConfig},
    weights::{PlannedMatrix, Slot, Uploader},
};

mod guard;

pub use guard::EngineGuard;

/// How to load a model.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Rooms of the engine.
    pub engine: EngineOptions,
    /// The device.
    pub device: DeviceOptions,
    /// What the weights are to be held as. A checkpoint that is quantised already stays as it is, and a warning says so
    /// where something else was asked for.
    pub precision: Precision,
    /// Workgroups that were measured before. If given, those of this adapter and model are looked up here, or measured for
    /// about a second in all; [`Info::tunings`] is what to keep. Without it, and on adapters that are programs on the CPU, the
    /// usual ones serve.
    pub tunings: Option<Tunings>,
}

/// Longest measuring of workgroups.
const TUNING_BUDGET: Duration = Duration::from_secs(1);

/// Bytes of a matrix up to which workgroups are measured for it; larger ones would take the room of weights that are on their way.
const MOST_TUNING_BYTES: u64 = 64 << 20;

/// What a load is doing.
#[derive(Debug, Clone, Copy)]
pub enum Loading<'a> {
    /// Looking for an adapter and opening the device.
    Adapter,
    /// Reading `config.json` and what else is small.
    Config,
    /// Reading the tokenizer.
    Tokenizer,
    /// Weights are on their way to the device.
    Weights(checkpoint::Progress<'a>),
    /// Compiling shaders, which begins with the weights: so many are done, of so many.
    Compile {
        /// Pipelines done.
        done: usize,
        /// Pipelines that loading waits for.
        total: usize,
    },
    /// Done.
    Ready,
}

/// What is known of a loaded model without asking the device.
#[derive(Debug, Clone)]
pub struct Info {
    /// Its configuration.
    pub config: Config,
    /// The adapter it runs on.
    pub adapter: AdapterReport,
    /// Largest storage binding and largest buffer of the device, in bytes.
    pub device_limits: (u64, u64),
    /// What the layers' matrices are held as; `stored` for floats that a checkpoint has.
    pub format: WeightFormat,
    /// Bytes on the device after loading.
    pub memory: Memory,
    /// Bytes of keys and values for 1,000 tokens with a plane for every step, and with one for all steps.
    pub kv_per_1000: (u64, u64),
    /// Longest sequence in tokens.
    pub context: usize,
    /// Tokens of the tokenizer, if there is one.
    pub tokenizer_size: Option<usize>,
    /// Whether there is a chat template.
    pub chat_template: bool,
    /// Ids that end an answer.
    pub stop_ids: Vec<u32>,
    /// The workgroups in use; on GPUs products of few rows with quantised matrices have their own
    /// ([`looplm_gpu::Gpu::tuning_for`]).
    pub tuning: Tuning,
    /// What was given as [`LoadOptions::tunings`], and what was measured now.
    pub tunings: Tunings,
    /// Dispatches of a pass of few rows that see few keys each, and of one with a row that sees the longest context.
    pub dispatches_per_pass: (usize, usize),
    /// What was odd about the checkpoint, but harmless.
    pub warnings: Vec<String>,
}

/// The engine and the requests it works on.
#[derive(Debug)]
struct Running {
    engine: Engine,
    batch: Batch,
}

#[derive(Debug, Default)]
struct Dropped {
    sequences: Vec<SequenceId>,
    lanes: Vec<LaneId>,
}

#[derive(Debug)]
struct Shared {
    info: Info,
    gpu: Gpu,
    tokenizer: Option<Tokenizer>,
    chat: Option<ChatSource>,
    generation: GenerationConfig,
    running: Mutex<Option<Running>>,
    /// What ended while the engine was busy.
    dropped: StdMutex<Dropped>,
}

/// A loaded model. Cheap to clone; clones share the engine, and the tokens of all their answers share its passes.
#[derive(Debug, Clone)]
pub struct LoopLm {
    shared: Arc<Shared>,
}

/// The device with the workgroups that suit it and the matrices, and all that are known. They are measured on zeros, before the
/// weights come, since what is compiled meanwhile follows from them.
async fn tuned(
    gpu: &Gpu,
    planned: &[PlannedMatrix],
    tied: bool,
    options: &LoadOptions,
) -> Result<(Gpu, Tunings), Error> {
    let Some(mut known) = options.tunings.clone() else {
        return Ok((gpu.clone(), Tunings::new()));
    };
    if gpu.on_cpu() || options.device.tuning.is_some() {
        return Ok((gpu.clone(), known));
    }
    let mut shapes: Vec<MatrixShape> = Vec::new();
    for matrix in planned {
        let shape = matrix.shape.plain();
        let multiplies = tied || !matches!(matrix.slot, Slot::Embedding);
        if multiplies && shape.bytes() <= MOST_TUNING_BYTES && !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    let mut measured = Vec::new();
    let mut budget = TUNING_BUDGET;
    for (i, &shape) in shapes.iter().enumerate() {
        let key = tune::key(gpu, shape);
        if let Some(tuning) = known.get(&key) {
            measured.push((shape, *tuning));
            continue;
        }
        if budget.is_zero() {
            continue;
        }
        let begun = Instant::now();
        let share = budget / (shapes.len() - i) as u32;
        match measure(gpu, shape, share).await {
            Ok(tuning) => {
                known.insert(key, tuning);
                measured.push((shape, tuning));
            }
            Err(lost @ GpuError::DeviceLost { .. }) => return Err(lost.into()),
            // The usual ones serve. Whether there is memory is for the weights to find out.
            Err(_) => (),
        }
        budget = budget.saturating_sub(begun.elapsed());
    }
    Ok((gpu.with_measured(measured), known))
}

/// The fastest workgroups for a plain matrix, measured on zeros.
async fn measure(gpu: &Gpu, shape: MatrixShape, budget: Duration) -> Result<Tuning, GpuError> {
    let zeros = Matrix::zeros(gpu, "tuning", shape).await?;
    tune::measure(gpu, &zeros, budget).await
}

impl LoopLm {
    /// Loads a model folder.
    ///
    /// # Errors
    /// What the folder, its files or the device have wrong with them; see [`Error`].
    pub async fn load(
        source: &dyn Source,
        options: &LoadOptions,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Self, Error> {
        progress(Loading::Adapter);
        let gpu = Gpu::open(&options.device).await?;
        let loaded = Self::load_on(&gpu, source, options, progress).await;
        if loaded.is_err() {
            gpu.destroy();
        }
        loaded
    }

    /// Loads a model folder onto a device that is open, whose own options are those it was opened with. After a failure
    /// nothing of the model is left on it. [`LoopLm::dispose`] destroys the device.
    ///
    /// # Errors
    /// As [`LoopLm::load`]. What the device's limits prove to be too small is said before the files of the model are
    /// opened, and again, more exactly, before its weights are read.
    pub async fn load_on(
        gpu: &Gpu,
        source: &dyn Source,
        options: &LoadOptions,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Self, Error> {
        let options = &LoadOptions {
            engine: options.engine.on(gpu),
            ..options.clone()
        };
        progress(Loading::Config);
        let config = checkpoint::read_config(source).await?;
        let fit = Fit::new(&config, &options.engine, options.precision);
        fit.check(gpu, &[])?;
        let generation = GenerationConfig::read(source).await?;
        progress(Loading::Tokenizer);
        let tokenizer_config = TokenizerConfig::read(source).await?;
        let tokenizer = Tokenizer::read(source, &tokenizer_config, config.vocab_size).await?;
        let chat = ChatSource::read(source, &tokenizer_config).await?;
        let loaded = Self::upload(source, options, progress, gpu, (&config, fit)).await;
        let (engine, tunings, warnings) = loaded?;
        let entry = bytes_per_position(&config, options.engine.kv_format) * 1000;
        let info = Info {
            adapter: gpu.report().clone(),
            device_limits: (gpu.max_binding(), gpu.max_buffer()),
            format: engine.weight_format(),
            memory: engine.memory(),
            kv_per_1000: (entry * config.total_ut_steps as u64, entry),
            context: engine.context(),
            tokenizer_size: tokenizer.as_ref().map(Tokenizer::vocab_size),
            chat_template: chat.is_some(),
            stop_ids: generation.stop_ids(tokenizer.as_ref()),
            tuning: engine.gpu().tuning(),
            tunings,
            dispatches_per_pass: (
                engine.dispatches_per_pass(1),
                engine.dispatches_per_pass(engine.context()),
            ),
            warnings,
            config,
        };
        progress(Loading::Ready);
        let batch = Batch::default();
        let running = Mutex::new(Some(Running { engine, batch }));
        let dropped = StdMutex::default();
        Ok(Self {
            shared: Arc::new(Shared {
                info,
                gpu: gpu.clone(),
                tokenizer,
                chat,
                generation,
                running,
                dropped,
            }),
        })
    }

    async fn upload(
        source: &dyn Source,
        options: &LoadOptions,
        progress: &mut dyn FnMut(Loading<'_>),
        gpu: &Gpu,
        (config, fit): (&Config, Fit),
    ) -> Result<(Engine, Tunings, Vec<String>), Error> {
        let (plan, planned) = oneshot::channel();
        let mut uploader = Uploader::new(gpu, config, options.precision, plan);
        let checkpoint = Checkpoint::open(source, config).await?;
        // The shaders are compiled while the weights come, and only spoken of after them.
        let progress = RefCell::new(progress);
        let (uploaded, compiled) = (Cell::new(false), Cell::new(None));
        let stored = Cell::new(None);
        // As exactly as it is known by then.
        let fit = || fit.clone().stored(stored.get());
        let explained = |error| match error {
            Error::Gpu(error) => fit().explain(error, gpu.max_binding(), 0),
            other => other,
        };
        let upload = async {
            let mut report = |p: checkpoint::Progress<'_>| {
                (progress.borrow_mut())(Loading::Weights(p));
            };
            let loaded = checkpoint.load(&mut uploader, &mut report).await;
            uploaded.set(true);
            if let Some((done, total)) = compiled.get() {
                (progress.borrow_mut())(Loading::Compile { done, total });
            }
            loaded.map_err(|e| match e {
                LoadError::Checkpoint(e) => Error::Checkpoint(e),
                LoadError::Sink(e) => Error::Gpu(e),
            })
        };
        let compile = async {
            // Without a plan nothing comes of the weights either, and `upload` says why.
            let planned = planned.await.unwrap_or_default();
            stored.set(planned.iter().find_map(PlannedMatrix::stored_layer));
            fit().check(gpu, &planned)?;
            let (gpu, tunings) = tuned(gpu, &planned, config.tie_word_embeddings, options).await?;
            let kernels = Kernels::new(&gpu, config, &options.engine, &planned).await?;
            let mut report = |done, total| {
                compiled.set(Some((done, total)));
                if uploaded.get() {
                    (progress.borrow_mut())(Loading::Compile { done, total });
                }
            };
            kernels.compile(&mut report).await;
            Ok::<_, Error>((gpu, tunings, kernels))
        };
        let (loaded, (gpu, tunings, kernels)) =
            try_join(upload, compile).await.map_err(explained)?;
        let weights = uploader.finish()?;
        gpu.flush()?;
        let mut warnings = loaded.warnings;
        let (asked, held) = (options.precision.format, weights.layer_format());
        if asked != WeightFormat::Stored && asked != held {
            warnings.push(format!(
                "the checkpoint is stored in {held} and stays so; {asked} needs the one it was converted from"
            ));
        }
        let engine = Engine::new(
            gpu,
            config.clone(),
            weights,
            &options.engine,
            kernels,
            fit(),
        )
        .await
        .map_err(explained)?;
        // Nothing as a rule: what the first file's header did not tell.
        let mut late = false;
        let mut report = |done, total| {
            late |= done < total;
            if late {
                (progress.borrow_mut())(Loading::Compile { done, total });
            }
        };
        engine.warm_up(&mut report).await?;
        Ok((engine, tunings, warnings))
    }

    /// What is known of it.
    pub fn info(&self) -> &Info {
        &self.shared.info
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.shared.info.config
    }

    /// What its folder says about generating.
    pub fn generation_config(&self) -> &GenerationConfig {
        &self.shared.generation
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// [`Error::TokenizerMissing`].
    pub fn tokenizer(&self) -> Result<&Tokenizer, Error> {
        self.shared
            .tokenizer
            .as_ref()
            .ok_or(Error::TokenizerMissing)
    }

    /// The chat template as its folder has it.
    ///
    /// # Errors
    /// [`Error::Chat`] if there is none.
    pub fn chat_source(&self) -> Result<&ChatSource, Error> {
        Ok(self.shared.chat.as_ref().ok_or(ChatError::Missing)?)
    }

    /// Writes a conversation as the model was trained to read it.
    ///
    /// # Errors
    /// [`Error::Chat`] if there is no template, it cannot be run, or it refuses the messages.
    pub fn chat_prompt(&self, messages: &[Message], options: ChatOptions) -> Result<String, Error> {
        let template = ChatTemplate::parse(self.chat_source()?.clone())?;
        Ok(template.render(messages, options)?)
    }

    /// The number of recurrent steps to take: `steps`, or what the model was trained with.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is not 1 to [`MAX_STEPS`].
    pub fn steps(&self, steps: Option<usize>) -> Result<Step, Error> {
        let wanted = steps.unwrap_or(self.config().total_ut_steps);
        Step::new(wanted).ok_or_else(|| {
            let message = match steps {
                Some(_) => format!("must be 1 to {MAX_STEPS}, but is {wanted}"),
                None => format!(
                    "the model was trained with {wanted}; give a number of 1 to {MAX_STEPS}"
                ),
            };
            Error::invalid("steps", message)
        })
    }

    /// The engine, once nobody else uses it.
    ///
    /// # Errors
    /// [`Error::Disposed`].
    pub async fn engine(&self) -> Result<EngineGuard<'_>, Error> {
        let mut guard = self.shared.running.lock().await;
        let running = guard.as_mut().ok_or(Error::Disposed)?;
        let dropped = std::mem::take(
            &mut *self
                .shared
                .dropped
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for id in dropped.sequences {
            running.engine.end(id);
        }
        for id in dropped.lanes {
            running.batch.close(&mut running.engine, id);
        }
        Ok(EngineGuard { guard })
    }

    /// Ends a sequence as soon as the engine is free.
    pub(crate) fn end(&self, id: SequenceId) {
        self.dropped(|dropped| dropped.sequences.push(id));
    }

    /// Ends a request as soon as the engine is free.
    pub(crate) fn close(&self, id: LaneId) {
        self.dropped(|dropped| dropped.lanes.push(id));
    }

    fn dropped(&self, note: impl FnOnce(&mut Dropped)) {
        let mut dropped = self.shared.dropped.lock();
        note(
            dropped
                .as_mut()
                .unwrap_or_else(|poisoned| poisoned.get_mut()),
        );
    }

    /// Waits for the device to be lost, [`LoopLm::dispose`] included, and says why.
    pub fn lost(&self) -> impl Future<Output = String> + use<> {
        self.shared.gpu.lost()
    }

    /// Frees everything on the device, once what is running has come to its next pause. Later calls fail with
    /// [`Error::Disposed`].
    pub async fn dispose(&self) {
        if let Some(running) = self.shared.running.lock().await.take() {
            drop(running);
            self.shared.gpu.destroy();
        }
    }
}

/// Lets other tasks run once. The lock of the engine is not fair: who gives it back and asks again at once gets it again.
pub(crate) async fn let_others_run() {
    let mut asked = false;
    futures::future::poll_fn(|context| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

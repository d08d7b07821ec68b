//! `looplm train`.

use indicatif::HumanCount;
use looplm::checkpoint::{FolderSource, read_config};
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_train::metrics::{Metric, Update};
use looplm_train::run_folder::{self, RunFolder, Which};
use looplm_train::{Snapshot, TrainConfig, TrainError, Trainer};
use pollster::block_on;

use crate::args::TrainArgs;
use crate::failure::Failure;
use crate::interrupt::StopRequest;
use crate::progress::{self, Progress};
use crate::{accuracy, config, say};

/// Updates that `train.log` has a line for, of a whole run.
const LOG_LINES: u64 = 200;

pub(crate) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let stop = StopRequest::listen()?;
    let mut run = open(args)?;
    run.greet()?;
    let trained = run.train(&stop);
    run.progress.finish();
    if let Err(failure) = trained {
        return Err(run.explain(failure));
    }
    let stopped = !run.trainer.is_done();
    run.farewell(stopped)?;
    drop(run);
    if stopped {
        stop.end();
    }
    Ok(())
}

struct Run {
    trainer: Trainer,
    folder: RunFolder,
    progress: Progress,
}

/// What is wrong with the folder is said before shaders are compiled; a new folder is made only after that, so that a
/// configuration the adapter cannot hold leaves none behind.
fn open(args: &TrainArgs) -> Result<Run, Failure> {
    let config = config::find(&args.config)?;
    let (text, updates) = (config.to_toml(), config.run.updates);
    let gpu = || block_on(Gpu::open(&DeviceOptions::default()));
    let (trainer, folder) = if args.resume {
        let folder = RunFolder::resume(&args.out, &text)?;
        (resume(&folder, config, gpu)?, folder)
    } else {
        run_folder::check_new(&args.out)?;
        let trainer = block_on(Trainer::new(gpu()?, config))?;
        (trainer, RunFolder::create(&args.out, &text)?)
    };
    let progress = Progress::new(trainer.updates_done(), updates);
    Ok(Run {
        trainer,
        folder,
        progress,
    })
}

fn resume(
    folder: &RunFolder,
    config: TrainConfig,
    gpu: impl FnOnce() -> Result<Gpu, looplm_gpu::GpuError>,
) -> Result<Trainer, Failure> {
    if folder.saved().is_none() {
        return Ok(block_on(Trainer::new(gpu()?, config))?);
    }
    let last = folder.path(Which::Last);
    let stored = block_on(read_config(&FolderSource::new(&last)?))?;
    let wanted = config.model.checkpoint_config(
        config.model.vocab_size.unwrap_or(stored.vocab_size),
        stored.max_position_embeddings,
    );
    run_folder::check_architecture(&last.join("config.json"), &stored, &wanted)?;
    let (weights, optimizer) = folder.load(Which::Last)?;
    let snapshot = Snapshot::from_files(weights, optimizer)?;
    Ok(block_on(Trainer::resume(gpu()?, config, &snapshot))?)
}

impl Run {
    fn updates(&self) -> u64 {
        self.trainer.config().run.updates
    }

    fn greet(&mut self) -> Result<(), Failure> {
        let (done, of) = (self.trainer.updates_done(), self.updates());
        let line = match done {
            0 => format!(
                "{of} updates of {} parameters on {}",
                HumanCount(self.trainer.parameters()),
                self.trainer.gpu().report().name
            ),
            _ if self.trainer.is_done() => format!("all {of} updates are done already"),
            _ => format!("going on after update {done} of {of}"),
        };
        say::note(&line);
        Ok(self.folder.log(&line)?)
    }

    fn farewell(&mut self, stopped: bool) -> Result<(), Failure> {
        let (done, last) = (self.trainer.updates_done(), self.folder.path(Which::Last));
        let line = if stopped {
            format!(
                "stopped after update {done}; saved in {}, go on with --resume",
                last.display()
            )
        } else {
            format!(
                "trained for {}; saved in {}",
                progress::duration(self.trainer.seconds()),
                last.display()
            )
        };
        say::note(&line);
        Ok(self.folder.log(&line)?)
    }

    /// Adds to what went wrong where the run can go on from.
    fn explain(&mut self, failure: Failure) -> Failure {
        let failure = match failure {
            Failure::Train(error) if matches!(*error, TrainError::NonFinite { .. }) => {
                Failure::Diverged {
                    error,
                    checkpoint: match self.folder.saved() {
                        Some(update) => format!(
                            "the last good checkpoint is {}, of update {update}",
                            self.folder.path(Which::Last).display()
                        ),
                        None => "there is no checkpoint yet".to_owned(),
                    },
                }
            }
            other => other,
        };
        // The disk may be what is wrong; the message is printed all the same.
        let _ = self.folder.log(&format!("failed: {failure}"));
        failure
    }

    /// Trains until all updates are done or it is asked to stop, and saves.
    fn train(&mut self, stop: &StopRequest) -> Result<(), Failure> {
        let is_due = |every: u64, done: u64| every > 0 && done.is_multiple_of(every);
        while !self.trainer.is_done() && !stop.is_asked() {
            if let Some(update) = block_on(self.trainer.update())? {
                self.record(update)?;
            }
            let (done, run) = (self.trainer.updates_done(), &self.trainer.config().run);
            let save = is_due(run.checkpoint_every, done);
            if is_due(run.evaluate_every, done) || self.trainer.is_done() {
                self.evaluate()?;
            }
            if save {
                self.save(Which::Last)?;
            }
        }
        if self.folder.saved() != Some(self.trainer.updates_done()) {
            self.save(Which::Last)?;
        }
        Ok(())
    }

    fn record(&mut self, update: Update) -> Result<(), Failure> {
        self.progress.update(&update);
        let of = self.updates();
        if update.update.is_multiple_of(of.div_ceil(LOG_LINES)) {
            self.folder.log(&progress::line(&update, of))?;
        }
        Ok(self.folder.record(&Metric::Update(update))?)
    }

    /// Waits for the updates on their way, so that what is measured or saved now is behind them in the metrics too.
    fn drain(&mut self) -> Result<(), Failure> {
        for update in block_on(self.trainer.finish_updates())? {
            self.record(update)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<(), Failure> {
        self.drain()?;
        let evaluation = block_on(self.trainer.evaluate())?;
        if self.folder.is_best(&evaluation) {
            self.save(Which::Best)?;
        }
        let lines = accuracy::evaluation(&evaluation);
        self.progress.print(&lines)?;
        self.folder.log(&lines.join("\n"))?;
        Ok(self.folder.record(&Metric::Evaluation(evaluation))?)
    }

    fn save(&mut self, which: Which) -> Result<(), Failure> {
        self.drain()?;
        let files = block_on(self.trainer.model_files())?;
        let snapshot = block_on(self.trainer.snapshot())?;
        Ok(self.folder.save(which, &files, &snapshot.optimizer)?)
    }
}

//! `looplm gate`: Stage II.

use std::io::{self, Write};

use looplm::checkpoint::FolderSource;
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_train::metrics::Metric;
use looplm_train::run_folder::{self, RunFolder};
use looplm_train::{TrainError, Trainer};
use pollster::block_on;

use crate::args::GateArgs;
use crate::failure::Failure;
use crate::interrupt::StopRequest;
use crate::progress::Progress;
use crate::{accuracy, config, say};

pub(crate) fn run(args: &GateArgs) -> Result<(), Failure> {
    let mut trained = config::trained(&args.model, args.task.as_deref())?;
    if let Some(label) = args.label {
        trained.config.gate.label = label.into();
    }
    // Held until the end, so that nobody trains the run on meanwhile.
    let mut folder = match &trained.run {
        Some((run, text)) => Some(RunFolder::resume(run, text)?),
        None => None,
    };
    let out = args
        .out
        .clone()
        .or_else(|| folder.as_ref().map(|f| f.root().join("gated")));
    let stop = StopRequest::listen()?;
    let source = FolderSource::new(&trained.folder)?;
    let gpu = block_on(Gpu::open(&DeviceOptions::default()))?;
    let mut trainer = block_on(Trainer::load(gpu, trained.config, &source, None))?;

    let progress = Progress::new(0, trainer.config().gate.updates);
    let mut step = |done, _| {
        progress.at(done);
        !stop.is_asked()
    };
    let outcome = block_on(trainer.train_gate(&mut step));
    progress.finish();
    let gate = match outcome {
        Err(TrainError::Aborted) => {
            say::note("stopped; nothing was written");
            stop.end();
        }
        outcome => outcome?,
    };
    if let Some(out) = &out {
        run_folder::write_model(out, &block_on(trainer.model_files())?)?;
    }
    let lines = accuracy::gate(&gate, &trainer.task().difficulties());
    let mut stdout = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut stdout, &gate).map_err(io::Error::from)?;
        writeln!(stdout)?;
    } else {
        for line in &lines {
            writeln!(stdout, "{line}")?;
        }
    }
    stdout.flush()?;
    if let Some(folder) = &mut folder {
        folder.log(&lines.join("\n"))?;
        folder.record(&Metric::Gate(gate))?;
    }
    say::note(&match &out {
        Some(out) => format!("the model with its new gate is {}", out.display()),
        None => "nothing was written; give --out for the model with its new gate".to_owned(),
    });
    Ok(())
}

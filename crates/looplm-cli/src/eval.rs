//! `looplm eval`.

use std::io::{self, Write};

use looplm::exit::Exit;
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_train::{Trainer, run_folder};
use pollster::block_on;

use crate::args::{EvalArgs, EvalCommand, Measure};
use crate::failure::Failure;
use crate::{accuracy, config, exits, load, quant, say};

pub(crate) fn command(command: &EvalCommand) -> Result<(), Failure> {
    match (&command.measure, &command.accuracy) {
        (Some(Measure::Quant(args)), _) => quant::run(args),
        (None, Some(args)) => run(args),
        // The command line has a model where there is no other measure.
        (None, None) => Ok(()),
    }
}

fn run(args: &EvalArgs) -> Result<(), Failure> {
    if let Some(out) = &args.out {
        return exits::run(args, out);
    }
    let trained = config::trained(&args.model, args.task.as_deref())?;
    let samples = args
        .samples
        .unwrap_or(trained.config.run.evaluation_samples as u64);
    let source = load::open(&trained.folder, args.steps, Exit::default())?;
    let gpu = block_on(Gpu::open(&DeviceOptions::default()))?;
    let mut trainer = block_on(Trainer::load(gpu, trained.config, &source, args.steps))?;
    let mut evaluation = block_on(trainer.evaluate_samples(samples))?;
    if trained.run.is_some() {
        evaluation.update = run_folder::updates(&trained.folder)?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &evaluation).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        if trained.run.is_some() {
            say::note(&format!("the model is {}", trained.folder.display()));
        }
        for line in accuracy::evaluation(&evaluation) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

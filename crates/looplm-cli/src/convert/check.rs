//! Whether a converted model still says what its source says.

use std::io::{self, Write};

use looplm::LoopLm;
use looplm::engine::{EngineOptions, KvFormat};
use looplm::exit::Exit;
use looplm::model::LoadOptions;
use looplm::precision::WeightFormat;

use crate::accuracy::Table;
use crate::args::ConvertArgs;
use crate::config;
use crate::failure::Failure;
use crate::fidelity::{self, Figures};
use crate::load;

/// Sequences that both models run over, and tokens of one that is of no task. Large models take seconds a token where there is
/// no GPU, and what is in a wrong place shows in any token.
fn extent(parameters: u64) -> (usize, usize) {
    if parameters < 200_000_000 {
        (16, 64)
    } else {
        (4, 32)
    }
}

/// The largest error of the logits after the first step, in the size of the reference's, that a format accounts for. A
/// conversion that puts rows, groups or scales in wrong places makes it more than 1.
fn bound(format: WeightFormat) -> f64 {
    match format {
        WeightFormat::Stored => 1e-5,
        WeightFormat::F16 => 0.01,
        WeightFormat::Q8 => 0.08,
        WeightFormat::Q4 => 0.4,
    }
}

/// How many times that the error may be after later steps: what the first leaves goes through the same weights again.
const LATER: f64 = 2.0;

pub(super) fn run(args: &ConvertArgs, aborted: &dyn Fn() -> bool) -> Result<(), Failure> {
    let reference = model(&args.model)?;
    let converted = model(&args.out)?;
    let (of_source, of_out) = (reference.config(), converted.config());
    if of_source != of_out {
        return Err(Failure::OtherModel {
            path: args.out.clone(),
            model: args.model.clone(),
        });
    }
    let task = match config::trained(&args.model, None) {
        Ok(trained) => Some(trained),
        Err(Failure::NoTask { .. }) => None,
        Err(failure) => return Err(failure),
    };
    let (samples, length) = extent(reference.config().parameters());
    let documents = fidelity::documents(&reference, task, samples, length, aborted)?;
    let steps = reference.steps(None)?;
    let models = [&reference, &converted];
    let difference = fidelity::compare(models, &documents, steps, Exit::default(), aborted)?;
    let figures = difference.that_counts();
    let format = args.format.unwrap_or(converted.info().format);
    let mut out = io::stdout().lock();
    let on = documents.origin.describe(samples);
    writeln!(
        out,
        "against the source, over {} positions of {on}",
        figures.positions
    )?;
    for line in table(figures).lines() {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    verdict(figures, format)
}

fn model(path: &std::path::Path) -> Result<LoopLm, Failure> {
    // Only the weights are to differ from the source.
    let options = LoadOptions {
        engine: EngineOptions {
            kv_format: KvFormat::F32,
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    load::model(&load::open(path, None, Exit::default())?, &options)
}

fn table(figures: &Figures) -> Table {
    let head = [
        "step",
        "error of the logits",
        "mean KL (nats)",
        "same best token",
    ];
    let mut table = Table::new(head.map(str::to_owned).into());
    for (step, of) in figures.steps.iter().enumerate() {
        table.row(vec![
            (step + 1).to_string(),
            format!("{:.3} %", of.relative_error * 100.0),
            format!("{:.2e}", of.kl),
            format!("{:.2} %", of.top1 * 100.0),
        ]);
    }
    table
}

fn verdict(figures: &Figures, format: WeightFormat) -> Result<(), Failure> {
    let beyond = figures.steps.iter().enumerate().find_map(|(step, of)| {
        let most = bound(format) * if step == 0 { 1.0 } else { LATER };
        // What is no number is beyond every bound.
        let within = of.relative_error <= most;
        (!within).then_some((step + 1, of.relative_error, most))
    });
    match beyond {
        None => Ok(()),
        Some((step, found, most)) => Err(Failure::Differs {
            format,
            what: format!(
                "the logits of step {step} by {:.2} %, where {:.2} % would do",
                found * 100.0,
                most * 100.0
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fidelity::StepFigures;

    fn found(errors: &[f64], format: WeightFormat) -> Result<(), Failure> {
        let of = |&relative_error: &f64| StepFigures {
            kl: 0.0,
            kl_p99: 0.0,
            top1: 1.0,
            relative_error,
            right: [0.0; 2],
        };
        let figures = Figures {
            positions: 1,
            steps: errors.iter().map(of).collect(),
            exit_changed: 0.0,
            exit_later: 0.0,
            exit_distance: 0.0,
        };
        verdict(&figures, format)
    }

    #[test]
    fn errors_beyond_the_bound_are_said_with_their_step() {
        assert!(found(&[0.39, 0.79], WeightFormat::Q4).is_ok());
        assert!(found(&[0.39, 0.79], WeightFormat::Q8).is_err());
        let said = found(&[0.05, 0.15, 0.17], WeightFormat::Q8).expect_err("more than 16 %");
        assert_eq!(
            said.to_string(),
            "the converted model differs by more than q8 weights account for: the logits of step 3 by 17.00 %, \
             where 16.00 % would do"
        );
        assert!(found(&[f64::NAN], WeightFormat::Q4).is_err());
        assert!(found(&[2e-5], WeightFormat::Stored).is_err());
    }
}

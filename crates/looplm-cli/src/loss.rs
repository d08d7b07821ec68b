//! `looplm loss`: the objective of a batch and its gradients.

mod batch;

use std::io::{self, Write};

use looplm::checkpoint::{FolderSource, read_config};
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_train::loss::{LossReport, loss};
use looplm_train::objective::{Objective, Prior};
use pollster::block_on;

use crate::args::{Label, LossArgs};
use crate::failure::Failure;
use crate::tensor_file::{Tensor, TensorFile};

pub(crate) fn run(args: &LossArgs) -> Result<(), Failure> {
    let objective = objective(args)?;
    let grads = args.grads.as_deref().map(TensorFile::new).transpose()?;
    let source = FolderSource::new(&args.model)?;
    let config = block_on(read_config(&source))?;
    let batch = batch::open(&args.batch, config.vocab_size)?;
    let gpu = block_on(Gpu::open(&DeviceOptions::default()))?;
    let report = block_on(loss(&gpu, &source, &batch, objective))?;
    if let Some(file) = &grads {
        let gradients = report.gradients.iter();
        let tensors: Vec<Tensor<'_>> = gradients
            .map(|(name, shape, values)| (&**name, shape.clone(), &**values))
            .collect();
        file.write(&tensors)?;
    }
    print(&report, args.json)
}

/// What the stage has no use for is refused: a script that gives it expects it to count.
fn objective(args: &LossArgs) -> Result<Objective, Failure> {
    let given = [
        ("--beta", args.beta.is_some(), 1),
        ("--prior", args.prior.is_some(), 1),
        ("--k", args.k.is_some(), 2),
        ("--gamma", args.gamma.is_some(), 2),
        ("--label", args.label.is_some(), 2),
    ];
    if let Some((option, ..)) = given
        .iter()
        .find(|(_, is_given, stage)| *is_given && *stage != args.stage)
    {
        return Err(Failure::OtherStage {
            option,
            stage: args.stage,
        });
    }
    Ok(match args.stage {
        1 => Objective::StageI {
            beta: args.beta.unwrap_or(0.1),
            prior: args.prior.unwrap_or(Prior::Uniform),
        },
        _ => Objective::StageII {
            k: args.k.unwrap_or(50.0),
            gamma: args.gamma.unwrap_or(0.005),
            label: args.label.unwrap_or(Label::Paper).into(),
        },
    })
}

fn print(report: &LossReport, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(out, "loss            {:.6}", report.loss)?;
        for (step, loss) in report.step_losses.iter().enumerate() {
            writeln!(out, "loss of step {}  {loss:.6}", step + 1)?;
        }
        writeln!(out, "entropy         {:.6}", report.entropy)?;
        writeln!(out, "expected steps  {:.6}", report.expected_steps)?;
    }
    Ok(out.flush()?)
}

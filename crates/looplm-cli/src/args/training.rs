//! The part of the command line that trains.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use looplm::precision::WeightFormat;
use looplm_train::objective::{GateLabel, Prior};

use super::QuantArgs;
use crate::exits::Family;
use crate::number;

#[derive(Debug, Args)]
pub(crate) struct LossArgs {
    /// The model folder, as Hugging Face lays it out
    pub(crate) model: PathBuf,
    /// A safetensors file with the integer tensors ids [B,M], targets [B,M] (-100: none) and, where documents are packed,
    /// segments [B,M]
    #[arg(long, value_name = "FILE")]
    pub(crate) batch: PathBuf,
    /// 1 trains the language model and the gate together, 2 the gate alone
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) stage: u8,
    /// Stage 1: weight of the entropy of the exit distribution [default: 0.1]
    #[arg(long, value_name = "X", value_parser = number::from_zero, allow_hyphen_values = true)]
    pub(crate) beta: Option<f32>,
    /// Stage 1: what the exit distribution is drawn to, uniform or geometric:L [default: uniform]
    #[arg(long, value_name = "PRIOR", value_parser = number::prior)]
    pub(crate) prior: Option<Prior>,
    /// Stage 2: steepness of the label [default: 50]
    #[arg(long, value_name = "K", value_parser = number::above_zero, allow_hyphen_values = true)]
    pub(crate) k: Option<f32>,
    /// Stage 2: improvement of the loss that is worth a step [default: 0.005]
    #[arg(long, value_name = "G", value_parser = number::finite, allow_hyphen_values = true)]
    pub(crate) gamma: Option<f32>,
    /// Stage 2: what the gate learns [default: paper]
    #[arg(long, value_enum)]
    pub(crate) label: Option<Label>,
    /// A safetensors file to write the gradients to, each under its parameter's name
    #[arg(long, value_name = "FILE")]
    pub(crate) grads: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the gate of a step learns in stage 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Label {
    /// Go on if this step improved on the one before (the paper's; step 1 has no label)
    Paper,
    /// Go on if a later step improves on this one
    #[value(alias = "look-ahead")]
    Lookahead,
}

impl From<Label> for GateLabel {
    fn from(label: Label) -> Self {
        match label {
            Label::Paper => Self::Paper,
            Label::Lookahead => Self::LookAhead,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A configuration file (TOML), or the name of a preset
    pub(crate) config: String,
    /// The run folder: configuration, metrics and checkpoints
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// Go on from the run's newest checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct EvalCommand {
    /// What else to measure than accuracy.
    #[command(subcommand)]
    pub(crate) measure: Option<Measure>,
    #[command(flatten)]
    pub(crate) accuracy: Option<EvalArgs>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Measure {
    /// Measure what smaller weights change, at every recurrent step: how far the next token's distribution moves, how often
    /// the best token stays the same, which tokens leave the loop at another step, and what it saves
    Quant(QuantArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A run folder, whose best checkpoint is taken, or a model folder
    pub(crate) model: PathBuf,
    /// The task: a configuration file (TOML) or the name of a preset; a run knows its own, and a model with a train.toml
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Sequences to evaluate; the configuration's number if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) samples: Option<u64>,
    /// Recurrent steps, 1 to 8; as many as the model was trained with if not given
    #[arg(long, value_name = "T", value_parser = number::steps, allow_hyphen_values = true)]
    pub(crate) steps: Option<usize>,
    /// Compare exit rules, each over its thresholds: step, gate, gate-delayed, hidden, hidden-abs, confidence, entropy,
    /// agree. Accuracy against steps taken, accuracy with 1 to 8 steps, and, where the model continues its prompt, speed
    #[arg(long, value_name = "RULE,RULE,...", value_delimiter = ',', requires = "out", value_parser = str::parse::<Family>)]
    pub(crate) exits: Vec<Family>,
    /// The folder to write the comparison to: index.html, and exits.json with its figures
    #[arg(long, value_name = "DIR", requires = "exits")]
    pub(crate) out: Option<PathBuf>,
    /// Compare the rules with weights held as stored, f16, q8 or q4
    #[arg(long, value_name = "FORMAT", requires = "exits", value_parser = number::weight_format)]
    pub(crate) format: Option<WeightFormat>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// A run folder, whose best checkpoint is taken, or a model folder
    pub(crate) model: PathBuf,
    /// The task: a configuration file (TOML) or the name of a preset; a run knows its own, and a model with a train.toml
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// What the gate learns; the configuration's choice if not given
    #[arg(long, value_enum)]
    pub(crate) label: Option<Label>,
    /// The folder to write the model with its new gate to; RUN/gated if not given, and nowhere for a model folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

//! The command line.

mod convert;
mod load;
mod training;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use looplm::exit::{Exit, ExitRule};
use looplm::generate::{GenerateOptions, Verify};
use looplm::kv_policy::KvPolicy;

use crate::number::{self, Ids};
use crate::say;

pub(crate) use convert::{ConvertArgs, QuantArgs};
pub(crate) use load::LoadArgs;
pub(crate) use training::{EvalArgs, EvalCommand, GateArgs, Label, LossArgs, Measure, TrainArgs};

/// Run and train looped language models, and see what every recurrent step thought
#[derive(Debug, Parser)]
#[command(name = "looplm", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Describe a model: its shape, the memory it takes, its tokenizer, and the adapter that would run it
    Info(InfoArgs),
    /// Run all steps of all positions at once and write what came out to a safetensors file
    Forward(ForwardArgs),
    /// Continue a prompt
    Generate(GenerateArgs),
    /// Hold a conversation
    Chat(ChatArgs),
    /// Write a model with smaller weights: a folder that loads like any other
    Convert(ConvertArgs),
    /// Train a model on a task
    Train(TrainArgs),
    /// Measure accuracy by difficulty and recurrent step, on samples that were held out
    Eval(EvalCommand),
    /// Teach the exit gate of a trained model when to stop (stage 2)
    Gate(GateArgs),
    /// Compute the training loss of a batch, and its gradients
    Loss(LossArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The model folder, as Hugging Face lays it out
    pub(crate) model: PathBuf,
    /// Print one JSON object; sizes are in bytes
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForwardArgs {
    /// The model folder, as Hugging Face lays it out
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Token ids, separated by commas
    #[arg(long, value_name = "ID,ID,...", value_parser = number::ids, allow_hyphen_values = true)]
    pub(crate) ids: Ids,
    /// Recurrent steps, 1 to 8; as many as the model was trained with if not given
    #[arg(long, value_name = "N", value_parser = number::steps, allow_hyphen_values = true)]
    pub(crate) steps: Option<usize>,
    /// The file to write: f32 tensors logits [T,M,V], hidden [T,M,D] (after the final norm), exit_lambda [T,M] and
    /// exit_pdf [T,M] for T steps, M positions, V tokens of vocabulary and hidden size D
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The model folder, as Hugging Face lays it out
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) prompt: PromptArgs,
    /// Most tokens to generate; needed for a single prompt
    #[arg(long, value_name = "N", required_unless_present = "batch")]
    pub(crate) max_new_tokens: Option<usize>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Print one JSON object at the end instead of the text as it comes; for a batch, one for each prompt
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PromptArgs {
    /// The text to continue
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prompt: Option<String>,
    /// The token ids to continue, separated by commas; needs no tokenizer
    #[arg(long, value_name = "ID,ID,...", value_parser = number::ids, allow_hyphen_values = true)]
    pub(crate) ids: Option<Ids>,
    /// A file of prompts to continue side by side, a JSON object a line: {"prompt": "..."} or {"ids": [1, 2]}, with
    /// max_new_tokens, temperature, top_k, top_p, seed and exit where they differ from the command's
    #[arg(long, value_name = "FILE")]
    pub(crate) batch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// The model folder, as Hugging Face lays it out
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// What the model is told before the conversation begins
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) system: Option<String>,
    /// Let the model think before it answers, where its template knows how
    #[arg(long, overrides_with = "no_thinking")]
    thinking: bool,
    /// Have it answer at once
    #[arg(long, overrides_with = "thinking")]
    no_thinking: bool,
    /// Most tokens of an answer
    #[arg(long, value_name = "N")]
    pub(crate) max_new_tokens: Option<usize>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

impl ChatArgs {
    /// Whether the model is to think; `None` leaves it to the template.
    pub(crate) fn enable_thinking(&self) -> Option<bool> {
        match (self.thinking, self.no_thinking) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SamplingArgs {
    /// 0 takes the most probable token, higher is more varied; the model folder's choice if not given
    #[arg(long, value_name = "X", value_parser = number::temperature, allow_hyphen_values = true)]
    pub(crate) temperature: Option<f32>,
    /// Draw from the K most probable tokens only; 0 draws from all
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Draw from the most probable tokens that together reach P only
    #[arg(long, value_name = "P", value_parser = number::top_p, allow_hyphen_values = true)]
    top_p: Option<f32>,
    /// Draw from tokens at least P times as probable as the most probable only
    #[arg(long, value_name = "P", value_parser = number::min_p, allow_hyphen_values = true)]
    min_p: Option<f32>,
    /// Above 1 makes tokens that occurred before less likely
    #[arg(long, value_name = "X", value_parser = number::above_zero, allow_hyphen_values = true)]
    repetition_penalty: Option<f32>,
    /// The same seed on the same adapter draws the same text
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Recurrent steps, 1 to 8; as many as the model was trained with if not given
    #[arg(long, value_name = "N", value_parser = number::steps, allow_hyphen_values = true)]
    pub(crate) steps: Option<usize>,
    /// When a token leaves the loop: full (at the last step), step:N (always at N), gate:Q (when the cumulated exit
    /// probability reaches Q), gate-delayed:Q (a step after that), hidden:EPS or hidden-abs:EPS (when a step changes the
    /// state by less), confidence:P (when the best token has this probability), entropy:X (when the head's entropy, in nats,
    /// is no more), agree:K (when the best token has been the same for K steps)
    #[arg(long, value_name = "RULE", default_value = "full", value_parser = number::exit)]
    exit: ExitRule,
    /// Take at least N steps
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_steps: usize,
    /// Leave at step N whatever the rule says
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// What tokens leave in the KV cache: full (every step; steps that were not taken are made up for when needed),
    /// last-exited (the steps they took), or one entry for all steps: last, mean, first
    #[arg(long, value_name = "POLICY", default_value = "full", value_parser = number::kv)]
    kv: KvPolicy,
    /// Let an early exit only guess the next token, and full depth have the last word: the text is that of full depth.
    /// on guesses less where it does not pay, always whatever comes of it; off makes the rule final; auto, which is what
    /// happens without this, guesses where no rule was given and where it pays
    #[arg(long, value_name = "WHEN", value_parser = number::verify, num_args = 0..=1, require_equals = true, default_value = "auto", default_missing_value = "on")]
    verify: Verify,
    /// End the answer at this text, which is not part of it; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
}

impl SamplingArgs {
    /// The same for the library.
    pub(crate) fn options(&self, max_new_tokens: Option<usize>) -> GenerateOptions {
        GenerateOptions {
            max_new_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            steps: self.steps,
            exit: self.exit(),
            kv: self.kv,
            verify: self.verify,
            stop: self.stop.clone(),
            trace_top_k: None,
            timeline: false,
            cache_prompt: false,
            answered: 0,
        }
    }

    /// The rule with its bounds.
    pub(crate) fn exit(&self) -> Exit {
        Exit {
            rule: self.exit,
            min_steps: self.min_steps,
            max_steps: self.max_steps,
        }
    }
}

/// Prints what clap has to say: help as it is, a value out of its range in one line like any other error. Every error has
/// exit code 1.
pub(crate) fn explain(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::ValueValidation {
        let text = error.to_string();
        let message = text.split("\n\n").next().unwrap_or_default();
        say::error(&message.trim_start_matches("error: "));
        return ExitCode::FAILURE;
    }
    // Nobody is left to be told when the output is closed.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

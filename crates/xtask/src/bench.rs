//! `cargo xtask bench`: the native measurements.

use crate::process;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::setup;
use anyhow::Result;
use std::process::Command;

/// The bench program of every kernel by itself.
const KERNELS: (&str, &str) = ("looplm-gpu", "kernels");

/// The bench program of whole models: decoding, passes, prefill, first tokens, memory.
const MODELS: (&str, &str) = ("looplm", "bench");

/// The bench program of exits, verified exits and batches.
const DEPTH: (&str, &str) = ("looplm", "depth");

/// The bench program of training.
const TRAINING: (&str, &str) = ("looplm-train", "train_bench");

/// What the bench programs are told.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    models: Models,
    /// Print JSON instead of tables: an object a program, or a model and format
    #[arg(long, global = true)]
    json: bool,
}

/// Which models, and how.
#[derive(clap::Args)]
struct Models {
    /// Generated models, separated by commas: tiny (10 million parameters), 125m
    #[arg(long)]
    size: Option<String>,
    /// A model folder instead
    #[arg(long = "model")]
    folder: Option<String>,
    /// What to hold weights as, separated by commas: f16, q8, q4, stored
    #[arg(long)]
    format: Option<String>,
    /// Tokens after which decoding is timed, separated by commas: 128,1024,4096
    #[arg(long)]
    contexts: Option<String>,
    /// Leave the kernels out
    #[arg(long)]
    no_kernels: bool,
}

impl Models {
    fn arguments(&self) -> Vec<String> {
        let options = [
            ("--size", &self.size),
            ("--model", &self.folder),
            ("--format", &self.format),
            ("--contexts", &self.contexts),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some([name.to_owned(), value.clone()?]));
        given.flatten().collect()
    }
}

/// What is measured instead of inference.
#[derive(clap::Subcommand)]
enum What {
    /// What depth per token pays: full depth, early exits, verified exits and batches on the model that speaks
    Depth {
        /// A model folder that says it is of the task who-is-who
        #[arg(long, default_value = "models/who-is-who")]
        model: String,
        /// Rounds in which the ways to decode take turns
        #[arg(long)]
        rounds: Option<u64>,
    },
    /// Training updates of three sizes: milliseconds, time by kernel, share of the best matrix product
    Train {
        /// Only these, separated by commas: small, medium, large
        #[arg(long)]
        sizes: Option<String>,
        /// Updates timed of each size
        #[arg(long)]
        updates: Option<u64>,
        /// Time the same updates in PyTorch on this machine, too (`pip install -r tests/reference/requirements.txt`)
        #[arg(long)]
        torch: bool,
    },
}

/// Builds the bench programs for speed and runs them, one after the other.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    setup::require(&[Requirement::Vulkan])?;
    let json = options.json.then(|| "--json".to_owned());
    match &options.what {
        None => {
            if !options.models.no_kernels {
                example(project, KERNELS, json.clone())?;
            }
            let mut arguments = Vec::from_iter(json);
            arguments.extend(options.models.arguments());
            example(project, MODELS, arguments)
        }
        Some(What::Depth { model, rounds }) => {
            let mut arguments = Vec::from_iter(json);
            arguments.extend(["--model".to_owned(), model.clone()]);
            if let Some(rounds) = rounds {
                arguments.extend(["--rounds".to_owned(), rounds.to_string()]);
            }
            example(project, DEPTH, arguments)
        }
        Some(What::Train {
            sizes,
            updates,
            torch,
        }) => {
            let mut arguments = Vec::from_iter(json);
            if let Some(sizes) = sizes {
                arguments.extend(["--sizes".to_owned(), sizes.clone()]);
            }
            if let Some(updates) = updates {
                arguments.extend(["--updates".to_owned(), updates.to_string()]);
            }
            example(project, TRAINING, arguments)?;
            if *torch {
                pytorch(project, sizes.as_deref(), *updates)?;
            }
            Ok(())
        }
    }
}

fn example(
    project: &Project,
    (package, name): (&str, &str),
    arguments: impl IntoIterator<Item = String>,
) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["run", "--release", "--package", package])
        .args(["--example", name, "--"])
        .args(arguments)
        .current_dir(&project.root);
    process::run(&mut command)
}

/// PyTorch's updates of the same sizes, one after the other.
fn pytorch(project: &Project, sizes: Option<&str>, updates: Option<u64>) -> Result<()> {
    let sizes: Vec<&str> = sizes.map_or_else(Vec::new, |sizes| sizes.split(',').collect());
    let mut command = Command::new("python3");
    command
        .arg("bench_train.py")
        .args(sizes.iter().flat_map(|size| ["--size", size]))
        .current_dir(project.path("tests/reference"));
    if let Some(updates) = updates {
        command.args(["--updates", &updates.to_string()]);
    }
    process::run(&mut command)
}

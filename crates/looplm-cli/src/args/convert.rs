//! The part of the command line that makes models smaller, and measures what that changes.

use std::path::PathBuf;

use clap::Args;
use looplm::engine::KvFormat;
use looplm::precision::{Precision, WeightFormat};

use crate::number;

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The model folder, as Hugging Face lays it out
    pub(crate) model: PathBuf,
    /// The folder to write, which must not exist; with --check and without --format, a folder converted before
    pub(crate) out: PathBuf,
    /// What to hold the layers' weights as: q4, q8 or f16; stored changes nothing but the size of the files
    #[arg(long, value_name = "FORMAT", required_unless_present = "check", value_parser = number::weight_format)]
    pub(crate) format: Option<WeightFormat>,
    /// What to hold the head as, where that is not to follow from the layers' format: q8 with q4, 16 bits with q8
    #[arg(long, value_name = "FORMAT", requires = "format", value_parser = number::weight_format)]
    pub(crate) head: Option<WeightFormat>,
    /// Most bytes of a file, such as 256MB or 2GiB; all weights are in one file if not given
    #[arg(long, value_name = "SIZE", requires = "format", value_parser = number::bytes, allow_hyphen_values = true)]
    pub(crate) shard_size: Option<u64>,
    /// Run both models over the same tokens, say how far they differ at every step, and fail where that is more than the
    /// format accounts for
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QuantArgs {
    /// A model folder, or a run folder, whose best checkpoint is taken
    pub(crate) model: PathBuf,
    /// The formats to compare with f32 arithmetic on the weights as they are stored
    #[arg(long, value_name = "FORMAT,FORMAT,...", value_delimiter = ',', default_value = "f16,q8,q4", value_parser = number::weight_format)]
    pub(crate) formats: Vec<WeightFormat>,
    /// What the head is held as, where that is not to follow from the layers' format: q8 with q4, 16 bits with q8
    #[arg(long, value_name = "FORMAT", value_parser = number::weight_format)]
    pub(crate) head: Option<WeightFormat>,
    /// The task whose held-out samples to measure on: a configuration file (TOML) or the name of a preset. A run knows its
    /// own, and so does a model with a train.toml; any other is measured on what it writes itself
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Sequences to measure on
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = number::samples, allow_hyphen_values = true)]
    pub(crate) samples: usize,
    /// Recurrent steps, 1 to 8; as many as the model was trained with if not given
    #[arg(long, value_name = "T", value_parser = number::steps, allow_hyphen_values = true)]
    pub(crate) steps: Option<usize>,
    /// The gate's threshold for changed exit steps; the model's early_exit_threshold where that is below 1, 0.8 otherwise
    #[arg(long, value_name = "Q", value_parser = number::above_zero, allow_hyphen_values = true)]
    pub(crate) q: Option<f32>,
    /// How the smaller models keep keys and values; the reference has f32
    #[arg(long, value_name = "FORMAT", value_parser = number::kv_format, default_value_t)]
    pub(crate) kv_format: KvFormat,
    /// A file to write the figures to, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl QuantArgs {
    /// Every format once, in the order they were named.
    pub(crate) fn precisions(&self) -> Vec<Precision> {
        let mut precisions: Vec<Precision> = Vec::new();
        for &format in &self.formats {
            let head = self.head;
            if precisions.iter().all(|p| p.format != format) {
                precisions.push(Precision { format, head });
            }
        }
        precisions
    }
}

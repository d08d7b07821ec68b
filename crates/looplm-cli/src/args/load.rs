//! How a model is held on the device.

use clap::Args;
use looplm::engine::{EngineOptions, KvFormat};
use looplm::model::LoadOptions;
use looplm::precision::{Precision, WeightFormat};

use crate::number;

/// What weights are held as.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PrecisionArgs {
    /// What the layers' weights are held as: stored (as the files have them), f16, q8 or q4 (8 or 4 bits, in groups of 32
    /// that share a scale)
    #[arg(long, value_name = "FORMAT", value_parser = number::weight_format, default_value_t)]
    format: WeightFormat,
    /// What the head is held as, where that is not to follow from the layers' format: q8 with q4, 16 bits with q8
    #[arg(long, value_name = "FORMAT", value_parser = number::weight_format)]
    head: Option<WeightFormat>,
}

impl PrecisionArgs {
    /// The same for the library.
    pub(crate) fn precision(self) -> Precision {
        Precision {
            format: self.format,
            head: self.head,
        }
    }
}

/// How weights, keys and values are held.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    precision: PrecisionArgs,
    /// How keys and values are kept: f16; q8, coarser in half the memory; or f32, in twice as much
    #[arg(long, value_name = "FORMAT", value_parser = number::kv_format, default_value_t)]
    kv_format: KvFormat,
}

impl LoadArgs {
    /// The same for the library.
    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions {
            engine: EngineOptions {
                kv_format: self.kv_format,
                ..EngineOptions::default()
            },
            precision: self.precision.precision(),
            ..LoadOptions::default()
        }
    }
}

//! Training of looped language models (arXiv 2510.25741): tasks, objectives, the engine that computes gradients with
//! the kernels of `looplm-gpu`, and the trainer around it. Native and in a browser alike.

pub mod batch;
pub mod config;
mod engine;
pub mod error;
mod initial;
pub mod loss;
pub mod metrics;
pub mod objective;
#[cfg(not(target_family = "wasm"))]
pub mod run_folder;
pub mod schedule;
pub mod task;
pub mod tasks;
pub mod trainer;

pub use batch::Batch;
pub use config::{ConfigError, TrainConfig};
pub use error::TrainError;
pub use task::{Example, Split, Task};
pub use trainer::{Snapshot, Trainer};

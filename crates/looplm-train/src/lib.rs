//! Training of looped language models (arXiv 2510.25741): tasks, objectives, the engine that computes gradients with
//! the kernels of `looplm-gpu`, and the trainer around it. Native and in a browser alike.

pub mod batch;
pub mod config;
pub mod metrics;
#[cfg(not(target_family = "wasm"))]
pub mod run_folder;
pub mod schedule;
pub mod task;
pub mod tasks;

pub use batch::Batch;
pub use config::{ConfigError, TrainConfig};
pub use task::{Example, Split, Task};

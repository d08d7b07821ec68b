//! Everything that can go wrong with training.

use looplm_gpu::GpuError;
use thiserror::Error;

use crate::config::ConfigError;

/// Errors of the trainer and its engine.
#[derive(Debug, Clone, Error)]
pub enum TrainError {
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model's folder.
    #[error(transparent)]
    Model(#[from] looplm::Error),
    /// A batch that the model cannot take.
    #[error("the batch's {field}: {message}")]
    Batch {
        /// Which of its tensors.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The loss or the gradient is infinite or no number.
    #[error(
        "update {update} met a {what} that is no finite number; its weights were not changed. \
         Lower the learning rate or the clipping norm, and resume from the last checkpoint"
    )]
    NonFinite {
        /// The update, from 1.
        update: u64,
        /// `loss` or `gradient`.
        what: &'static str,
    },
    /// A snapshot that does not belong to the run, or cannot be read or written.
    #[error("the checkpoint cannot be used: {message}")]
    Snapshot {
        /// What is wrong with it.
        message: String,
    },
    /// The caller asked to stop.
    #[error("aborted")]
    Aborted,
}

impl TrainError {
    /// Stable name of the kind, as the JavaScript errors carry it.
    pub fn code(&self) -> &'static str {
        use looplm::error::Coded;
        match self {
            Self::Gpu(error) => error.code(),
            Self::Config(_) => "config-invalid",
            Self::Model(error) => error.code(),
            Self::Batch { .. } => "invalid-argument",
            Self::NonFinite { .. } => "non-finite",
            Self::Snapshot { .. } => "checkpoint-invalid",
            Self::Aborted => "aborted",
        }
    }
}

//! What every error of this crate can say about itself besides its message.

use looplm_gpu::GpuError;
use serde::Serialize;
use thiserror::Error as ThisError;

use crate::{
    chat::ChatError,
    checkpoint::CheckpointError,
    fit::{OutOfMemory, Suggestion},
    generation_config::GenerationConfigError,
    tokenizer::TokenizerError,
};

/// An error with a stable name and structured facts, so that a program need not read its message.
pub trait Coded: std::error::Error {
    /// The stable family of the error, in kebab case (`checkpoint-invalid`, `network`, `aborted`, ...).
    fn code(&self) -> &'static str;

    /// The stable name of the particular error within its family, in kebab case (`truncated`, `missing-field`, ...).
    fn kind(&self) -> &'static str;

    /// Where it happened and what was expected.
    fn details(&self) -> Details;
}

/// The facts of an error. Serialises to an object with camelCase keys that leaves out what does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The particular error within its family; the same as [`Coded::kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The file it happened in, as the checkpoint folder names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The tensor concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// The configuration field concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The address that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The HTTP status that came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The argument that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// How much was needed: bytes, tokens, or what `limit` counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    /// How much there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered: Option<u64>,
    /// The limit that was met: a number of tokens, or the name of one of the adapter's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<serde_json::Value>,
    /// Bytes that are known to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<u64>,
    /// What would fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

impl Details {
    pub(crate) fn of(kind: &'static str) -> Self {
        Details {
            kind: Some(kind),
            ..Details::default()
        }
    }

    pub(crate) fn file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(crate) fn tensor(mut self, tensor: &str) -> Self {
        self.tensor = Some(tensor.to_owned());
        self
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn expected(mut self, expected: impl std::fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    pub(crate) fn found(mut self, found: impl std::fmt::Display) -> Self {
        self.found = Some(found.to_string());
        self
    }
}

/// Shortens text that came from a file, so that a message stays a message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// Everything that can go wrong with a model, from its folder to its last token.
#[derive(Debug, Clone, ThisError)]
pub enum Error {
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The device has not the memory for a model, or for a longer sequence of it.
    #[error(transparent)]
    OutOfMemory(Box<OutOfMemory>),
    /// The folder or its weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// `generation_config.json`.
    #[error(transparent)]
    GenerationConfig(#[from] GenerationConfigError),
    /// The chat template.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// Text was given to a model without a tokenizer.
    #[error("the model folder has no tokenizer.json, so it takes token ids, not text")]
    TokenizerMissing,
    /// The sequence does not fit.
    #[error(
        "the context is full: {needed} tokens do not fit into {limit} ({reason}); shorten the prompt or ask for fewer tokens"
    )]
    ContextFull {
        /// Tokens that fit.
        limit: usize,
        /// Tokens needed.
        needed: usize,
        /// Where the limit comes from.
        reason: String,
    },
    /// Too many sequences at once.
    #[error("{limit} sequences are in progress, which is the most; finish or close one first")]
    Busy {
        /// The most sequences at once.
        limit: usize,
    },
    /// An argument is out of its range.
    #[error("{argument}: {message}")]
    InvalidArgument {
        /// The argument.
        argument: String,
        /// What is wrong with it.
        message: String,
    },
    /// The caller asked to stop.
    #[error("aborted")]
    Aborted,
    /// The model was disposed of.
    #[error("the model was disposed of; load it again")]
    Disposed,
}

impl Error {
    /// An [`Error::InvalidArgument`].
    pub fn invalid(argument: impl Into<String>, message: impl Into<String>) -> Self {
        Error::InvalidArgument {
            argument: argument.into(),
            message: message.into(),
        }
    }

    fn coded(&self) -> Option<&dyn Coded> {
        match self {
            Error::Checkpoint(e) => Some(e),
            Error::Tokenizer(e) => Some(e),
            Error::GenerationConfig(e) => Some(e),
            Error::Chat(e) => Some(e),
            _ => None,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Error::Gpu(e) => e.code(),
            Error::OutOfMemory(_) => "out-of-memory",
            Error::TokenizerMissing => "tokenizer-missing",
            Error::ContextFull { .. } => "context-full",
            Error::Busy { .. } => "busy",
            Error::InvalidArgument { .. } => "invalid-argument",
            Error::Aborted => "aborted",
            Error::Disposed => "disposed",
            other => other.coded().map_or("internal", Coded::code),
        }
    }

    fn kind(&self) -> &'static str {
        self.coded().map_or(self.code(), Coded::kind)
    }

    fn details(&self) -> Details {
        let mut details = Details::default();
        match self {
            Error::Gpu(GpuError::AdapterTooSmall {
                limit,
                needed,
                offered,
                ..
            }) => {
                details.limit = Some((*limit).into());
                (details.needed, details.offered) = (Some(*needed), Some(*offered));
            }
            Error::Gpu(GpuError::OutOfMemory { needed, .. }) => details.needed = Some(*needed),
            Error::OutOfMemory(e) => {
                (details.needed, details.available) = (Some(e.needed), Some(e.available));
                details.suggestion = e.suggestion;
            }
            Error::ContextFull { limit, needed, .. } => {
                details.limit = Some((*limit).into());
                details.needed = Some(*needed as u64);
            }
            Error::Busy { limit } => details.offered = Some(*limit as u64),
            Error::InvalidArgument { argument, .. } => details.argument = Some(argument.clone()),
            other => return other.coded().map_or(details, Coded::details),
        }
        details
    }
}

//! Why a command failed.

use std::io;
use std::path::PathBuf;

use looplm::chat::ChatError;
use looplm::checkpoint::{CheckpointError, SourceError};
use looplm::tokenizer::TokenizerError;
use rustyline::error::ReadlineError;
use thiserror::Error;

/// Why a command failed; its message is all that a person gets to see.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The model or what was asked of it.
    #[error(transparent)]
    Model(#[from] looplm::Error),
    /// A file that was to be written.
    #[error("cannot write {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// Standard input.
    #[error("cannot read from standard input: {0}")]
    Input(#[from] ReadlineError),
    /// The handler of Ctrl-C.
    #[error("cannot listen for Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
}

impl Failure {
    /// Whether the reader of the output went away, which is no failure of this program.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        Failure::Model(error.into())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        CheckpointError::from(error).into()
    }
}

impl From<TokenizerError> for Failure {
    fn from(error: TokenizerError) -> Self {
        Failure::Model(error.into())
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Failure::Model(error.into())
    }
}

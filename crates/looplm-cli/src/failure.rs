//! Why a command failed.

use std::io;
use std::path::PathBuf;

use looplm::chat::ChatError;
use looplm::checkpoint::{CheckpointError, SourceError};
use looplm::conversion::ConvertError;
use looplm::precision::WeightFormat;
use looplm::tokenizer::TokenizerError;
use looplm_gpu::GpuError;
use looplm_train::TrainError;
use looplm_train::config::ConfigError;
use looplm_train::run_folder::RunFolderError;
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
    /// A file that was to be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Lines of a batch.
    #[error("{failed} of {lines} prompts failed")]
    Lines {
        /// How many.
        failed: usize,
        /// Of how many.
        lines: usize,
    },
    /// The folder of a run.
    #[error(transparent)]
    Run(#[from] RunFolderError),
    /// A configuration file.
    #[error("{}: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        error: Box<ConfigError>,
    },
    /// Training, or a preset.
    #[error(transparent)]
    Train(Box<TrainError>),
    /// Training met numbers that are not finite.
    #[error("{error}; {checkpoint}")]
    Diverged {
        /// Where.
        error: Box<TrainError>,
        /// What there is to go on from.
        checkpoint: String,
    },
    /// A model without a run does not know what to be measured on.
    #[error("{} is not a run and holds no train.toml, so it needs --task: a configuration file or the name of a preset", path.display())]
    NoTask {
        /// The folder that was given.
        path: PathBuf,
    },
    /// A report would mix with files of something else.
    #[error("{} holds no report of exits; give a new or an empty folder", path.display())]
    NotAReport {
        /// What was given.
        path: PathBuf,
    },
    /// With one step there is no exit to choose.
    #[error("exits are compared over two steps or more, but there is one; give --steps")]
    OneStep,
    /// A figure of a report.
    #[error("cannot draw a figure: {reason}")]
    Figure {
        /// What the plotting library said.
        reason: String,
    },
    /// The page of a report.
    #[error("cannot write the page: {0}")]
    Page(#[from] minijinja::Error),
    /// A conversion.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A converted model is not what it was converted from.
    #[error("the converted model differs by more than {format} weights account for: {what}")]
    Differs {
        /// What its layers are held in.
        format: WeightFormat,
        /// Where, and by how much.
        what: String,
    },
    /// Two folders that have nothing to do with each other.
    #[error("{} is not a conversion of {}: their configurations differ", path.display(), model.display())]
    OtherModel {
        /// The folder that was to be checked.
        path: PathBuf,
        /// What it was to be checked against.
        model: PathBuf,
    },
    /// What is to be measured against has been rounded already.
    #[error("{} is stored in {format} already; give the model it was converted from", path.display())]
    Quantized {
        /// The folder.
        path: PathBuf,
        /// What its layers are stored in.
        format: WeightFormat,
    },
    /// An option of the other stage of training.
    #[error("{option} means nothing in stage {stage}")]
    OtherStage {
        /// The option.
        option: &'static str,
        /// The stage that was asked for.
        stage: u8,
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

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        Failure::Train(Box::new(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        TrainError::from(error).into()
    }
}

impl From<GpuError> for Failure {
    fn from(error: GpuError) -> Self {
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

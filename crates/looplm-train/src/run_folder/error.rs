//! What can be wrong with a run folder.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a run folder cannot be made, opened or written. Nothing that was saved before is lost by any of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunFolderError {
    /// Something that is not a folder is in its place.
    #[error("{} is a file; a run needs a folder", path.display())]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// A folder without a run in it.
    #[error("{} is not a run folder: it has no {missing}", path.display())]
    NotARun {
        /// What was given.
        path: PathBuf,
        /// The file that was looked for.
        missing: &'static str,
    },
    /// A new run would mix with files of something else.
    #[error("{} is not empty and holds no run; give a new or an empty folder", path.display())]
    NotEmpty {
        /// What was given.
        path: PathBuf,
    },
    /// A new run would overwrite another.
    #[error("{} already holds a run; resume it, or give another folder", path.display())]
    Exists {
        /// What was given.
        path: PathBuf,
    },
    /// The lock of the folder is taken.
    #[error("{} is being written by another process", path.display())]
    Busy {
        /// What was given.
        path: PathBuf,
    },
    /// The run was begun with another configuration.
    #[error(
        "{0}: {field} is {stored} in this run, but {given} was given; to go on with another value, change {0} itself",
        path.display()
    )]
    ConfigDiffers {
        /// The run's configuration.
        path: PathBuf,
        /// The first field that differs, as in `optimizer.learning_rate`.
        field: String,
        /// Its value in the run, or `absent`.
        stored: String,
        /// Its value in what was given, or `absent`.
        given: String,
    },
    /// A checkpoint holds a model of another shape than the configuration asks for.
    #[error("{}: {field} is {stored}, but the configuration asks for {wanted}", path.display())]
    OtherArchitecture {
        /// The checkpoint's `config.json`.
        path: PathBuf,
        /// The field that differs.
        field: &'static str,
        /// Its value in the checkpoint.
        stored: String,
        /// Its value in the configuration.
        wanted: String,
    },
    /// A file that this project wrote and that no longer reads as it should.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Adds to an I/O error what was tried, and on which path.
pub(super) fn at(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> RunFolderError + use<> {
    let path = path.to_owned();
    move |source| RunFolderError::Io {
        action,
        path,
        source,
    }
}

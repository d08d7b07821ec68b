//! Where a checkpoint's files come from: a folder, a base address, a list of dropped files, a map in memory.

use std::borrow::Cow;

use async_trait::async_trait;

use super::CheckpointError;
use crate::error::{Coded, Details};

/// A folder of files, opened by name. Not `Send`: a browser's side of it never is.
#[async_trait(?Send)]
pub trait Source {
    /// Where the folder is, for messages: a path, an address, "the dropped files".
    fn location(&self) -> String;

    /// Opens one file for sequential reading. `None`: there is no such file.
    ///
    /// # Errors
    /// [`SourceError`] for everything else that can go wrong.
    async fn open(&self, path: &str) -> Result<Option<Box<dyn Reader>>, SourceError>;
}

/// One file, read once from front to back. Dropping it abandons the rest.
#[async_trait(?Send)]
pub trait Reader {
    /// Length in bytes, where the source knows it beforehand.
    fn size(&self) -> Option<u64>;

    /// The next bytes, of any number; `None` at the end.
    ///
    /// # Errors
    /// [`SourceError`] when the bytes cannot be had.
    async fn read(&mut self) -> Result<Option<Cow<'_, [u8]>>, SourceError>;
}

/// Why bytes could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused.
    #[error("cannot read {path}: {message}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The folder itself is not there.
    #[error("there is no folder {path}")]
    NoSuchFolder {
        /// The path given.
        path: String,
    },
    /// The path is a file.
    #[error("{path} is a file; give the folder that holds config.json")]
    NotAFolder {
        /// The path given.
        path: String,
    },
    /// The server or the connection failed.
    #[error("cannot fetch {url}: {message}")]
    Network {
        /// The address.
        url: String,
        /// The HTTP status, where an answer came.
        status: Option<u16>,
        /// What happened.
        message: String,
    },
    /// The caller asked to stop.
    #[error("loading was aborted")]
    Aborted,
}

impl Coded for SourceError {
    fn code(&self) -> &'static str {
        match self {
            SourceError::Io { .. }
            | SourceError::NoSuchFolder { .. }
            | SourceError::NotAFolder { .. } => "checkpoint-invalid",
            SourceError::Network { .. } => "network",
            SourceError::Aborted => "aborted",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            SourceError::Io { .. } => "io",
            SourceError::NoSuchFolder { .. } => "no-such-folder",
            SourceError::NotAFolder { .. } => "not-a-folder",
            SourceError::Network { .. } => "network",
            SourceError::Aborted => "aborted",
        }
    }

    fn details(&self) -> Details {
        let d = Details::of(self.kind());
        match self {
            SourceError::Io { path, message } => d.file(path).found(message),
            SourceError::NoSuchFolder { path } | SourceError::NotAFolder { path } => d.file(path),
            SourceError::Network { url, status, .. } => Details {
                url: Some(url.clone()),
                status: *status,
                ..d
            },
            SourceError::Aborted => d,
        }
    }
}

/// Reads a small file whole. `None`: there is no such file. `limit` is the most bytes it may have.
///
/// # Errors
/// [`CheckpointError::FileTooLarge`], [`CheckpointError::Truncated`], or the source's own.
pub async fn read_file(
    source: &dyn Source,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, CheckpointError> {
    let Some(mut reader) = source.open(path).await? else {
        return Ok(None);
    };
    let too_large = || CheckpointError::FileTooLarge {
        file: path.to_owned(),
        limit,
    };
    let size = reader.size();
    if size.is_some_and(|n| n > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.read().await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    match size {
        Some(size) if (bytes.len() as u64) < size => Err(CheckpointError::Truncated {
            file: path.to_owned(),
            expected: size,
            found: bytes.len() as u64,
        }),
        _ => Ok(Some(bytes)),
    }
}

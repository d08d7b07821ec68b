//! Converting a folder on disk.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::{Conversion, ConversionOptions, SMALL_FILES};
use crate::checkpoint::{CheckpointError, FolderSource, SourceError};
use crate::error::{Coded, Details};

/// Why a folder was not converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The output is there already.
    #[error("{path} exists already; name a folder that does not, or remove it")]
    OutputExists {
        /// The folder.
        path: String,
    },
    /// The operating system refused.
    #[error("cannot write {path}: {message}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The caller asked to stop.
    #[error("the conversion was aborted; nothing was written")]
    Aborted,
}

impl From<SourceError> for ConvertError {
    fn from(error: SourceError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl Coded for ConvertError {
    fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(e) => e.code(),
            Self::OutputExists { .. } | Self::Io { .. } => "invalid-argument",
            Self::Aborted => "aborted",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Checkpoint(e) => e.kind(),
            Self::OutputExists { .. } => "output-exists",
            Self::Io { .. } => "io",
            Self::Aborted => "aborted",
        }
    }

    fn details(&self) -> Details {
        match self {
            Self::Checkpoint(e) => e.details(),
            Self::OutputExists { path } => Details::of(self.kind()).file(path),
            Self::Io { path, message } => Details::of(self.kind()).file(path).found(message),
            Self::Aborted => Details::of(self.kind()),
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ConvertError + '_ {
    move |error| ConvertError::Io {
        path: path.display().to_string(),
        message: error.to_string(),
    }
}

/// What a conversion has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Bytes of the weight files read and written.
    pub bytes: (u64, u64),
    /// Weight files written.
    pub files: usize,
    /// What was odd about the checkpoint, but harmless.
    pub warnings: Vec<String>,
}

/// Converts the folder `model` into a new folder `out`, which appears when it is complete. `progress` is told the bytes
/// read so far and those of all weights, and says whether to go on.
///
/// # Errors
/// [`ConvertError`]; nothing is left of `out` then.
pub async fn convert_folder(
    model: &Path,
    out: &Path,
    options: ConversionOptions,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Converted, ConvertError> {
    let conversion = Conversion::plan(&FolderSource::new(model)?, options).await?;
    if out.exists() {
        return Err(ConvertError::OutputExists {
            path: out.display().to_string(),
        });
    }
    let partial = Partial::new(out)?;
    for (name, required) in SMALL_FILES {
        let from = model.join(name);
        if required || from.is_file() {
            fs::copy(&from, partial.0.join(name)).map_err(failed(&from))?;
        }
    }
    if let Some((name, text)) = conversion.index() {
        let path = partial.0.join(name);
        fs::write(&path, text).map_err(failed(&path))?;
    }
    write_weights(&conversion, model, &partial.0, progress)?;
    fs::rename(&partial.0, out).map_err(failed(out))?;
    Ok(Converted {
        bytes: (conversion.source_bytes(), conversion.target_bytes()),
        files: conversion.files().len(),
        warnings: conversion.warnings().to_vec(),
    })
}

/// The folder while it is being written; gone if it is not renamed.
struct Partial(PathBuf);

impl Partial {
    fn new(out: &Path) -> Result<Self, ConvertError> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let path = out.with_file_name(name);
        fs::create_dir_all(&path).map_err(failed(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing is there any more when it was renamed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write_weights(
    conversion: &Conversion,
    model: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), ConvertError> {
    let mut files = Vec::new();
    for target in conversion.files() {
        let path = out.join(&target.path);
        let mut file = File::create(&path).map_err(failed(&path))?;
        file.write_all(&target.head).map_err(failed(&path))?;
        files.push((file, path));
    }
    let total = conversion.source_bytes();
    let mut done = 0;
    let mut open: Option<(usize, Mmap)> = None;
    for piece in conversion.pieces() {
        if !progress(done, total) {
            return Err(ConvertError::Aborted);
        }
        let number = piece.source.file;
        if open.as_ref().is_none_or(|(n, _)| *n != number) {
            let path = model.join(&conversion.sources()[number]);
            let file = File::open(&path).map_err(failed(&path))?;
            // SAFETY: the map is read-only and private to this loop; see `FolderSource` for what another process may do.
            let map = unsafe { Mmap::map(&file) }.map_err(failed(&path))?;
            open = Some((number, map));
        }
        let (begin, bytes) = (piece.source.offset as usize, piece.source.bytes as usize);
        // A file that became shorter since its header was read is reported by `convert`.
        let source = open
            .as_ref()
            .and_then(|(_, map)| map.get(begin..begin + bytes));
        let converted = conversion.convert(piece, source.unwrap_or_default())?;
        let mut rest = converted.as_slice();
        for target in &piece.targets {
            let (mine, others) = rest.split_at(target.bytes as usize);
            rest = others;
            let (file, path) = &mut files[target.file];
            file.seek(SeekFrom::Start(target.offset))
                .map_err(failed(path))?;
            file.write_all(mine).map_err(failed(path))?;
        }
        done += piece.source.bytes;
    }
    for (file, path) in &files {
        file.sync_all().map_err(failed(path))?;
    }
    progress(done, total);
    Ok(())
}

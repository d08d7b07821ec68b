//! What can be wrong with a checkpoint.

use super::source::SourceError;
use crate::config::ConfigError;
use crate::error::{Coded, Details};

/// Why a checkpoint was refused. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// There is no `config.json`.
    #[error(
        "{location} is not a model folder: it has no config.json; give the folder that holds config.json, model.safetensors, and tokenizer.json"
    )]
    NotAModelFolder {
        /// The folder.
        location: String,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file is absent.
    #[error("{file} is missing, {hint}; fetch the checkpoint again")]
    MissingFile {
        /// The file.
        file: String,
        /// How it came to be looked for.
        hint: String,
    },
    /// A small file is too large to be what its name says.
    #[error("{file} is larger than {limit} bytes, the most such a file may have")]
    FileTooLarge {
        /// The file.
        file: String,
        /// The most it may have.
        limit: u64,
    },
    /// A file ends early.
    #[error("{file} is truncated: {expected} bytes expected, {found} found; fetch it again")]
    Truncated {
        /// The file.
        file: String,
        /// The length its header gives it.
        expected: u64,
        /// The length it has.
        found: u64,
    },
    /// A file goes on after its last tensor.
    #[error(
        "{file} has bytes after its last tensor: {expected} bytes expected, {found} or more found"
    )]
    TrailingBytes {
        /// The file.
        file: String,
        /// The length its header gives it.
        expected: u64,
        /// The length it has, or that was seen.
        found: u64,
    },
    /// The header's length is impossible.
    #[error(
        "{file} is no safetensors file: its header would be {found} bytes long, and at most {limit} are possible"
    )]
    HeaderLength {
        /// The file.
        file: String,
        /// The length the file gives.
        found: u64,
        /// The most it can be: the rest of the file, or what the format allows.
        limit: u64,
    },
    /// The header is not what the format says.
    #[error("{file}: the header is malformed: {message}")]
    HeaderMalformed {
        /// The file.
        file: String,
        /// What the parser said.
        message: String,
    },
    /// A tensor's bytes lie outside the file.
    #[error(
        "{file}: the header places {tensor} at bytes {begin} to {end} of the data, which has {available}"
    )]
    OutOfRange {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// First byte.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Bytes of data in the file.
        available: u64,
    },
    /// Two tensors share bytes.
    #[error("{file}: {tensor} begins at byte {begin}, inside {other}, which ends at {end}")]
    Overlap {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The tensor before it.
        other: String,
        /// Where `tensor` begins.
        begin: u64,
        /// Where `other` ends.
        end: u64,
    },
    /// Bytes belong to no tensor.
    #[error(
        "{file}: {tensor} begins at byte {found}, but the tensor before it ends at {expected}: the bytes between belong to nothing"
    )]
    Hole {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Where it should begin.
        expected: u64,
        /// Where it begins.
        found: u64,
    },
    /// A tensor's length does not follow from its shape.
    #[error("{file}: {tensor} of type {dtype} and shape {shape:?} cannot have {found} bytes")]
    WrongLength {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its element type.
        dtype: String,
        /// Its shape.
        shape: Vec<u64>,
        /// The length its offsets give.
        found: u64,
    },
    /// The element type is none that safetensors knows.
    #[error("{file}: {tensor} has the unknown element type {found:?}")]
    UnknownDtype {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The type found.
        found: String,
    },
    /// The element type is known but cannot be loaded.
    #[error(
        "{file}: {tensor} is stored as {found}; F32, F16, and BF16 can be loaded, so convert the checkpoint"
    )]
    UnsupportedDtype {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The type found.
        found: String,
    },
    /// Tensors the configuration asks for are absent.
    #[error("{file} lacks {count} tensor(s) that config.json asks for: {}", listed(names, *count))]
    MissingTensor {
        /// The file.
        file: String,
        /// Some of them.
        names: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// Tensors the configuration knows nothing of are present.
    #[error("{file} has {count} tensor(s) that config.json does not ask for: {}; is it of another model?", listed(names, *count))]
    ExtraTensor {
        /// The file.
        file: String,
        /// Some of them.
        names: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// A tensor has another shape than the configuration gives it.
    #[error("{file}: {tensor} has the shape {found:?}, but config.json asks for {expected:?}")]
    WrongShape {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The shape from the configuration.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<u64>,
    },
    /// A value is infinite or no number.
    #[error(
        "{file}: {tensor} holds {found} at element {index} (row-major); the checkpoint is damaged or its training diverged"
    )]
    NonFinite {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The element, counted row-major from 0.
        index: u64,
        /// The value.
        found: f32,
    },
    /// The shard index is wrong.
    #[error("{file} is not a valid shard index: {message}")]
    IndexMalformed {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
}

/// Up to five names are shown.
pub(super) const NAMES_SHOWN: usize = 5;

fn listed(names: &[String], count: usize) -> String {
    let mut text = names.join(", ");
    if count > names.len() {
        text.push_str(", ...");
    }
    text
}

impl Coded for CheckpointError {
    fn code(&self) -> &'static str {
        match self {
            CheckpointError::Source(e) => e.code(),
            _ => "checkpoint-invalid",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            CheckpointError::NotAModelFolder { .. } => "not-a-model-folder",
            CheckpointError::Config(e) => e.kind(),
            CheckpointError::Source(e) => e.kind(),
            CheckpointError::MissingFile { .. } => "missing-file",
            CheckpointError::FileTooLarge { .. } => "file-too-large",
            CheckpointError::Truncated { .. } => "truncated",
            CheckpointError::TrailingBytes { .. } => "trailing-bytes",
            CheckpointError::HeaderLength { .. } => "header-length",
            CheckpointError::HeaderMalformed { .. } => "header-malformed",
            CheckpointError::OutOfRange { .. } => "out-of-range",
            CheckpointError::Overlap { .. } => "overlap",
            CheckpointError::Hole { .. } => "hole",
            CheckpointError::WrongLength { .. } => "wrong-length",
            CheckpointError::UnknownDtype { .. } => "unknown-dtype",
            CheckpointError::UnsupportedDtype { .. } => "unsupported-dtype",
            CheckpointError::MissingTensor { .. } => "missing-tensor",
            CheckpointError::ExtraTensor { .. } => "extra-tensor",
            CheckpointError::WrongShape { .. } => "wrong-shape",
            CheckpointError::NonFinite { .. } => "non-finite",
            CheckpointError::IndexMalformed { .. } => "index-malformed",
        }
    }

    fn details(&self) -> Details {
        use CheckpointError as E;
        let d = Details::of(self.kind());
        match self {
            E::NotAModelFolder { location } => d
                .file("config.json")
                .expected("config.json")
                .found(location),
            E::Config(e) => e.details(),
            E::Source(e) => e.details(),
            E::MissingFile { file, .. } => d.file(file),
            E::FileTooLarge { file, limit } => {
                d.file(file).expected(format!("at most {limit} bytes"))
            }
            E::Truncated {
                file,
                expected,
                found,
            }
            | E::TrailingBytes {
                file,
                expected,
                found,
            } => d.file(file).expected(expected).found(found),
            E::HeaderLength { file, found, limit } => d
                .file(file)
                .expected(format!("at most {limit}"))
                .found(found),
            E::HeaderMalformed { file, message } | E::IndexMalformed { file, message } => {
                d.file(file).found(message)
            }
            E::OutOfRange {
                file,
                tensor,
                begin,
                end,
                available,
            } => d
                .file(file)
                .tensor(tensor)
                .expected(format!("within 0..{available}"))
                .found(format!("{begin}..{end}")),
            E::Overlap {
                file,
                tensor,
                begin,
                end,
                ..
            } => d.file(file).tensor(tensor).expected(end).found(begin),
            E::Hole {
                file,
                tensor,
                expected,
                found,
            } => d.file(file).tensor(tensor).expected(expected).found(found),
            E::WrongLength {
                file,
                tensor,
                dtype,
                shape,
                found,
            } => d
                .file(file)
                .tensor(tensor)
                .expected(format!("the bytes of {dtype} {shape:?}"))
                .found(found),
            E::UnknownDtype {
                file,
                tensor,
                found,
            }
            | E::UnsupportedDtype {
                file,
                tensor,
                found,
            } => d
                .file(file)
                .tensor(tensor)
                .expected("F32, F16, or BF16")
                .found(found),
            E::MissingTensor { file, names, .. } => {
                d.file(file).tensor(first(names)).found("nothing")
            }
            E::ExtraTensor { file, names, .. } => {
                d.file(file).tensor(first(names)).expected("nothing")
            }
            E::WrongShape {
                file,
                tensor,
                expected,
                found,
            } => d
                .file(file)
                .tensor(tensor)
                .expected(format!("{expected:?}"))
                .found(format!("{found:?}")),
            E::NonFinite {
                file,
                tensor,
                found,
                ..
            } => d
                .file(file)
                .tensor(tensor)
                .expected("finite numbers")
                .found(found),
        }
    }
}

fn first(names: &[String]) -> &str {
    names.first().map_or("", |s| s)
}

/// Why a load stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadError<E> {
    /// The checkpoint is wrong or could not be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The sink refused.
    #[error(transparent)]
    Sink(E),
}

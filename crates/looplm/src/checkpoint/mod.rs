//! A checkpoint folder as Hugging Face lays it out, read once from front to back.
//!
//! [`Checkpoint::load`] makes one sequential pass over each safetensors file and hands every tensor, in the order of the
//! file, to a [`TensorSink`] in pieces of at most [`MAX_PIECE`] bytes. So a tensor is never whole in memory, a browser
//! can feed the pieces to the GPU while the network still delivers, and a memory-mapped file is never copied as a whole.
//! Everything a header says is checked before the first of its tensors is handed on.

mod error;
mod expected;
#[cfg(not(target_family = "wasm"))]
mod folder;
mod header;
mod index;
mod memory;
mod pieces;
mod source;
mod stored;
mod summary;

use crate::config::Config;

pub use error::{CheckpointError, LoadError};
#[cfg(not(target_family = "wasm"))]
pub use folder::FolderSource;
pub use memory::MemorySource;
pub(crate) use pieces::check_finite;
pub use pieces::{MAX_PIECE, TensorSink};
pub use source::{Reader, Source, SourceError, read_file};
pub use stored::{Dtype, SCALES, TensorInfo};
pub(crate) use stored::{is_matrix, scales_shape, stored_shape};
pub use summary::{Part, Summary};

use expected::Expected;
use header::{Header, HeaderBuffer};
use index::Index;
use pieces::Pieces;

pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// Largest `config.json` read, in bytes.
const CONFIG_LIMIT: u64 = 4 << 20;
/// Largest shard index read, in bytes.
const INDEX_LIMIT: u64 = 64 << 20;

/// How far a load has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file being read.
    pub file: &'a str,
    /// The tensor being delivered.
    pub tensor: &'a str,
    /// Bytes of tensors read so far.
    pub loaded: u64,
    /// Bytes of tensors in all files: exact for one file, what the index says (or the parameters at the first
    /// shard's element size) for shards. Never less than `loaded`.
    pub total: u64,
}

/// What a completed load has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Bytes of tensors read.
    pub bytes: u64,
    /// Tensors delivered to the sink.
    pub tensors: usize,
    /// What was odd but harmless, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads and checks the `config.json` of a folder.
///
/// # Errors
/// [`CheckpointError::NotAModelFolder`] where there is none; [`CheckpointError::Config`] where it is wrong.
pub async fn read_config(source: &dyn Source) -> Result<Config, CheckpointError> {
    let Some(bytes) = read_file(source, "config.json", CONFIG_LIMIT).await? else {
        return Err(CheckpointError::NotAModelFolder {
            location: source.location(),
        });
    };
    let text = std::str::from_utf8(&bytes).map_err(|e| crate::config::ConfigError::Json {
        message: e.to_string(),
    })?;
    Ok(Config::from_json(text)?)
}

/// The weights of a folder, found but not yet read.
pub struct Checkpoint<'s> {
    source: &'s dyn Source,
    expected: Expected,
    layout: Layout,
}

enum Layout {
    /// `model.safetensors`, already open: a network source has begun to fetch it.
    Single(Box<dyn Reader>),
    Sharded(Index),
}

impl std::fmt::Debug for Checkpoint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("location", &self.source.location())
            .finish_non_exhaustive()
    }
}

impl<'s> Checkpoint<'s> {
    /// Finds `model.safetensors`, or the shards of `model.safetensors.index.json`, whose names are checked here.
    ///
    /// # Errors
    /// [`CheckpointError::MissingFile`] where there is neither; the index's own errors; missing or extra names in it.
    pub async fn open(
        source: &'s dyn Source,
        config: &Config,
    ) -> Result<Checkpoint<'s>, CheckpointError> {
        let mut expected = Expected::new(config);
        let layout = match source.open(SINGLE).await? {
            Some(reader) => Layout::Single(reader),
            None => {
                let Some(bytes) = read_file(source, INDEX, INDEX_LIMIT).await? else {
                    return Err(CheckpointError::MissingFile {
                        file: SINGLE.to_owned(),
                        hint: format!("nor is there a {INDEX}"),
                    });
                };
                let index = Index::parse(INDEX, &bytes)?;
                expected.check_names(INDEX, index.names())?;
                Layout::Sharded(index)
            }
        };
        Ok(Checkpoint {
            source,
            expected,
            layout,
        })
    }

    /// Reads every tensor and hands it to the sink, in the order of the files. The names, shapes, and element types of a
    /// file are all checked before its first tensor; values that are no finite number are an error.
    ///
    /// On an error the sink has seen a `begin` without its `end` at most once, and is to be thrown away.
    ///
    /// # Errors
    /// [`LoadError::Checkpoint`] for what is wrong with the files; [`LoadError::Sink`] for what the sink returned.
    pub async fn load<S: TensorSink>(
        self,
        sink: &mut S,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Loaded, LoadError<S::Error>> {
        let Checkpoint {
            source,
            mut expected,
            layout,
        } = self;
        let mut loaded = Loaded::default();
        match layout {
            Layout::Single(reader) => {
                load_file(
                    SINGLE,
                    reader,
                    None,
                    &mut expected,
                    &mut loaded,
                    sink,
                    progress,
                )
                .await?;
            }
            Layout::Sharded(index) => {
                for file in index.files() {
                    let reader = open_shard(source, file).await?;
                    load_file(
                        file,
                        reader,
                        Some(&index),
                        &mut expected,
                        &mut loaded,
                        sink,
                        progress,
                    )
                    .await?;
                }
            }
        }
        loaded.warnings = expected.into_warnings();
        Ok(loaded)
    }

    /// Reads the headers alone: what the weights are, without reading them.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`] that a header can show.
    pub async fn summarize(self) -> Result<Summary, CheckpointError> {
        let Checkpoint {
            source,
            mut expected,
            layout,
        } = self;
        let mut summary = Summary::default();
        match layout {
            Layout::Single(reader) => {
                let header = read_header(SINGLE, reader).await?;
                expected.check_file(SINGLE, &header, None)?;
                summary.add(SINGLE, &header, &expected);
            }
            Layout::Sharded(index) => {
                for file in index.files() {
                    let header = read_header(file, open_shard(source, file).await?).await?;
                    expected.check_file(file, &header, Some(&index))?;
                    summary.add(file, &header, &expected);
                }
            }
        }
        summary.warnings = expected.into_warnings();
        Ok(summary)
    }
}

/// A weight file's tensors and where their bytes are in it.
#[derive(Debug, Clone)]
pub(crate) struct FileLayout {
    pub(crate) file: String,
    /// With the byte of the file each begins at, ascending.
    pub(crate) tensors: Vec<(TensorInfo, u64)>,
}

impl Checkpoint<'_> {
    /// Where every tensor's bytes are, from the headers alone; and what was odd but harmless.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`] that a header can show.
    pub(crate) async fn layout(self) -> Result<(Vec<FileLayout>, Vec<String>), CheckpointError> {
        let Checkpoint {
            source,
            mut expected,
            layout,
        } = self;
        let mut files = Vec::new();
        match layout {
            Layout::Single(reader) => {
                let header = read_header(SINGLE, reader).await?;
                expected.check_file(SINGLE, &header, None)?;
                files.push(file_layout(SINGLE, &header, &expected));
            }
            Layout::Sharded(index) => {
                for file in index.files() {
                    let header = read_header(file, open_shard(source, file).await?).await?;
                    expected.check_file(file, &header, Some(&index))?;
                    files.push(file_layout(file, &header, &expected));
                }
            }
        }
        Ok((files, expected.into_warnings()))
    }
}

fn file_layout(file: &str, header: &Header, expected: &Expected) -> FileLayout {
    let mut at = header.data_begin;
    let mut tensors = Vec::new();
    for entry in &header.tensors {
        if let Some(info) = expected.delivered(entry) {
            tensors.push((info, at));
        }
        at += entry.bytes;
    }
    FileLayout {
        file: file.to_owned(),
        tensors,
    }
}

async fn open_shard(source: &dyn Source, file: &str) -> Result<Box<dyn Reader>, CheckpointError> {
    source
        .open(file)
        .await?
        .ok_or_else(|| CheckpointError::MissingFile {
            file: file.to_owned(),
            hint: format!("{INDEX} names it"),
        })
}

async fn read_header(file: &str, mut reader: Box<dyn Reader>) -> Result<Header, CheckpointError> {
    let mut buffer = HeaderBuffer::new(file, reader.size());
    while let Some(chunk) = reader.read().await? {
        if let Some((header, _)) = buffer.push(&chunk)? {
            return Ok(header);
        }
    }
    Err(buffer.truncated())
}

async fn load_file<S: TensorSink>(
    file: &str,
    mut reader: Box<dyn Reader>,
    index: Option<&Index>,
    expected: &mut Expected,
    loaded: &mut Loaded,
    sink: &mut S,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), LoadError<S::Error>> {
    let mut buffer = HeaderBuffer::new(file, reader.size());
    let mut pieces: Option<Pieces> = None;
    while let Some(chunk) = reader.read().await.map_err(CheckpointError::from)? {
        let mut rest = &chunk[..];
        let stream = match &mut pieces {
            Some(stream) => stream,
            None => {
                let Some((header, used)) = buffer.push(rest)? else {
                    continue;
                };
                expected.check_file(file, &header, index)?;
                rest = &rest[used..];
                let total = match index {
                    None => header.data_bytes,
                    Some(index) => index
                        .total_size
                        .unwrap_or_else(|| expected.estimate_bytes(&header)),
                };
                let tensors: Vec<TensorInfo> = header
                    .tensors
                    .iter()
                    .filter_map(|entry| expected.delivered(entry))
                    .collect();
                sink.planned(&tensors).await;
                pieces.insert(Pieces::new(file, header, expected, total))
            }
        };
        stream.push(rest, loaded, sink, progress).await?;
    }
    match pieces {
        None => Err(buffer.truncated().into()),
        Some(stream) => stream.finish(loaded, sink).await,
    }
}

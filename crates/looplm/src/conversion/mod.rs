//! Converting a checkpoint to another precision, piece by piece.
//!
//! The plan is made from the headers alone and is the same whoever makes it. A *piece* is a range of a source file, at
//! most [`MAX_PIECE`] bytes, and the ranges of the target files that follow from it; the targets of all pieces, together
//! with the heads of the files, tile the target files exactly. So pieces can be fetched and converted in any order, several
//! at once, and a conversion that was broken off goes on with those that are missing. What comes out is a folder that
//! [`crate::LoopLm::load`] takes like any other (docs/FORMAT.md).

#[cfg(not(target_family = "wasm"))]
mod folder;
mod piece;
mod target;

use looplm_gpu::Gpu;

use crate::{
    checkpoint::{Checkpoint, CheckpointError, INDEX, Source, read_config},
    config::Config,
    engine::EngineOptions,
    error::Error,
    fit::Fit,
    precision::{Precision, WeightFormat},
    weights::{self, PlannedMatrix},
};

#[cfg(not(target_family = "wasm"))]
pub use folder::{ConvertError, Converted, convert_folder};
pub use piece::{Extent, MAX_PIECE, Piece};
pub use target::TargetFile;

use target::Layout;

/// Counted up when the same checkpoint and options would come out as other bytes.
const VERSION: u32 = 1;

/// The small files of a model's folder, and whether it is one without them.
pub const SMALL_FILES: [(&str, bool); 7] = [
    ("config.json", true),
    ("generation_config.json", false),
    ("tokenizer.json", false),
    ("tokenizer_config.json", false),
    ("special_tokens_map.json", false),
    ("chat_template.jinja", false),
    ("README.md", false),
];

/// What to convert to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConversionOptions {
    /// What the weights are to be held as.
    pub precision: Precision,
    /// Most bytes of a target file; one that holds a larger tensor is larger. All in one file if not given.
    pub shard_bytes: Option<u64>,
}

/// A planned conversion.
#[derive(Debug, Clone)]
pub struct Conversion {
    options: ConversionOptions,
    sources: Vec<String>,
    files: Vec<TargetFile>,
    index: Option<String>,
    pieces: Vec<Piece>,
    warnings: Vec<String>,
    config: Config,
    matrices: Vec<PlannedMatrix>,
}

impl Conversion {
    /// Reads `config.json` and the headers of the weight files, and plans.
    ///
    /// # Errors
    /// What is wrong with the configuration or the headers.
    pub async fn plan(
        source: &dyn Source,
        options: ConversionOptions,
    ) -> Result<Self, CheckpointError> {
        let config = read_config(source).await?;
        let checkpoint = Checkpoint::open(source, &config).await?;
        let (layouts, warnings) = checkpoint.layout().await?;
        let tied = config.tie_word_embeddings;
        let mut layout = Layout::new(options);
        for (number, file) in layouts.iter().enumerate() {
            for (info, at) in &file.tensors {
                let held = options.precision.of(&info.name, info.dtype, tied);
                layout.push(info, held, (number, *at));
            }
        }
        let (files, index, segments) = layout.finish();
        let tensors = layouts.iter().flat_map(|file| &file.tensors);
        let tensors = tensors.map(|(info, _)| info);
        let matrices = weights::plan(&config, options.precision, tensors);
        Ok(Self {
            options,
            sources: layouts.into_iter().map(|layout| layout.file).collect(),
            pieces: piece::cut(segments),
            files,
            index,
            warnings,
            config,
            matrices,
        })
    }

    /// Fails where the limits of a device prove that what comes out cannot be loaded onto it.
    ///
    /// # Errors
    /// As [`crate::LoopLm::load_on`].
    pub fn check(&self, gpu: &Gpu, options: &EngineOptions) -> Result<(), Error> {
        Fit::new(&self.config, options, self.options.precision)
            .of_planned(&self.matrices)
            .check(gpu, &self.matrices)
    }

    /// Names the format, its options and this converter's version: equal fingerprints of equal checkpoints are equal bytes.
    pub fn fingerprint(&self) -> String {
        let Precision { format, head } = self.options.precision;
        let head = head.map(|head| format!("-head-{head}")).unwrap_or_default();
        let shards = self.options.shard_bytes;
        let shards = shards.map(|n| format!("-shards-{n}")).unwrap_or_default();
        format!("{format}{head}{shards}-v{VERSION}")
    }

    /// The format asked for.
    pub fn format(&self) -> WeightFormat {
        self.options.precision.format
    }

    /// The weight files that are read.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The weight files that are written.
    pub fn files(&self) -> &[TargetFile] {
        &self.files
    }

    /// The index of the shards, where there are several: its name and its text.
    pub fn index(&self) -> Option<(&'static str, &str)> {
        self.index.as_deref().map(|text| (INDEX, text))
    }

    /// The pieces, in the order of the source files.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What was odd about the checkpoint, but harmless.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Bytes that are read of all source files, without their headers.
    pub fn source_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.source.bytes).sum()
    }

    /// Bytes of all target files.
    pub fn target_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Converts the bytes of a piece's source. Returns the bytes of its targets, one after another.
    ///
    /// # Errors
    /// [`CheckpointError::Truncated`] if they are not as many as the piece has, [`CheckpointError::NonFinite`].
    pub fn convert(&self, piece: &Piece, bytes: &[u8]) -> Result<Vec<u8>, CheckpointError> {
        piece.convert(&self.sources[piece.source.file], bytes)
    }
}

//! What is measured.

use std::path::PathBuf;

use looplm::{
    checkpoint::{FolderSource, Source},
    precision::WeightFormat,
};

use crate::{
    clock::Failure,
    generated::{self, Size},
};

/// What was asked for.
pub(crate) struct Options {
    pub(crate) models: Vec<Model>,
    pub(crate) formats: Vec<WeightFormat>,
    pub(crate) contexts: Vec<usize>,
    pub(crate) json: bool,
    /// Write the generated model there and measure nothing.
    pub(crate) write: Option<PathBuf>,
}

/// A model to measure.
pub(crate) enum Model {
    /// Made up, in f32.
    Generated(Size),
    /// On this disk.
    Folder(PathBuf),
}

impl Model {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Generated(size) => size.name.to_owned(),
            Self::Folder(path) => path.display().to_string(),
        }
    }

    pub(crate) fn source(&self) -> Result<Box<dyn Source>, Failure> {
        Ok(match self {
            Self::Generated(size) => Box::new(generated::source(size)?),
            Self::Folder(path) => Box::new(FolderSource::new(path.clone())?),
        })
    }

    /// Whether text of it can be had only from itself: numbers at random are nothing a trained model has an opinion of.
    pub(crate) fn is_trained(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Writes a generated model's folder.
    pub(crate) fn write(&self, folder: &std::path::Path) -> Result<(), Failure> {
        let Self::Generated(size) = self else {
            return Err("--write writes a generated model (--size)".into());
        };
        std::fs::create_dir_all(folder)?;
        let (config, weights) = generated::files(size)?;
        std::fs::write(folder.join("config.json"), config)?;
        std::fs::write(folder.join("model.safetensors"), weights)?;
        Ok(())
    }
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            models: Vec::new(),
            formats: Vec::new(),
            contexts: vec![128, 1024, 4096],
            json: false,
            write: None,
        };
        while let Some(name) = arguments.next() {
            if name == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            let values = value.split(',').map(str::trim);
            match name.as_str() {
                "--size" => {
                    for name in values {
                        options
                            .models
                            .push(Model::Generated(generated::size(name)?));
                    }
                }
                "--model" => options.models.push(Model::Folder(value.into())),
                "--format" => options.formats = values.map(str::parse).collect::<Result<_, _>>()?,
                "--contexts" => {
                    options.contexts = values.map(str::parse).collect::<Result<_, _>>()?
                }
                "--write" => options.write = Some(value.into()),
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        if options.models.is_empty() {
            options
                .models
                .push(Model::Generated(generated::size("tiny")?));
        }
        if options.formats.is_empty() {
            options.formats.push(WeightFormat::F16);
        }
        Ok(options)
    }
}

//! The tensors a configuration asks for, held against those a file has.

use std::collections::{BTreeSet, HashMap};

use safetensors::Dtype as AnyDtype;

use super::error::NAMES_SHOWN;
use super::header::{Entry, Header};
use super::index::Index;
use super::stored::{self, SCALES, float, scales_shape};
use super::{CheckpointError, Dtype, TensorInfo};
use crate::config::Config;
use crate::error::excerpt;

/// What the configuration asks for, and what was met that it does not need.
#[derive(Debug)]
pub(super) struct Expected {
    shapes: HashMap<String, Vec<usize>>,
    tied: bool,
    parameters: u64,
    /// Tensors that the files met so far have quantised.
    quantized: HashMap<String, Dtype>,
    ignored: BTreeSet<String>,
}

impl Expected {
    pub(super) fn new(config: &Config) -> Expected {
        Expected {
            shapes: config.tensor_shapes().collect(),
            tied: config.tie_word_embeddings,
            parameters: config.parameters(),
            quantized: HashMap::new(),
            ignored: BTreeSet::new(),
        }
    }

    /// What a tensor of a file that was checked is delivered as; `None` for one that is skipped.
    pub(super) fn delivered(&self, entry: &Entry) -> Option<TensorInfo> {
        let (name, scales) = match stored::scaled(&entry.name) {
            Some(base) => (base, true),
            None => (entry.name.as_str(), false),
        };
        let shape = self.shapes.get(name)?;
        let dtype = match self.quantized.get(name) {
            Some(&dtype) => dtype,
            None => float(entry.dtype)?,
        };
        Some(TensorInfo {
            name: name.to_owned(),
            dtype,
            scales,
            shape: shape.clone(),
            bytes: entry.bytes,
        })
    }

    /// Holds a complete list of names against the configuration.
    pub(super) fn check_names<'a>(
        &mut self,
        file: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), CheckpointError> {
        let names: BTreeSet<&str> = names.collect();
        // Sorted, so that the same checkpoint always gives the same message.
        let missing: BTreeSet<&str> = self
            .shapes
            .keys()
            .map(String::as_str)
            .filter(|name| !names.contains(name))
            .collect();
        if !missing.is_empty() {
            let (names, count) = shown(&missing);
            return Err(CheckpointError::MissingTensor {
                file: file.to_owned(),
                names,
                count,
            });
        }
        let unasked: BTreeSet<&str> = names
            .into_iter()
            .filter(|name| {
                let base = stored::scaled(name).unwrap_or(name);
                !self.shapes.contains_key(base)
            })
            .collect();
        self.check_unasked(file, unasked)
    }

    /// Checks one file's header: the names (those of the index, for a shard), shapes, and element types.
    pub(super) fn check_file(
        &mut self,
        file: &str,
        header: &Header,
        index: Option<&Index>,
    ) -> Result<(), CheckpointError> {
        let present = header.tensors.iter().map(|t| t.name.as_str());
        match index {
            None => self.check_names(file, present)?,
            Some(index) => {
                let present: BTreeSet<&str> = present.collect();
                let named: BTreeSet<&str> = index.names_in(file).collect();
                let missing: BTreeSet<&str> = named
                    .difference(&present)
                    .copied()
                    .filter(|name| self.shapes.contains_key(*name))
                    .collect();
                if !missing.is_empty() {
                    let (names, count) = shown(&missing);
                    return Err(CheckpointError::MissingTensor {
                        file: file.to_owned(),
                        names,
                        count,
                    });
                }
                self.check_unasked(file, present.difference(&named).copied().collect())?;
            }
        }
        for entry in &header.tensors {
            let Some(shape) = self.shapes.get(&entry.name) else {
                continue;
            };
            match stored::quantized(entry, shape) {
                Some(dtype) => {
                    self.check_scales(file, header, &entry.name, shape)?;
                    self.quantized.insert(entry.name.clone(), dtype);
                }
                None => check_float(file, entry, shape)?,
            }
        }
        // Scales of what is not quantised belong to nothing.
        let stray: BTreeSet<&str> = header
            .tensors
            .iter()
            .map(|t| t.name.as_str())
            .filter(|name| {
                stored::scaled(name).is_some_and(|base| !self.quantized.contains_key(base))
            })
            .collect();
        if stray.is_empty() {
            return Ok(());
        }
        let (names, count) = shown(&stray);
        Err(CheckpointError::ExtraTensor {
            file: file.to_owned(),
            names,
            count,
        })
    }

    /// A quantised tensor's scales are in the same file, in half precision, one for each group.
    fn check_scales(
        &self,
        file: &str,
        header: &Header,
        name: &str,
        shape: &[usize],
    ) -> Result<(), CheckpointError> {
        let scales = format!("{name}{SCALES}");
        let Some(entry) = header.tensors.iter().find(|t| t.name == scales) else {
            return Err(CheckpointError::MissingTensor {
                file: file.to_owned(),
                names: vec![scales],
                count: 1,
            });
        };
        let expected = scales_shape(shape);
        if entry.dtype != AnyDtype::F16 {
            return Err(unsupported(file, entry));
        }
        if entry.shape != expected {
            let expected: Vec<usize> = expected.iter().map(|&n| n as usize).collect();
            return Err(wrong_shape(file, entry, &expected));
        }
        Ok(())
    }

    /// Bytes of a whole checkpoint, were all of it stored like this file's first tensor.
    pub(super) fn estimate_bytes(&self, header: &Header) -> u64 {
        let bits = header
            .tensors
            .first()
            .map_or(16, |t| t.dtype.bitsize() as u64);
        self.parameters.saturating_mul(bits) / 8
    }

    /// What was odd but harmless.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.ignored
            .iter()
            .map(|name| match name.as_str() {
                "lm_head.weight" => "lm_head.weight is stored although tie_word_embeddings is true; the embedding is used as the head".to_owned(),
                _ => format!("{} is stored but not needed; it was skipped", excerpt(name)),
            })
            .collect()
    }

    fn check_unasked(
        &mut self,
        file: &str,
        unasked: BTreeSet<&str>,
    ) -> Result<(), CheckpointError> {
        let tied = self.tied;
        let harmless = |name: &str| {
            name.ends_with(".rotary_emb.inv_freq") || (tied && name == "lm_head.weight")
        };
        let (ignored, extra): (BTreeSet<&str>, BTreeSet<&str>) =
            unasked.into_iter().partition(|name| harmless(name));
        self.ignored.extend(ignored.into_iter().map(str::to_owned));
        if extra.is_empty() {
            return Ok(());
        }
        let (names, count) = shown(&extra);
        Err(CheckpointError::ExtraTensor {
            file: file.to_owned(),
            names,
            count,
        })
    }
}

fn shown(names: &BTreeSet<&str>) -> (Vec<String>, usize) {
    (
        names
            .iter()
            .take(NAMES_SHOWN)
            .map(|name| excerpt(name))
            .collect(),
        names.len(),
    )
}

fn wrong_shape(file: &str, entry: &Entry, expected: &[usize]) -> CheckpointError {
    let mut found = entry.shape.clone();
    found.truncate(8);
    CheckpointError::WrongShape {
        file: file.to_owned(),
        tensor: entry.name.clone(),
        expected: expected.to_vec(),
        found,
    }
}

fn unsupported(file: &str, entry: &Entry) -> CheckpointError {
    CheckpointError::UnsupportedDtype {
        file: file.to_owned(),
        tensor: entry.name.clone(),
        found: entry.dtype.to_string(),
    }
}

fn check_float(file: &str, entry: &Entry, expected: &[usize]) -> Result<(), CheckpointError> {
    let same = expected
        .iter()
        .map(|&n| n as u64)
        .eq(entry.shape.iter().copied());
    if !same {
        return Err(wrong_shape(file, entry, expected));
    }
    if float(entry.dtype).is_none() {
        return Err(unsupported(file, entry));
    }
    Ok(())
}

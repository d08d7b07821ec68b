//! The tensors a configuration asks for, held against those a file has.

use std::collections::{BTreeSet, HashMap};

use safetensors::Dtype as AnyDtype;

use super::error::NAMES_SHOWN;
use super::header::{Entry, Header};
use super::index::Index;
use super::{CheckpointError, Dtype};
use crate::config::Config;
use crate::error::excerpt;

/// What the configuration asks for, and what was met that it does not need.
#[derive(Debug)]
pub(super) struct Expected {
    shapes: HashMap<String, Vec<usize>>,
    tied: bool,
    parameters: u64,
    ignored: BTreeSet<String>,
}

impl Expected {
    pub(super) fn new(config: &Config) -> Expected {
        Expected {
            shapes: config.tensor_shapes().collect(),
            tied: config.tie_word_embeddings,
            parameters: config.parameters(),
            ignored: BTreeSet::new(),
        }
    }

    /// The element type a tensor is delivered with; `None` for one that is skipped.
    pub(super) fn delivered(&self, entry: &Entry) -> Option<Dtype> {
        if self.shapes.contains_key(&entry.name) {
            loadable(entry.dtype)
        } else {
            None
        }
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
            .filter(|name| !self.shapes.contains_key(*name))
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
            let Some(expected) = self.shapes.get(&entry.name) else {
                continue;
            };
            if !expected
                .iter()
                .map(|&n| n as u64)
                .eq(entry.shape.iter().copied())
            {
                let mut found = entry.shape.clone();
                found.truncate(8);
                return Err(CheckpointError::WrongShape {
                    file: file.to_owned(),
                    tensor: entry.name.clone(),
                    expected: expected.clone(),
                    found,
                });
            }
            if loadable(entry.dtype).is_none() {
                return Err(CheckpointError::UnsupportedDtype {
                    file: file.to_owned(),
                    tensor: entry.name.clone(),
                    found: entry.dtype.to_string(),
                });
            }
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

fn loadable(dtype: AnyDtype) -> Option<Dtype> {
    match dtype {
        AnyDtype::F32 => Some(Dtype::F32),
        AnyDtype::F16 => Some(Dtype::F16),
        AnyDtype::BF16 => Some(Dtype::BF16),
        _ => None,
    }
}

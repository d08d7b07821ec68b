//! `model.safetensors.index.json`: which shard holds which tensor.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::CheckpointError;
use crate::error::excerpt;

/// A checked index: every file it names is a plain name within the folder.
#[derive(Debug, Clone)]
pub(super) struct Index {
    weight_map: BTreeMap<String, String>,
    files: BTreeSet<String>,
    /// Bytes of all tensors, where the index says and can be believed to mean it.
    pub(super) total_size: Option<u64>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    metadata: Option<serde_json::Value>,
    weight_map: BTreeMap<String, String>,
}

impl Index {
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Index, CheckpointError> {
        let malformed = |message: String| CheckpointError::IndexMalformed {
            file: file.to_owned(),
            message,
        };
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|e| malformed(excerpt(&e.to_string())))?;
        let files: BTreeSet<String> = raw.weight_map.values().cloned().collect();
        // The names become paths and addresses: nothing may lead out of the folder or to another server.
        let plain = |name: &str| {
            name.ends_with(".safetensors")
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if let Some(name) = files.iter().find(|name| !plain(name)) {
            return Err(malformed(format!(
                "{:?} is not the name of a safetensors file in this folder",
                excerpt(name)
            )));
        }
        let total_size = raw
            .metadata
            .as_ref()
            .and_then(|m| m.get("total_size"))
            .and_then(serde_json::Value::as_u64);
        Ok(Index {
            weight_map: raw.weight_map,
            files,
            total_size,
        })
    }

    /// The shards, in the order of their names.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Every tensor named.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.weight_map.keys().map(String::as_str)
    }

    /// The tensors of one shard.
    pub(super) fn names_in<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a str> {
        self.weight_map
            .iter()
            .filter(move |(_, f)| *f == file)
            .map(|(name, _)| name.as_str())
    }
}

//! The cases of `tests/fixtures/` that have gradients. `tests/reference/README.md` says what they hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

use looplm::checkpoint::FolderSource;
use looplm_train::Batch;
use safetensors::SafeTensors;
use serde_json::Value;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Value,
    folder: PathBuf,
    tensors: Vec<u8>,
}

/// Every case with gradients, by name.
pub(crate) fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let mut cases: Vec<Case> = fs::read_dir(root)
        .expect("tests/fixtures is in the repository")
        .map(|entry| Case::read(entry.expect("the folder can be listed").path()))
        .filter(|case| !case.gradients("stage1").is_empty())
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 8, "only {} cases", cases.len());
    cases
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let json = fs::read(folder.join("expected.json")).expect("a case has expected.json");
        Self {
            name: folder
                .file_name()
                .expect("it is a folder")
                .to_string_lossy()
                .into_owned(),
            expected: serde_json::from_slice(&json).expect("it is JSON"),
            tensors: fs::read(folder.join("expected.safetensors")).expect("a case has its tensors"),
            folder,
        }
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.tensors).expect("they are safetensors")
    }

    pub(crate) fn model(&self) -> FolderSource {
        FolderSource::new(self.folder.join("model")).expect("a case has a model")
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.file().tensor("segments").is_ok()
    }

    /// The case's sequences; `packed`: as two documents each.
    pub(crate) fn batch(&self, packed: bool) -> Batch {
        let shape = self
            .file()
            .tensor("ids")
            .expect("a case has ids")
            .shape()
            .to_vec();
        let targets = if packed { "targets_packed" } else { "targets" };
        Batch {
            sequences: shape[0],
            length: shape[1],
            ids: self.integers("ids", |v| v as u32),
            targets: self.integers(targets, |v| v as i32),
            segments: if packed {
                self.integers("segments", |v| v as u32)
            } else {
                Vec::new()
            },
            difficulty: Vec::new(),
        }
    }

    fn integers<T>(&self, name: &str, of: fn(i64) -> T) -> Vec<T> {
        let file = self.file();
        let view = file
            .tensor(name)
            .unwrap_or_else(|e| panic!("{}: {name}: {e}", self.name));
        let number = |b: &[u8]| of(i64::from_le_bytes(b.try_into().expect("eight bytes")));
        view.data().chunks_exact(8).map(number).collect()
    }

    /// The gradients of an objective: weight, shape, values.
    pub(crate) fn gradients(&self, objective: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let prefix = format!("grad.{objective}.");
        let number = |b: &[u8]| f32::from_le_bytes(b.try_into().expect("four bytes"));
        let mut found: Vec<_> = self
            .file()
            .iter()
            .filter_map(|(name, view)| {
                let values = view.data().chunks_exact(4).map(number).collect();
                Some((
                    name.strip_prefix(&prefix)?.to_owned(),
                    view.shape().to_vec(),
                    values,
                ))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

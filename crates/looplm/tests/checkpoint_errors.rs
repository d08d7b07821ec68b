//! Every way a model folder can be wrong.

mod support;

use std::borrow::Cow;

use async_trait::async_trait;
use looplm::checkpoint::{
    Checkpoint, CheckpointError, FolderSource, LoadError, MAX_PIECE, MemorySource, Reader, Source,
    SourceError, TensorInfo, TensorSink,
};
use looplm::error::Coded;
use pollster::block_on;
use safetensors::Dtype as Stored;
use serde_json::json;
use support::{changed, config, file_with, folder, refuse, serialize, sharded, tensors};

fn with_header(header: &str, data: usize) -> MemorySource {
    folder().with("model.safetensors", file_with(header, data))
}

#[test]
fn no_folder_no_config_no_weights() {
    let dir = tempfile::tempdir().expect("a folder");
    let gone = FolderSource::new(dir.path().join("gone")).expect_err("must be refused");
    assert_eq!(
        (gone.kind(), gone.code()),
        ("no-such-folder", "checkpoint-invalid")
    );
    std::fs::write(dir.path().join("file"), b"x").expect("written");
    assert_eq!(
        FolderSource::new(dir.path().join("file"))
            .expect_err("must be refused")
            .kind(),
        "not-a-folder"
    );

    let empty = refuse(&FolderSource::new(dir.path()).expect("a folder"));
    assert_eq!(empty.kind(), "not-a-model-folder");
    assert!(empty.to_string().contains("config.json"), "{empty}");

    let weightless = refuse(&folder().without("model.safetensors"));
    assert_eq!(
        (weightless.kind(), weightless.details().file.as_deref()),
        ("missing-file", Some("model.safetensors"))
    );
    assert_eq!(
        refuse(&folder().with("config.json", vec![0xff])).kind(),
        "config-not-json"
    );
    assert_eq!(
        refuse(&folder().with("config.json", " ".repeat(5 << 20))).kind(),
        "file-too-large"
    );
    assert_eq!(
        refuse(
            &folder()
                .without_sizes()
                .with("config.json", " ".repeat(5 << 20))
        )
        .kind(),
        "file-too-large"
    );
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let whole = serialize(&tensors(&config()));
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    for length in 0..whole.len() {
        let source = folder()
            .with("model.safetensors", &whole[..length])
            .in_chunks_of(97);
        let kind = refuse(&source).kind();
        // With a known size the lie is found in the header's length or its offsets, before the first tensor.
        let sized = if length < 8 {
            "truncated"
        } else if length < header {
            "header-length"
        } else {
            "out-of-range"
        };
        assert_eq!(kind, sized, "at {length}");
        assert_eq!(
            refuse(&source.without_sizes()).kind(),
            "truncated",
            "at {length}"
        );
    }
}

#[test]
fn bytes_after_the_last_tensor_are_refused() {
    let mut bytes = serialize(&tensors(&config()));
    bytes.push(0);
    let source = folder().with("model.safetensors", bytes);
    assert_eq!(refuse(&source).kind(), "trailing-bytes");
    assert_eq!(
        refuse(&source.without_sizes().in_chunks_of(10)).kind(),
        "trailing-bytes"
    );
}

#[test]
fn headers_that_lie_are_refused() {
    let two = |a: &str, b: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{a}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b}}}}}"#
        )
    };
    for (header, data, kind) in [
        (two("[0,8]", "[8,16]"), 12, "out-of-range"),
        (two("[0,8]", "[16,8]"), 16, "out-of-range"),
        (two("[0,8]", "[18446744073709551608,18446744073709551615]"), 16, "out-of-range"),
        (two("[0,8]", "[4,12]"), 16, "overlap"),
        (two("[0,8]", "[0,8]"), 16, "overlap"),
        (two("[0,8]", "[12,20]"), 20, "hole"),
        (two("[4,12]", "[12,20]"), 20, "hole"),
        (two("[0,8]", "[8,20]"), 20, "wrong-length"),
        (r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#.to_owned(), 0, "wrong-length"),
        (r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,0]}}"#.to_owned(), 0, "wrong-length"),
        (r#"{"a":{"dtype":"Q4_K","shape":[2],"data_offsets":[0,8]}}"#.to_owned(), 8, "unknown-dtype"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.to_owned(), 8, "header-malformed"),
        (r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#.to_owned(), 8, "header-malformed"),
        (r#"{"a":{"dtype":"F32","shape":[2]}}"#.to_owned(), 8, "header-malformed"),
        ("[]".to_owned(), 0, "header-malformed"),
        (String::new(), 0, "header-malformed"),
        ("{}".to_owned(), 0, "missing-tensor"),
    ] {
        assert_eq!(refuse(&with_header(&header, data)).kind(), kind, "{header}");
    }
    let mut not_text = file_with("{}", 0);
    not_text[8] = 0xff;
    assert_eq!(
        refuse(&folder().with("model.safetensors", not_text)).kind(),
        "header-malformed"
    );
}

#[test]
fn a_huge_header_length_costs_nothing() {
    for length in [u64::MAX, 1 << 40, 100_000_001, 1 << 20] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{}");
        let source = folder().with("model.safetensors", bytes);
        let error = refuse(&source);
        assert_eq!(error.kind(), "header-length");
        assert_eq!(error.details().found, Some(length.to_string()));
        let expected = if length > 100_000_000 {
            "header-length"
        } else {
            "truncated"
        };
        assert_eq!(refuse(&source.without_sizes()).kind(), expected);
    }
}

#[test]
fn tensors_that_do_not_fit_the_configuration_are_named() {
    let name = "model.layers.1.mlp.up_proj.weight".to_owned();
    let missing = refuse(&changed(|all| drop(all.remove(&name))));
    assert_eq!(
        (missing.kind(), missing.details().tensor),
        ("missing-tensor", Some(name.clone()))
    );
    assert_eq!(
        refuse(&changed(|all| drop(all.remove("lm_head.weight")))).kind(),
        "missing-tensor"
    );

    let extra = refuse(&changed(|all| {
        for i in 0..9 {
            all.insert(format!("extra.{i}"), (Stored::F32, vec![1], vec![0; 4]));
        }
    }));
    let CheckpointError::ExtraTensor { names, count, .. } = &extra else {
        panic!("{extra}")
    };
    assert_eq!((names.len(), *count, extra.kind()), (5, 9, "extra-tensor"));

    let shape = refuse(&changed(|all| {
        all.get_mut(&name).expect("there").1 = vec![4, 6]
    }));
    let details = shape.details();
    assert_eq!(
        (
            shape.kind(),
            details.expected.as_deref(),
            details.found.as_deref()
        ),
        ("wrong-shape", Some("[6, 4]"), Some("[4, 6]"))
    );
    assert_eq!(details.tensor, Some(name.clone()));

    let dtype = refuse(&changed(|all| {
        let t = all.get_mut(&name).expect("there");
        (t.0, t.2) = (Stored::F64, vec![0; 6 * 4 * 8]);
    }));
    assert_eq!(
        (dtype.kind(), dtype.details().found.as_deref()),
        ("unsupported-dtype", Some("F64"))
    );
}

#[test]
fn nothing_is_delivered_of_a_file_that_does_not_fit() {
    struct Never;
    #[async_trait(?Send)]
    impl TensorSink for Never {
        type Error = String;
        async fn begin(&mut self, tensor: &TensorInfo) -> Result<(), String> {
            Err(format!("{} was begun", tensor.name))
        }
        async fn bytes(&mut self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
        async fn end(&mut self) -> Result<(), String> {
            Ok(())
        }
    }
    let run = |source: &MemorySource| {
        block_on(async {
            Checkpoint::open(source, &config())
                .await
                .map_err(LoadError::Checkpoint)?
                .load(&mut Never, &mut |_| ())
                .await
        })
    };
    let bad = changed(|all| all.get_mut("model.norm.weight").expect("there").1 = vec![2, 2]);
    assert!(matches!(
        run(&bad),
        Err(LoadError::Checkpoint(CheckpointError::WrongShape { .. }))
    ));
    assert!(
        matches!(run(&folder()), Err(LoadError::Sink(message)) if message.contains("was begun"))
    );
}

#[test]
fn values_that_are_no_finite_number_are_found_where_they_are() {
    let name = "model.layers.0.mlp.down_proj.weight";
    for (dtype, bad, size) in [
        (Stored::F32, f32::NAN.to_le_bytes().to_vec(), 4),
        (Stored::F32, f32::NEG_INFINITY.to_le_bytes().to_vec(), 4),
        (Stored::F16, vec![0x00, 0x7c], 2),
        (Stored::BF16, vec![0xc0, 0xff], 2),
    ] {
        for at in [0, 7, 23] {
            let source = changed(|all| {
                let t = all.get_mut(name).expect("there");
                t.0 = dtype;
                t.2 = vec![0; 24 * size];
                t.2[at * size..][..size].copy_from_slice(&bad);
            });
            for chunk in [3, MAX_PIECE] {
                let error = refuse(&source.clone().in_chunks_of(chunk));
                let CheckpointError::NonFinite {
                    tensor,
                    index,
                    found,
                    ..
                } = &error
                else {
                    panic!("{error}")
                };
                assert_eq!(
                    (tensor.as_str(), *index, error.kind()),
                    (name, at as u64, "non-finite")
                );
                assert!(!found.is_finite());
            }
        }
    }
}

#[test]
fn a_wrong_index_is_refused() {
    let (source, index) = sharded();
    let with = |index: &serde_json::Value| {
        source
            .clone()
            .with("model.safetensors.index.json", index.to_string())
    };
    assert_eq!(
        refuse(&source.clone().with("model.safetensors.index.json", "{")).kind(),
        "index-malformed"
    );
    assert_eq!(
        refuse(&with(&json!({"weight_map": {"a": 1}}))).kind(),
        "index-malformed"
    );
    for file in [
        "../x.safetensors",
        "/etc/x.safetensors",
        "https://x/y.safetensors",
        "x.bin",
        "a\\b.safetensors",
        "",
    ] {
        let mut index = index.clone();
        index["weight_map"]["model.norm.weight"] = json!(file);
        assert_eq!(refuse(&with(&index)).kind(), "index-malformed", "{file}");
    }
    let lost = refuse(&source.clone().without("model-00002-of-00002.safetensors"));
    assert_eq!(
        (lost.kind(), lost.details().file.as_deref()),
        ("missing-file", Some("model-00002-of-00002.safetensors"))
    );

    let mut fewer = index.clone();
    fewer["weight_map"]
        .as_object_mut()
        .expect("a map")
        .remove("model.norm.weight");
    assert_eq!(refuse(&with(&fewer)).kind(), "missing-tensor");
    let mut more = index.clone();
    more["weight_map"]["extra"] = json!("model-00001-of-00002.safetensors");
    assert_eq!(refuse(&with(&more)).kind(), "extra-tensor");
    let mut moved = index.clone();
    moved["weight_map"]["model.norm.weight"] = json!("model-00001-of-00002.safetensors");
    assert_eq!(
        refuse(&with(&moved)).kind(),
        "missing-tensor",
        "the first shard lacks it"
    );

    let all = tensors(&config());
    let twice = all
        .iter()
        .filter(|(name, _)| name.contains(".0.") || name.as_str() == "model.norm.weight");
    assert_eq!(
        refuse(
            &source
                .clone()
                .with("model-00001-of-00002.safetensors", serialize(twice))
        )
        .kind(),
        "extra-tensor"
    );
}

/// A server that fails after some bytes of the weights.
struct Failing {
    inner: MemorySource,
    after: usize,
    error: SourceError,
}

struct FailingReader {
    inner: Box<dyn Reader>,
    left: usize,
    error: SourceError,
}

#[async_trait(?Send)]
impl Source for Failing {
    fn location(&self) -> String {
        "a server".to_owned()
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn Reader>>, SourceError> {
        let Some(inner) = self.inner.open(path).await? else {
            return Ok(None);
        };
        let left = if path.ends_with(".safetensors") {
            self.after
        } else {
            usize::MAX
        };
        Ok(Some(Box::new(FailingReader {
            inner,
            left,
            error: self.error.clone(),
        })))
    }
}

#[async_trait(?Send)]
impl Reader for FailingReader {
    fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    async fn read(&mut self) -> Result<Option<Cow<'_, [u8]>>, SourceError> {
        if self.left == 0 {
            return Err(self.error.clone());
        }
        self.left = self.left.saturating_sub(100);
        self.inner.read().await
    }
}

#[test]
fn a_source_that_fails_keeps_its_own_code() {
    let network = SourceError::Network {
        url: "https://example.org/model.safetensors".to_owned(),
        status: Some(500),
        message: "connection lost".to_owned(),
    };
    for (error, code) in [(network, "network"), (SourceError::Aborted, "aborted")] {
        for after in [0, 200, 3000] {
            let source = Failing {
                inner: folder().in_chunks_of(100),
                after,
                error: error.clone(),
            };
            let refused = refuse(&source);
            assert_eq!(
                (refused.code(), &refused),
                (code, &CheckpointError::Source(error.clone()))
            );
        }
    }
    let details = SourceError::Network {
        url: "u".to_owned(),
        status: Some(404),
        message: String::new(),
    }
    .details();
    assert_eq!(
        (details.url.as_deref(), details.status),
        (Some("u"), Some(404))
    );
}

#[test]
fn details_become_an_object_without_what_does_not_apply() {
    let error = CheckpointError::Truncated {
        file: "model.safetensors".to_owned(),
        expected: 10,
        found: 3,
    };
    let object = serde_json::to_value(error.details()).expect("an object");
    assert_eq!(
        object,
        json!({"kind": "truncated", "file": "model.safetensors", "expected": "10", "found": "3"})
    );
}

//! Files no honest program wrote: they may be refused, but never panic, hang, or take memory they do not fill.
//!
//! A short run by default. `PROPTEST_CASES=200000 cargo test -p looplm --release --test fuzz -- NAME` is a long one;
//! docs/FUZZING.md says what long runs found.

#[path = "support/parts.rs"]
mod parts;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;

use async_trait::async_trait;
use looplm::Config;
use looplm::checkpoint::{
    Checkpoint, CheckpointError, LoadError, MemorySource, TensorInfo, TensorSink,
};
use looplm::error::Coded;
use looplm::generation_config::GenerationConfig;
use looplm::tokenizer::{StreamDecoder, Tokenizer, TokenizerConfig};
use pollster::block_on;
use proptest::prelude::*;
use proptest::sample::Index;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use support::{
    byte_fallback, byte_level, config, config_json, file_with, folder, metaspace, serialize,
    tensors, unigram, word_piece,
};

/// Refuses single allocations that no file of these tests can account for, by ending the test.
struct Bounded;

const MOST_AT_ONCE: usize = 256 << 20;

thread_local! {
    static TOO_MUCH: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged; only a number is kept beside it.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST_AT_ONCE {
            TOO_MUCH.set(layout.size());
        }
        // SAFETY: the caller keeps the allocator's contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fn modest() {
    assert_eq!(
        TOO_MUCH.replace(0),
        0,
        "a single allocation of that many bytes"
    );
}

struct Ignore;

#[async_trait(?Send)]
impl TensorSink for Ignore {
    type Error = Infallible;

    async fn begin(&mut self, _: &TensorInfo) -> Result<(), Infallible> {
        Ok(())
    }

    async fn bytes(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn load(source: &MemorySource) -> Result<(), CheckpointError> {
    let result = block_on(async {
        Checkpoint::open(source, &config())
            .await?
            .load(&mut Ignore, &mut |_| ())
            .await
            .map_err(|LoadError::Checkpoint(e)| e)
    });
    modest();
    result.map(|_| ())
}

/// Loads a weights file in several ways, which must agree, and holds the verdict against the format's own library.
fn check_weights(bytes: &[u8], chunk: usize) -> Result<(), TestCaseError> {
    let source = folder()
        .with("model.safetensors", bytes)
        .in_chunks_of(chunk);
    let sized = load(&source);
    let unsized_ = load(&source.without_sizes());
    prop_assert_eq!(
        sized.is_ok(),
        unsized_.is_ok(),
        "{:?} / {:?}",
        sized,
        unsized_
    );
    let library = SafeTensors::deserialize(bytes);
    match sized {
        Ok(()) => prop_assert!(
            library.is_ok(),
            "accepted what the library refuses: {:?}",
            library.err()
        ),
        Err(e) => {
            prop_assert!(
                !e.to_string().is_empty() && e.to_string().len() < 4000,
                "{}",
                e
            );
            // What the format allows is refused only for what this model asks beyond it, or for a name given twice.
            let beyond = [
                "missing-tensor",
                "extra-tensor",
                "wrong-shape",
                "unsupported-dtype",
                "non-finite",
            ];
            let twice = e.to_string().contains("listed twice");
            prop_assert!(
                library.is_err() || twice || beyond.contains(&e.kind()),
                "refused what the library accepts: {}",
                e
            );
        }
    }
    Ok(())
}

/// One small damage.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index, u8),
    Insert(Index, Vec<u8>),
    Repeat(Index, u8),
    Cut(Index),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..8),
        prop::sample::select(vec![
            "0",
            "-1",
            "9999999999999999999",
            "1e999",
            "null",
            "[",
            "{",
            "\"",
            ",",
            "\\u0000",
            "\u{202e}",
            "true",
            "\"F64\"",
            "{}"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
    ];
    let one = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(i, b)| Damage::Set(i, b)),
        (any::<Index>(), 0u8..8).prop_map(|(i, b)| Damage::Flip(i, b)),
        (any::<Index>(), 1u8..32).prop_map(|(i, n)| Damage::Remove(i, n)),
        (any::<Index>(), piece).prop_map(|(i, p)| Damage::Insert(i, p)),
        (any::<Index>(), 1u8..64).prop_map(|(i, n)| Damage::Repeat(i, n)),
        any::<Index>().prop_map(Damage::Cut),
    ];
    prop::collection::vec(one, 1..6)
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Set(i, b) => *i.get_mut(&mut bytes) = *b,
            Damage::Flip(i, b) => *i.get_mut(&mut bytes) ^= 1 << b,
            Damage::Remove(i, n) => {
                let at = i.index(bytes.len());
                drop(bytes.drain(at..(at + usize::from(*n)).min(bytes.len())));
            }
            Damage::Insert(i, piece) => {
                let at = i.index(bytes.len());
                drop(bytes.splice(at..at, piece.iter().copied()));
            }
            Damage::Repeat(i, n) => {
                let at = i.index(bytes.len());
                let piece = bytes[at..(at + usize::from(*n)).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            Damage::Cut(i) => bytes.truncate(i.index(bytes.len())),
        }
    }
    bytes
}

/// A number a header might lie with.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..64,
        Just(u64::MAX),
        Just(1 << 32),
        Just(1 << 53),
        any::<u64>()
    ]
}

/// A well-formed header with any entries.
fn header() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "model.norm.weight",
            "lm_head.weight",
            "a",
            "__metadata__",
            ""
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}"
    ];
    let dtype = prop::sample::select(vec!["F32", "F16", "BF16", "F64", "F4", "BOOL", "Q8_0", ""]);
    let entry = (
        name,
        dtype,
        prop::collection::vec(number(), 0..4),
        number(),
        number(),
    );
    prop::collection::vec(entry, 0..5).prop_map(|entries| {
        let one = |(name, dtype, shape, begin, end): (String, &str, Vec<u64>, u64, u64)| {
            format!(
                "{}:{}",
                json!(name),
                json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})
            )
        };
        format!(
            "{{{}}}",
            entries.into_iter().map(one).collect::<Vec<_>>().join(",")
        )
    })
}

/// Any JSON, shallow.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "silu",
            "default",
            "▁",
            "<unk>",
            "BPE",
            "WordLevel",
            "Unigram",
            "WordPiece",
            "ByteLevel",
            "Metaspace",
            "Sequence",
            "first",
            "Right"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(
                prop::sample::select(vec![
                    "type",
                    "rope_type",
                    "rope_theta",
                    "content",
                    "id",
                    "vocab",
                    "pattern"
                ])
                .prop_map(str::to_owned),
                inner,
                0..4
            )
            .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

/// Replaces one value somewhere in a tree. `path` chooses the way down; its end is where the value goes.
fn replace(tree: &mut Value, path: &[Index], new: Value) {
    let (first, rest) = match path.split_first() {
        Some(split) => split,
        None => return *tree = new,
    };
    match tree {
        Value::Object(map) if !map.is_empty() => {
            let at = first.index(map.len());
            if let Some(inner) = map.values_mut().nth(at) {
                replace(inner, rest, new);
            }
        }
        Value::Array(list) if !list.is_empty() => replace(first.get_mut(list), rest, new),
        _ => *tree = new,
    }
}

fn check_config(text: &str) -> Result<(), TestCaseError> {
    match Config::from_json(text) {
        Ok(c) => {
            // What is accepted is sound: sizes multiply, names can be listed.
            prop_assert!(
                c.num_hidden_layers <= 4096
                    && c.num_attention_heads.is_multiple_of(c.num_key_value_heads)
            );
            let fits = |shape: &[usize]| {
                shape
                    .iter()
                    .try_fold(1u64, |n, &s| n.checked_mul(s as u64))
                    .is_some()
            };
            prop_assert!(c.tensor_shapes().all(|(_, shape)| fits(&shape)));
            prop_assert!(c.parameters() > 0);
        }
        Err(e) => prop_assert!(!e.to_string().is_empty() && e.to_string().len() < 1000),
    }
    modest();
    Ok(())
}

fn check_tokenizer(bytes: &[u8], text: &str) {
    if let Ok(t) = Tokenizer::from_json(bytes, &TokenizerConfig::default(), 1000) {
        let ids = t
            .encode("hello wörld one \u{1f469} <|im_end|>", true)
            .unwrap_or_default();
        let more = t.encode(text, false).unwrap_or_default();
        let mut stream = StreamDecoder::new(true);
        for id in ids
            .into_iter()
            .chain(more)
            .take(64)
            .chain([0, 1, 200, 5000])
        {
            let _ = (stream.push(&t, id), t.token_text(id));
        }
        let _ = stream.finish(&t);
    }
    modest();
}

fn tokenizers() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        byte_level(),
        byte_fallback(),
        metaspace(),
        word_piece(),
        unigram(),
    ])
}

#[test]
fn weights_cut_or_changed_at_every_byte() {
    let whole = serialize(&tensors(&config()));
    for at in 0..whole.len() {
        check_weights(&whole[..at], 1 << 20).unwrap_or_else(|e| panic!("cut at {at}: {e}"));
        for mask in [0x01, 0x20, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            check_weights(&bytes, 1 << 20).unwrap_or_else(|e| panic!("{at} ^ {mask}: {e}"));
        }
    }
}

#[test]
fn a_tokenizer_cut_at_every_byte() {
    for json in [metaspace(), word_piece(), unigram()] {
        let whole = json.to_string();
        for at in 0..whole.len() {
            check_tokenizer(&whole.as_bytes()[..at], "");
        }
        let whole = Tokenizer::from_json(whole.as_bytes(), &TokenizerConfig::default(), 1000);
        assert!(whole.is_ok_and(|t| t.encode("hello", true).is_ok_and(|ids| !ids.is_empty())));
    }
}

proptest! {
    #[test]
    fn safetensors_of_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), length in prop::option::of(number()), chunk in 1usize..64) {
        let mut bytes = bytes;
        if let (Some(n), Some(field)) = (length, bytes.first_chunk_mut::<8>()) {
            *field = n.to_le_bytes();
        }
        check_weights(&bytes, chunk)?;
    }

    #[test]
    fn safetensors_damaged(damage in damages(), chunk in 1usize..5000) {
        check_weights(&damaged(serialize(&tensors(&config())), &damage), chunk)?;
    }

    #[test]
    fn safetensors_with_any_header(header in header(), data in 0usize..100) {
        check_weights(&file_with(&header, data), 1000)?;
    }

    #[test]
    fn safetensors_index_of_any_kind(path in prop::collection::vec(any::<Index>(), 0..3), new in value(), damage in prop::option::of(damages())) {
        let mut index = json!({"metadata": {"total_size": 100}, "weight_map": {}});
        for (name, _) in config().tensor_shapes() {
            index["weight_map"][name] = json!("model.safetensors.1.safetensors");
        }
        replace(&mut index, &path, new);
        let bytes = index.to_string().into_bytes();
        let bytes = damage.map_or(bytes.clone(), |d| damaged(bytes, &d));
        let source = folder().without("model.safetensors").with("model.safetensors.index.json", bytes).with("model.safetensors.1.safetensors", serialize(&tensors(&config())));
        let _ = load(&source);
    }

    #[test]
    fn config_of_random_text(text in "\\PC{0,60}") {
        check_config(&text)?;
    }

    #[test]
    fn config_damaged(damage in damages()) {
        check_config(&String::from_utf8_lossy(&damaged(config_json().to_string().into_bytes(), &damage)))?;
    }

    #[test]
    fn config_with_any_values(changes in prop::collection::vec((prop::collection::vec(any::<Index>(), 1..3), value()), 1..4)) {
        let mut json = config_json();
        for (path, new) in changes {
            replace(&mut json, &path, new);
        }
        check_config(&json.to_string())?;
        let _ = GenerationConfig::from_json(json.to_string().as_bytes());
        let _ = TokenizerConfig::from_json(json.to_string().as_bytes());
    }

    #[test]
    fn tokenizer_of_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        check_tokenizer(&bytes, "");
    }

    #[test]
    fn tokenizer_damaged(json in tokenizers(), damage in damages()) {
        check_tokenizer(&damaged(json.to_string().into_bytes(), &damage), "");
    }

    #[test]
    fn tokenizer_of_any_parts(json in parts::rebuilt(tokenizers()), text in "\\PC{0,20}") {
        check_tokenizer(json.to_string().as_bytes(), &text);
    }

    #[test]
    fn tokenizer_with_any_values(json in tokenizers(), changes in prop::collection::vec((prop::collection::vec(any::<Index>(), 1..5), value()), 1..3)) {
        let mut json = json;
        for (path, new) in changes {
            replace(&mut json, &path, new);
        }
        check_tokenizer(json.to_string().as_bytes(), "");
    }
}

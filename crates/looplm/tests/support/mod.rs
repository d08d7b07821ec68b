//! Small models, files, and tokenizers made in the test itself.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::BTreeMap;
use std::convert::Infallible;

use looplm::Config;
use looplm::checkpoint::{
    Checkpoint, CheckpointError, LoadError, Loaded, MemorySource, Progress, Source, TensorInfo,
    TensorSink, read_config,
};
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// A model of a few hundred numbers: V 7, D 4, I 6, two layers, two heads on one key/value head.
pub(crate) fn config_json() -> Value {
    json!({
        "model_type": "ouro", "vocab_size": 7, "hidden_size": 4, "intermediate_size": 6, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "total_ut_steps": 4, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
        "max_position_embeddings": 64, "hidden_act": "silu", "tie_word_embeddings": false, "rope_scaling": null,
    })
}

pub(crate) fn config() -> Config {
    parse(&config_json())
}

pub(crate) fn parse(json: &Value) -> Config {
    Config::from_json(&json.to_string()).expect("a valid configuration")
}

/// Every tensor the configuration asks for: name, type, shape, bytes. Element i of tensor n is n + i / 64.
pub(crate) fn tensors(config: &Config) -> BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
    let one = |(n, (name, shape)): (usize, (String, Vec<usize>))| {
        let bytes = (0..shape.iter().product())
            .flat_map(|i: usize| (n as f32 + i as f32 / 64.0).to_le_bytes())
            .collect();
        (name, (Dtype::F32, shape, bytes))
    };
    config.tensor_shapes().enumerate().map(one).collect()
}

pub(crate) fn serialize<'a>(
    tensors: impl IntoIterator<Item = (&'a String, &'a (Dtype, Vec<usize>, Vec<u8>))>,
) -> Vec<u8> {
    let views = tensors.into_iter().map(|(name, (dtype, shape, bytes))| {
        (
            name.clone(),
            TensorView::new(*dtype, shape.clone(), bytes).expect("bytes that fit the shape"),
        )
    });
    safetensors::serialize(views, None).expect("a checkpoint")
}

/// A folder with the tiny model.
pub(crate) fn folder() -> MemorySource {
    let config = config();
    MemorySource::new()
        .with("config.json", config_json().to_string())
        .with("model.safetensors", serialize(&tensors(&config)))
}

/// A safetensors file with this header and this many bytes of data.
pub(crate) fn file_with(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// Keeps what it is given, and checks the promises made to sinks.
#[derive(Debug, Default)]
pub(crate) struct Collect {
    pub(crate) tensors: Vec<(TensorInfo, Vec<u8>)>,
    pub(crate) largest: usize,
    open: bool,
    short: bool,
}

#[async_trait::async_trait(?Send)]
impl TensorSink for Collect {
    type Error = Infallible;

    async fn begin(&mut self, tensor: &TensorInfo) -> Result<(), Infallible> {
        assert!(!self.open, "{} begins inside another", tensor.name);
        (self.open, self.short) = (true, false);
        self.tensors.push((tensor.clone(), Vec::new()));
        Ok(())
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        assert!(
            self.open && !bytes.is_empty() && !self.short,
            "a piece out of place"
        );
        self.short = !bytes.len().is_multiple_of(16);
        self.largest = self.largest.max(bytes.len());
        self.tensors
            .last_mut()
            .expect("begun")
            .1
            .extend_from_slice(bytes);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Infallible> {
        assert!(self.open);
        self.open = false;
        let (info, bytes) = self.tensors.last().expect("begun");
        assert_eq!(info.bytes, bytes.len() as u64);
        assert_eq!(
            bytes.len(),
            info.shape.iter().product::<usize>() * info.dtype.bits() / 8
        );
        Ok(())
    }
}

pub(crate) fn load(source: &dyn Source) -> Result<(Loaded, Collect), CheckpointError> {
    let config = block_on(read_config(source))?;
    let mut sink = Collect::default();
    let (mut last, mut total) = (0, 0);
    let loaded = block_on(async {
        let checkpoint = Checkpoint::open(source, &config).await?;
        let mut progress = |p: Progress<'_>| {
            assert!(p.loaded >= last && p.loaded <= p.total, "{p:?}");
            (last, total) = (p.loaded, p.total);
        };
        checkpoint
            .load(&mut sink, &mut progress)
            .await
            .map_err(|LoadError::Checkpoint(e)| e)
    })?;
    assert_eq!(last, total, "the progress ends at its total");
    assert_eq!((loaded.tensors, loaded.bytes), (sink.tensors.len(), last));
    Ok((loaded, sink))
}

pub(crate) fn refuse(source: &dyn Source) -> CheckpointError {
    load(source).map(|_| ()).expect_err("must be refused")
}

/// The folder of the tiny model, its weights changed.
pub(crate) fn changed(
    change: impl FnOnce(&mut BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>),
) -> MemorySource {
    let mut all = tensors(&config());
    change(&mut all);
    folder().with("model.safetensors", serialize(&all))
}

pub(crate) fn sharded() -> (MemorySource, serde_json::Value) {
    let all = tensors(&config());
    let first: Vec<_> = all
        .iter()
        .filter(|(name, _)| name.contains(".0."))
        .collect();
    let second: Vec<_> = all
        .iter()
        .filter(|(name, _)| !name.contains(".0."))
        .collect();
    let mut map = serde_json::Map::new();
    for (shard, file) in [
        (&first, "model-00001-of-00002.safetensors"),
        (&second, "model-00002-of-00002.safetensors"),
    ] {
        map.extend(shard.iter().map(|(name, _)| ((*name).clone(), json!(file))));
    }
    let bytes: usize = all.values().map(|t| t.2.len()).sum();
    let index = json!({"metadata": {"total_size": bytes}, "weight_map": map});
    let source = folder()
        .without("model.safetensors")
        .with("model.safetensors.index.json", index.to_string())
        .with("model-00001-of-00002.safetensors", serialize(first))
        .with("model-00002-of-00002.safetensors", serialize(second));
    (source, index)
}

/// The printable character GPT-2 writes a byte as.
pub(crate) fn byte_char(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&b| !printable(b)).count() as u32;
    char::from_u32(0x100 + rank).expect("a character")
}

/// Byte-level BPE as GPT-2's: token b is the byte b, then a few merges, then `<|endoftext|>`, `<|im_start|>`, `<|im_end|>`.
pub(crate) fn byte_level() -> Value {
    let mut vocab: BTreeMap<String, u32> = (0..=255u8)
        .map(|b| (byte_char(b).to_string(), u32::from(b)))
        .collect();
    let word = |s: &str| s.bytes().map(byte_char).collect::<String>();
    let merges = [
        ("h", "e"),
        ("l", "l"),
        ("he", "ll"),
        ("hell", "o"),
        (" ", "w"),
    ];
    for (id, (a, b)) in (256..).zip(merges) {
        vocab.insert(word(&format!("{a}{b}")), id);
    }
    let merges: Vec<String> = merges
        .iter()
        .map(|(a, b)| format!("{} {}", word(a), word(b)))
        .collect();
    let special: Vec<Value> = (261..)
        .zip(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        .map(|(id, content)| added(id, content))
        .collect();
    json!({
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": null, "added_tokens": special, "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": merges},
    })
}

pub(crate) fn added(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
}

/// BPE with byte fallback as Llama's: 0 `<unk>`, 1 `<s>`, then `<0x00>` to `<0xFF>` (2 to 257), then `▁` and some letters.
pub(crate) fn byte_fallback() -> Value {
    let mut vocab = BTreeMap::from([("<unk>".to_owned(), 0), ("<s>".to_owned(), 1)]);
    vocab.extend((0..=255u32).map(|b| (format!("<0x{b:02X}>"), b + 2)));
    vocab.extend("▁abcd".chars().map(String::from).zip(258..));
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [added(0, "<unk>"), added(1, "<s>")],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                    {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "vocab": vocab, "merges": []},
    })
}

/// Whole words with the space before each written as `▁`: 0 `<s>`, 1 `▁one`, 2 `▁two`, 3 `▁three`, 4 `<unk>`.
pub(crate) fn metaspace() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [added(0, "<s>")], "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}, "post_processor": null,
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "WordLevel", "vocab": {"<s>": 0, "▁one": 1, "▁two": 2, "▁three": 3, "<unk>": 4}, "unk_token": "<unk>"},
    })
}

/// WordPiece with BERT's parts and a template around every text: 0 `[UNK]`, 1 `[CLS]`, 2 `[SEP]`, then `he`, `##llo`, `one`, `##s`.
pub(crate) fn word_piece() -> Value {
    let special = |id: &str, n: u32| json!({id: {"id": id, "ids": [n], "tokens": [id]}});
    let mut special_tokens = special("[CLS]", 1);
    special_tokens["[SEP]"] = special("[SEP]", 2)["[SEP]"].clone();
    let piece = |kind: &str, id: &str| json!({kind: {"id": id, "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[UNK]"},
        "added_tokens": [added(0, "[UNK]"), added(1, "[CLS]"), added(2, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, {"type": "Digits", "individual_digits": true},
                          {"type": "Split", "pattern": {"Regex": "x+"}, "behavior": "Isolated", "invert": false}]},
        "post_processor": {"type": "TemplateProcessing", "single": [piece("SpecialToken", "[CLS]"), piece("Sequence", "A"), piece("SpecialToken", "[SEP]")],
                           "pair": [piece("Sequence", "A"), piece("Sequence", "B")], "special_tokens": special_tokens},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "he": 3, "##llo": 4, "one": 5, "##s": 6}},
    })
}

/// Unigram as SentencePiece's: 0 `<unk>`, 1 `▁`, then letters and words with their log probabilities.
pub(crate) fn unigram() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [added(0, "<unk>")],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Strip", "strip_left": true, "strip_right": true},
                       {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false},
        "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}]},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false},
                    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": [["<unk>", 0.0], ["▁", -2.0], ["h", -3.0], ["e", -3.0], ["l", -3.0],
                  ["o", -3.0], ["▁hello", -1.5], ["▁one", -1.0]]},
    })
}

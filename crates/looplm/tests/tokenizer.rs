//! Text and token ids; what is refused; where an answer ends.

mod support;

use looplm::checkpoint::MemorySource;
use looplm::error::Coded;
use looplm::generation_config::GenerationConfig;
use looplm::tokenizer::{Tokenizer, TokenizerConfig, TokenizerError};
use pollster::block_on;
use serde_json::{Value, json};
use support::{byte_fallback, byte_level, metaspace};

const IM_END: u32 = 263;

fn tokenizer(json: &Value) -> Tokenizer {
    Tokenizer::from_json(
        json.to_string().as_bytes(),
        &TokenizerConfig::default(),
        1000,
    )
    .expect("a tokenizer")
}

fn refuse(json: &Value, config: &TokenizerConfig, vocab_size: usize) -> TokenizerError {
    Tokenizer::from_json(json.to_string().as_bytes(), config, vocab_size)
        .map(|_| ())
        .expect_err("must be refused")
}

#[test]
fn text_goes_there_and_back_whole() {
    let t = tokenizer(&byte_level());
    let ids = t.encode("hello world", true).expect("ids");
    assert_eq!(t.decode(&ids, true).expect("text"), "hello world");
    assert_eq!(
        ids[0], 259,
        "`hello` is one token: the truncation to four tokens in the file is off, the merges are not"
    );
    assert!(ids.len() > 4);
    assert_eq!(t.encode("<|im_end|>", false).expect("ids"), [IM_END]);
    assert_eq!(t.decode(&[259, IM_END], true).expect("text"), "hello");
    assert_eq!(
        t.decode(&[259, IM_END, 999], false).expect("text"),
        "hello<|im_end|>"
    );
    assert_eq!(
        (
            t.vocab_size(),
            t.token_id("<|im_end|>"),
            t.is_special(IM_END),
            t.is_special(259)
        ),
        (264, Some(IM_END), true, false)
    );
}

#[test]
fn a_token_reads_as_a_person_would_read_it() {
    let t = tokenizer(&byte_level());
    assert_eq!(t.token_text(259), "hello");
    assert_eq!(t.token_text(260), " w");
    assert_eq!(t.token_text(IM_END), "<|im_end|>");
    assert_eq!(t.token_text(0xe4), "<0xE4>");
    assert_eq!(t.token_text(0x0a), "\n");
    assert_eq!(t.token_text(999), "<id 999>");
    let t = tokenizer(&byte_fallback());
    assert_eq!(
        (t.token_text(0xe4 + 2).as_str(), t.token_text(259).as_str()),
        ("<0xE4>", "a")
    );
    let t = tokenizer(&metaspace());
    assert_eq!(t.token_text(2), " two");
}

#[test]
fn a_wrong_tokenizer_is_refused() {
    let none = TokenizerConfig::default();
    let malformed = refuse(&json!({"model": 1}), &none, 10);
    assert_eq!(
        (malformed.kind(), malformed.code()),
        ("tokenizer-malformed", "tokenizer-invalid")
    );
    assert_eq!(
        Tokenizer::from_json(b"\xff", &none, 10)
            .expect_err("must be refused")
            .kind(),
        "tokenizer-malformed"
    );

    let many = refuse(&byte_level(), &none, 263);
    assert_eq!(
        (many.kind(), many.code(), many.details().found.as_deref()),
        ("too-many-tokens", "tokenizer-invalid", Some("264"))
    );
    assert!(Tokenizer::from_json(byte_level().to_string().as_bytes(), &none, 264).is_ok());

    let mut no_unknown = metaspace();
    no_unknown["model"]["unk_token"] = json!("<none>");
    let t = tokenizer(&no_unknown);
    let unknown = t.encode("four", false).expect_err("must be refused");
    assert_eq!(
        (unknown.kind(), unknown.code()),
        ("encode", "invalid-argument")
    );
    assert_eq!(TokenizerError::Missing.code(), "tokenizer-missing");
}

/// Each of these makes the library panic, on reading it or on the first text.
#[test]
fn what_the_library_would_panic_on_is_refused() {
    let template = |single: Value| json!({"type": "TemplateProcessing", "single": [single], "pair": [], "special_tokens": {}});
    let empty = template(json!({"Sequence": {"id": "A", "type_id": 0}}));
    let replace = |pattern: Value| json!({"type": "Replace", "pattern": pattern, "content": "x"});
    let within = |kind: &str, part: Value| json!({"type": "Sequence", kind: [part]});
    for (name, part) in [
        (
            "normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "!"}),
        ),
        ("normalizer", json!([""])),
        ("normalizer", json!({"type": "Prepend", "prepend": ""})),
        (
            "normalizer",
            within("normalizers", json!({"type": "Prepend", "prepend": ""})),
        ),
        ("normalizer", replace(json!({"String": ""}))),
        ("normalizer", replace(json!({"Regex": "x*"}))),
        ("normalizer", replace(json!({"Regex": "(?=x)"}))),
        (
            "pre_tokenizer",
            within("pretokenizers", json!({"type": "FixedLength", "length": 0})),
        ),
        (
            "post_processor",
            template(json!({"SpecialToken": {"id": "<x>", "type_id": 0}})),
        ),
        (
            "post_processor",
            template(json!({"Sequence": {"id": "B", "type_id": 0}})),
        ),
        (
            "post_processor",
            json!({"type": "Sequence", "processors": [empty.clone(), empty]}),
        ),
        (
            "decoder",
            json!({"type": "Strip", "content": " ", "start": 0, "stop": 1}),
        ),
        (
            "decoder",
            within(
                "decoders",
                json!({"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": false}),
            ),
        ),
        ("decoder", within("decoders", json!(null))),
    ] {
        let mut json = metaspace();
        json[name] = part;
        assert_eq!(
            refuse(&json, &TokenizerConfig::default(), 10).kind(),
            "tokenizer-malformed",
            "{}",
            json[name]
        );
    }
    let mut json = byte_level();
    json["model"]["continuing_subword_prefix"] = json!("##");
    assert_eq!(
        refuse(&json, &TokenizerConfig::default(), 1000).kind(),
        "tokenizer-malformed"
    );
    let whole = byte_level().to_string();
    let inside = whole.find("\"decoder\"").expect("a decoder") + 20;
    let cut = Tokenizer::from_json(
        &whole.as_bytes()[..inside],
        &TokenizerConfig::default(),
        1000,
    );
    assert_eq!(
        cut.expect_err("must be refused").kind(),
        "tokenizer-malformed"
    );

    let mut empty_decoder = metaspace();
    empty_decoder["decoder"] = json!({"type": "BPEDecoder", "suffix": "</w>"});
    assert_eq!(
        tokenizer(&empty_decoder)
            .decode(&[0, 77], true)
            .expect("text"),
        ""
    );
}

/// What the rules must let through, as published tokenizers have it.
#[test]
fn published_parts_are_accepted() {
    let ids = |json: &Value| tokenizer(json).encode("hello", true).expect("ids");
    assert_eq!(
        ids(&support::word_piece()),
        [1, 3, 4, 2],
        "a template around the text"
    );
    assert_eq!(
        tokenizer(&support::word_piece())
            .decode(&[1, 3, 4, 5], true)
            .expect("text"),
        "hello one"
    );
    assert_eq!(
        tokenizer(&support::unigram())
            .decode(&ids(&support::unigram()), true)
            .expect("text"),
        "hello"
    );
    let mut json = byte_level();
    json["normalizer"] =
        json!({"type": "Replace", "pattern": {"Regex": " {2,}|\\t+"}, "content": " "});
    json["post_processor"] = json!({"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [262], "tokens": ["<|im_start|>"]}}},
    ]});
    assert_eq!(ids(&json), [262, 259]);
    json["model"]["continuing_subword_prefix"] = json!("");
    assert_eq!(ids(&json), [262, 259]);
}

#[test]
fn a_decoder_that_refuses_is_an_error() {
    let mut json = metaspace();
    json["decoder"] = json!({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"Regex": "(?:)"}, "content": "x"}]});
    // Whatever the library makes of an empty match, it must not be a panic.
    if let Ok(t) =
        Tokenizer::from_json(json.to_string().as_bytes(), &TokenizerConfig::default(), 10)
    {
        let _ = t
            .decode(&[1, 2], false)
            .map_err(|e| assert_eq!(e.kind(), "decode"));
    }
}

#[test]
fn tokens_that_only_tokenizer_config_lists_are_added() {
    let config = |json: Value| {
        TokenizerConfig::from_json(json.to_string().as_bytes()).expect("a configuration")
    };
    let think = |id: &str| {
        config(
            json!({"added_tokens_decoder": {id: {"content": "<think>", "special": false}, "263": {"content": "<|im_end|>", "special": true}}}),
        )
    };
    let t = Tokenizer::from_json(byte_level().to_string().as_bytes(), &think("264"), 1000)
        .expect("a tokenizer");
    assert_eq!(
        t.encode("a<think>", false).expect("ids"),
        [u32::from(b'a'), 264]
    );
    assert_eq!(t.decode(&[264], true).expect("text"), "<think>");
    let wrong = refuse(&byte_level(), &think("300"), 1000);
    assert_eq!(
        (
            wrong.kind(),
            wrong.details().expected.as_deref(),
            wrong.details().found.as_deref()
        ),
        ("added-token", Some("300"), Some("264"))
    );

    let roles = config(
        json!({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": [{"name": "tool", "template": "x"}], "unknown": 1}),
    );
    assert_eq!(
        (
            roles.bos_token.as_deref(),
            roles.eos_token.as_deref(),
            roles.chat_templates.len()
        ),
        (Some("<s>"), Some("</s>"), 1)
    );
    for bad in [
        "",
        "7",
        r#"{"added_tokens_decoder": {"x": {"content": ""}}}"#,
        r#"{"chat_template": 1}"#,
    ] {
        assert_eq!(
            TokenizerConfig::from_json(bad.as_bytes())
                .expect_err("must be refused")
                .kind(),
            "tokenizer-malformed",
            "{bad}"
        );
    }
}

#[test]
fn a_folder_need_not_have_a_tokenizer() {
    let read = |source: &MemorySource| {
        block_on(async {
            let config = TokenizerConfig::read(source).await?;
            Tokenizer::read(source, &config, 1000).await
        })
    };
    assert!(read(&MemorySource::new()).expect("no error").is_none());
    let with = MemorySource::new()
        .with("tokenizer.json", byte_level().to_string())
        .with("tokenizer_config.json", "{}");
    assert!(read(&with).expect("a tokenizer").is_some());
    assert_eq!(
        read(&with.with("tokenizer_config.json", "{"))
            .expect_err("must be refused")
            .kind(),
        "tokenizer-malformed"
    );
}

#[test]
fn stop_ids_are_those_of_generation_config_and_the_end_of_a_turn() {
    let t = tokenizer(&byte_level());
    let read =
        |json: Value| GenerationConfig::from_json(json.to_string().as_bytes()).expect("settings");
    assert_eq!(
        read(json!({"eos_token_id": 0})).stop_ids(Some(&t)),
        [0, IM_END]
    );
    assert_eq!(
        read(json!({"eos_token_id": [IM_END, 5, 0]})).stop_ids(Some(&t)),
        [0, 5, IM_END]
    );
    assert_eq!(
        read(json!({"eos_token_id": null})).stop_ids(None),
        [0u32; 0]
    );
    assert_eq!(
        read(json!({})).stop_ids(Some(&tokenizer(&metaspace()))),
        [0u32; 0]
    );
}

#[test]
fn generation_settings_are_read_or_refused() {
    let text = json!({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.7, "repetition_penalty": 1.1, "max_new_tokens": 512, "eos_token_id": [0, 2], "x": {}});
    let c = GenerationConfig::from_json(text.to_string().as_bytes()).expect("settings");
    assert_eq!(
        (c.do_sample, c.temperature, c.top_k, c.top_p),
        (Some(true), Some(0.6), Some(20), Some(0.7))
    );
    assert_eq!(
        (c.repetition_penalty, c.max_new_tokens, c.eos_token_ids),
        (Some(1.1), Some(512), vec![0, 2])
    );
    assert_eq!(
        block_on(GenerationConfig::read(&MemorySource::new())).expect("the default"),
        GenerationConfig::default()
    );
    for (field, value) in [
        ("eos_token_id", json!(-1)),
        ("eos_token_id", json!([0, "x"])),
        ("eos_token_id", json!(1u64 << 32)),
        ("do_sample", json!(1)),
        ("temperature", json!(-0.1)),
        ("temperature", json!("hot")),
        ("top_k", json!(-1)),
        ("top_p", json!(0)),
        ("top_p", json!(1.5)),
        ("repetition_penalty", json!(0)),
        ("max_new_tokens", json!(1.5)),
        ("temperature", json!(1e300)),
        ("top_p", json!(1e-60)),
    ] {
        let error = GenerationConfig::from_json(json!({field: value}).to_string().as_bytes())
            .expect_err("must be refused");
        assert_eq!(
            (error.kind(), error.details().field.as_deref()),
            ("invalid-field", Some(field))
        );
    }
    for bad in ["", "[]", "{"] {
        assert_eq!(
            GenerationConfig::from_json(bad.as_bytes())
                .expect_err("must be refused")
                .kind(),
            "config-not-json"
        );
    }
    let large = MemorySource::new().with("generation_config.json", " ".repeat(2 << 20));
    assert_eq!(
        block_on(GenerationConfig::read(&large))
            .expect_err("must be refused")
            .kind(),
        "file-too-large"
    );
}

#[test]
fn the_shell_game_tokenizer_reads_moves() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shell-game");
    let source = looplm::checkpoint::FolderSource::new(root).expect("the model");
    let config = block_on(looplm::checkpoint::read_config(&source)).expect("a configuration");
    let roles = block_on(TokenizerConfig::read(&source)).expect("roles");
    let t = block_on(Tokenizer::read(&source, &roles, config.vocab_size))
        .expect("reads")
        .expect("a tokenizer");
    let ids = t.encode("Swap12 LEFT stay", false).expect("ids");
    let words: Vec<String> = ids.iter().map(|&id| t.token_text(id)).collect();
    assert_eq!(words, ["swap12", "left", "stay"]);
    assert_eq!(t.decode(&ids, true).expect("text"), "swap12 left stay");
}

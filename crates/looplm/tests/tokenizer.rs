//! Text and token ids, whole and as a stream; where an answer ends.

mod support;

use looplm::checkpoint::MemorySource;
use looplm::error::Coded;
use looplm::generation_config::GenerationConfig;
use looplm::tokenizer::{StopMatcher, StreamDecoder, Tokenizer, TokenizerConfig, TokenizerError};
use pollster::block_on;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{byte_fallback, byte_level, metaspace};

const ENDOFTEXT: u32 = 261;
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

/// The pieces of a stream, its last included.
fn stream(tokenizer: &Tokenizer, ids: &[u32], skip_special: bool) -> Vec<String> {
    let mut stream = StreamDecoder::new(skip_special);
    let mut pieces: Vec<String> = ids
        .iter()
        .map(|&id| stream.push(tokenizer, id).expect("text"))
        .collect();
    pieces.push(stream.finish(tokenizer).expect("text"));
    pieces
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
fn a_stream_never_cuts_a_character() {
    for json in [byte_level(), byte_fallback()] {
        let t = tokenizer(&json);
        let text = "a\u{e9}b 你好 👩‍👩‍👧 🇩🇪d";
        let ids = t.encode(text, false).expect("ids");
        let pieces = stream(&t, &ids, true);
        assert!(pieces.iter().all(|p| !p.contains('\u{fffd}')), "{pieces:?}");
        assert_eq!(pieces.concat(), text);
        assert!(
            pieces.iter().filter(|p| !p.is_empty()).count() > 10,
            "it is streamed, not held: {pieces:?}"
        );
    }
}

#[test]
fn an_incomplete_character_at_the_end_is_said_to_be_one() {
    let t = tokenizer(&byte_level());
    assert_eq!(
        stream(&t, &[0x61, 0xe4, 0xbd], true),
        ["a", "", "", "\u{fffd}"]
    );
}

#[test]
fn a_stream_keeps_spaces_and_leaves_special_tokens_out() {
    let t = tokenizer(&metaspace());
    assert_eq!(
        stream(&t, &[1, 2, 0, 3], true),
        ["one", " two", "", " three", ""]
    );
    assert_eq!(stream(&t, &[0, 1, 2], true).concat(), "one two");
    let mut after = StreamDecoder::after(&t, &[1, 0], true).expect("a stream");
    assert_eq!(
        after.push(&t, 2).expect("text"),
        " two",
        "what continues a prompt keeps its space"
    );
}

#[test]
fn garbage_without_end_is_let_out_and_costs_little() {
    let t = tokenizer(&byte_level());
    let mut stream = StreamDecoder::new(true);
    let mut text = String::new();
    for _ in 0..5000 {
        text += &stream.push(&t, 0xff).expect("text");
    }
    assert!(text.chars().count() > 4900, "{}", text.chars().count());
    // Special tokens add nothing, so they must not pile up either.
    let started = std::time::Instant::now();
    for _ in 0..50_000 {
        assert_eq!(stream.push(&t, ENDOFTEXT).expect("text"), "");
    }
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn a_decoder_that_revises_its_text_never_stops_the_stream() {
    let t = tokenizer(&byte_fallback());
    // A whole character, then a byte that makes the run of bytes invalid, then a letter.
    let byte = |b: u8| u32::from(b) + 2;
    let ids: Vec<u32> = "你"
        .bytes()
        .map(byte)
        .chain([byte(0xff), 259, 260])
        .collect();
    let text = stream(&t, &ids, true).concat();
    assert!(
        text.starts_with('你') && text.contains('\u{fffd}') && text.ends_with("ab"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn a_byte_level_stream_joins_to_the_whole(ids in prop::collection::vec(0u32..270, 0..200), skip in any::<bool>()) {
        let t = tokenizer(&byte_level());
        prop_assert_eq!(stream(&t, &ids, skip).concat(), t.decode(&ids, skip).expect("text"));
    }

    #[test]
    fn a_stream_of_text_joins_to_the_text(text in "\\PC{0,60}", fallback in any::<bool>()) {
        let t = tokenizer(&if fallback { byte_fallback() } else { byte_level() });
        let ids = t.encode(&text, false).expect("ids");
        let pieces = stream(&t, &ids, true);
        prop_assert_eq!(pieces.concat(), t.decode(&ids, true).expect("text"));
        if !text.contains('\u{fffd}') {
            prop_assert!(pieces.iter().all(|p| !p.contains('\u{fffd}')), "{:?}", pieces);
        }
    }

    #[test]
    fn any_stream_of_any_kind_ends(ids in prop::collection::vec(0u32..270, 0..60), which in 0usize..3, skip in any::<bool>()) {
        let t = tokenizer(&[byte_level(), byte_fallback(), metaspace()][which]);
        let joined = stream(&t, &ids, skip).concat();
        if which != 1 {
            prop_assert_eq!(joined, t.decode(&ids, skip).expect("text"));
        }
    }

    #[test]
    fn stop_strings_do_not_depend_on_the_pieces(text in "[abc]{0,30}", stops in prop::collection::vec("[abc]{0,4}", 0..4), cuts in prop::collection::vec(1usize..5, 30)) {
        let run = |pieces: &[&str]| {
            let mut matcher = StopMatcher::new([], stops.clone());
            let mut out = String::new();
            for piece in pieces {
                let passed = matcher.push(piece);
                out += &passed.text;
                if passed.stopped {
                    return (out, true);
                }
            }
            (out + &matcher.finish(), false)
        };
        let mut rest = text.as_str();
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let (out, stopped) = run(&pieces);
        prop_assert_eq!((&out, stopped), (&run(&[&text]).0, run(&[&text]).1));
        let given: Vec<&String> = stops.iter().filter(|s| !s.is_empty()).collect();
        prop_assert_eq!(stopped, given.iter().any(|s| text.contains(s.as_str())));
        prop_assert!(text.starts_with(&out));
        prop_assert!(given.iter().all(|s| !out.contains(s.as_str())));
    }
}

#[test]
fn a_stop_string_is_held_back_and_left_out() {
    let mut matcher = StopMatcher::new([2, 5], ["END".to_owned(), String::new(), "é!".to_owned()]);
    assert!(matcher.is_stop_id(5) && !matcher.is_stop_id(3));
    let mut say = |text: &str| {
        let passed = matcher.push(text);
        (passed.text, passed.stopped)
    };
    assert_eq!(say("the E"), ("the ".to_owned(), false));
    assert_eq!(say("N"), (String::new(), false));
    assert_eq!(say("é"), ("EN".to_owned(), false));
    assert_eq!(say("x EN"), ("éx ".to_owned(), false));
    assert_eq!(say("D more"), (String::new(), true));
    assert_eq!(say("more"), (String::new(), true));
    let mut open = StopMatcher::new([], ["END".to_owned()]);
    assert_eq!(open.push("EN").text, "");
    assert_eq!(open.finish(), "EN");
}

#[test]
fn a_wrong_tokenizer_is_refused() {
    let none = TokenizerConfig::default();
    let malformed = refuse(&json!({"model": 1}), &none, 10);
    assert_eq!(
        (malformed.kind(), malformed.code()),
        ("tokenizer-malformed", "tokenizer-invalid")
    );
    let mut precompiled = metaspace();
    precompiled["normalizer"] = json!({"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": "!"}]});
    assert_eq!(
        refuse(&precompiled, &none, 10).kind(),
        "tokenizer-malformed"
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
    assert_eq!(stream(&t, &ids, true).concat(), "swap12 left stay");
}

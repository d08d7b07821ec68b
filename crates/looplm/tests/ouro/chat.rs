//! The published chat template and tokenizer layout: exact texts, one token for each mark, and where an answer ends.

use std::collections::BTreeMap;

use looplm::chat::{ChatOptions, ChatTemplate, Message};
use looplm::checkpoint::MemorySource;
use looplm::error::Coded;
use looplm::generation_config::GenerationConfig;
use looplm::tokenizer::{Tokenizer, TokenizerConfig};
use pollster::block_on;
use serde_json::{Value, json};

use crate::published::SMALL;

const TEMPLATE: &str = include_str!("../../../../tests/reference/full_size_template.jinja");
/// The special tokens, at the ids 0 to 16.
const SPECIAL: [&str; 17] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<think>",
    "</think>",
    "<file_sep>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<jupyter_script>",
    "<empty_output>",
];
const TOKENS: usize = 49_152;
const END_OF_TEXT: u32 = 0;
const START: u32 = 1;
const END: u32 = 2;
const THINK: u32 = 3;

fn added(content: &str) -> Value {
    json!({"content": content, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true})
}

/// The letters that stand for the 256 bytes in a byte-level vocabulary: what can be seen stands for itself.
fn letters() -> Vec<char> {
    let seen = |b: &u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let hidden: Vec<u8> = (0..=255).filter(|b| !seen(b)).collect();
    (0..=255u8)
        .map(|b| match hidden.iter().position(|h| *h == b) {
            None => char::from(b),
            Some(i) => char::from_u32(0x100 + i as u32).expect("a letter"),
        })
        .collect()
}

/// A `tokenizer.json` as large as the published one: its special tokens, the bytes, and pairs of bytes.
fn tokenizer_json() -> Value {
    let letters = letters();
    let pairs: Vec<[String; 2]> = letters
        .iter()
        .flat_map(|a| letters.iter().map(move |b| [a.to_string(), b.to_string()]))
        .take(TOKENS - SPECIAL.len() - letters.len())
        .collect();
    let vocabulary: BTreeMap<String, usize> = SPECIAL
        .iter()
        .map(|s| (*s).to_owned())
        .chain(letters.iter().map(char::to_string))
        .chain(pairs.iter().map(|pair| pair.concat()))
        .zip(0..)
        .collect();
    let special: Vec<Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, content)| {
            let mut token = added(content);
            token["id"] = json!(id);
            token
        })
        .collect();
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": special, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level]},
        "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": pairs},
    })
}

/// The folder without weights. The published ones have no `generation_config.json` and keep their template in `tokenizer_config.json`.
fn folder() -> MemorySource {
    let decoder: BTreeMap<String, Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, content)| (id.to_string(), added(content)))
        .collect();
    let config = json!({
        "add_prefix_space": false, "added_tokens_decoder": decoder, "additional_special_tokens": SPECIAL,
        "bos_token": "<|endoftext|>", "chat_template": TEMPLATE, "clean_up_tokenization_spaces": false, "eos_token": "<|endoftext|>",
        "extra_special_tokens": {}, "model_max_length": 131072, "tokenizer_class": "GPT2Tokenizer", "unk_token": "<|endoftext|>",
        "vocab_size": TOKENS,
    });
    MemorySource::new()
        .with("config.json", SMALL.config_json().to_string())
        .with("tokenizer_config.json", config.to_string())
        .with("tokenizer.json", tokenizer_json().to_string())
}

fn read(source: &MemorySource) -> (Tokenizer, ChatTemplate) {
    block_on(async {
        let config = TokenizerConfig::read(source).await.expect("it is there");
        let tokenizer = Tokenizer::read(source, &config, SMALL.config().vocab_size).await;
        let template = ChatTemplate::read(source, &config).await;
        (
            tokenizer.expect("it is right").expect("it is there"),
            template.expect("it is right").expect("it is there"),
        )
    })
}

fn say(turns: &[(&str, &str)]) -> Vec<Message> {
    turns
        .iter()
        .map(|&(role, content)| Message {
            role: role.to_owned(),
            content: content.to_owned(),
        })
        .collect()
}

fn render(
    template: &ChatTemplate,
    turns: &[(&str, &str)],
    enable_thinking: Option<bool>,
) -> String {
    let options = ChatOptions {
        add_generation_prompt: true,
        enable_thinking,
    };
    template.render(&say(turns), options).expect("text")
}

#[test]
fn a_question_with_and_without_thinking() {
    let (_, template) = read(&folder());
    let asked = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n";
    let question = [("user", "2 + 2?")];
    for answer_at_once in [None, Some(false)] {
        assert_eq!(render(&template, &question, answer_at_once), asked);
    }
    assert_eq!(
        render(&template, &question, Some(true)),
        format!("{asked}<think>\n")
    );
}

#[test]
fn a_conversation_with_a_system_turn_of_its_own() {
    let (_, template) = read(&folder());
    let turns = [
        ("system", "Be brief."),
        ("user", "2 + 2?"),
        ("assistant", "<think>\nadd\n</think>\n\n4"),
        ("user", " And <b>3</b>? "),
    ];
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n\
        <|im_start|>user\n2 + 2?<|im_end|>\n\
        <|im_start|>assistant\n<think>\nadd\n</think>\n\n4<|im_end|>\n\
        <|im_start|>user\n And <b>3</b>? <|im_end|>\n";
    let end = "<|im_start|>assistant\n";
    assert_eq!(render(&template, &turns, None), format!("{expected}{end}"));
    assert_eq!(
        render(&template, &turns, Some(true)),
        format!("{expected}{end}<think>\n")
    );
    let options = ChatOptions {
        add_generation_prompt: false,
        enable_thinking: Some(true),
    };
    assert_eq!(
        template.render(&say(&turns), options).as_deref(),
        Ok(expected)
    );
}

#[test]
fn each_mark_is_one_token_of_its_published_id() {
    let (tokenizer, template) = read(&folder());
    assert_eq!(tokenizer.vocab_size(), TOKENS);
    for (id, mark) in (0..).zip(SPECIAL) {
        assert_eq!(tokenizer.token_id(mark), Some(id), "{mark}");
        assert!(tokenizer.is_special(id), "{mark}");
    }
    let text = render(&template, &[("user", "Why? 12 <é>")], Some(true));
    let ids = tokenizer.encode(&text, false).expect("ids");
    let marks: Vec<u32> = ids.iter().copied().filter(|id| *id < 17).collect();
    assert_eq!(marks, [START, END, START, END, START, THINK]);
    assert_eq!(tokenizer.decode(&ids, false).as_deref(), Ok(text.as_str()));
    assert_eq!(
        tokenizer.encode("12", false).expect("ids").len(),
        2,
        "digits stand alone, though there is a token for the two"
    );
    assert!(tokenizer.token_id("12").is_some());
}

#[test]
fn an_answer_ends_at_its_turn_and_not_where_config_json_says() {
    let source = folder();
    let (tokenizer, _) = read(&source);
    assert_eq!(SMALL.config_json()["eos_token_id"], END_OF_TEXT);
    let stops = |source: &MemorySource| {
        block_on(GenerationConfig::read(source))
            .expect("settings")
            .stop_ids(Some(&tokenizer))
    };
    assert_eq!(stops(&source), [END]);
    // What Transformers derives from config.json when it saves the model again.
    let derived = json!({"_from_model_config": true, "bos_token_id": 0, "eos_token_id": 0, "transformers_version": "4.55.0"});
    let saved = source.with("generation_config.json", derived.to_string());
    assert_eq!(stops(&saved), [END_OF_TEXT, END]);
}

#[test]
fn a_vocabulary_of_one_row_less_is_another_model() {
    let source = folder();
    let error = block_on(async {
        let config = TokenizerConfig::read(&source).await.expect("it is there");
        Tokenizer::read(&source, &config, TOKENS - 1).await
    })
    .map(|_| ())
    .expect_err("must be refused");
    assert_eq!(error.kind(), "too-many-tokens");
    assert_eq!(error.details().found.as_deref(), Some("49152"));
}

//! Parts of a tokenizer in every kind the library has, with parameters an honest program would not choose.

use proptest::prelude::*;
use serde_json::{Value, json};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "", " ", "▁", "a", "he", "##", "</w>", "<unk>", "é", "👩", "\u{301}", "\u{0}"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let regex = prop::sample::select(vec![
        "",
        "x*",
        "(?=a)",
        "\\b",
        "^",
        "$",
        "(a|b)*?",
        "\\s+(?!\\S)",
        "[",
        "(?<!a)",
        "\\p{L}+",
        "(a*)*b",
        ".",
    ]);
    prop_oneof![
        text().prop_map(|s| json!({"String": s})),
        regex.prop_map(|s| json!({"Regex": s}))
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(0),
        json!(1),
        json!(2),
        json!(100),
        json!(u64::MAX),
        json!(-1),
    ])
}

fn behavior() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Removed",
        "Isolated",
        "MergedWithPrevious",
        "MergedWithNext",
        "Contiguous",
    ])
}

fn metaspace() -> impl Strategy<Value = Value> {
    (text(), prop::sample::select(vec!["always", "never", "first"]), any::<bool>())
        .prop_map(|(s, scheme, split)| json!({"type": "Metaspace", "replacement": s, "prepend_scheme": scheme, "split": split}))
}

fn byte_level() -> impl Strategy<Value = Value> {
    (any::<bool>(), any::<bool>()).prop_map(|(a, b)| json!({"type": "ByteLevel", "add_prefix_space": a, "trim_offsets": b, "use_regex": a}))
}

fn replace() -> impl Strategy<Value = Value> {
    (pattern(), text()).prop_map(|(p, s)| json!({"type": "Replace", "pattern": p, "content": s}))
}

fn plain(kinds: Vec<&'static str>) -> impl Strategy<Value = Value> {
    prop::sample::select(kinds).prop_map(|kind| json!({"type": kind}))
}

/// None, one, or a sequence under `key`.
fn some(
    part: impl Strategy<Value = Value> + Clone + 'static,
    key: &'static str,
) -> impl Strategy<Value = Value> {
    let sequence = prop::collection::vec(part.clone(), 0..4)
        .prop_map(move |parts| json!({"type": "Sequence", key: parts}));
    prop_oneof![Just(Value::Null), part, sequence]
}

fn normalizer() -> impl Strategy<Value = Value> {
    let bert = any::<[bool; 4]>().prop_map(|[a, b, c, d]| json!({"type": "BertNormalizer", "clean_text": a, "handle_chinese_chars": b, "strip_accents": c, "lowercase": d}));
    let strip = any::<[bool; 2]>()
        .prop_map(|[a, b]| json!({"type": "Strip", "strip_left": a, "strip_right": b}));
    let prepend = text().prop_map(|s| json!({"type": "Prepend", "prepend": s}));
    let all = plain(vec![
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Lowercase",
        "Nmt",
        "StripAccents",
        "ByteLevel",
    ]);
    some(
        prop_oneof![bert, strip, prepend, all, replace()].boxed(),
        "normalizers",
    )
}

fn pre_tokenizer() -> impl Strategy<Value = Value> {
    let split = (pattern(), behavior(), any::<bool>())
        .prop_map(|(p, b, i)| json!({"type": "Split", "pattern": p, "behavior": b, "invert": i}));
    let delimiter = text().prop_map(|s| json!({"type": "CharDelimiterSplit", "delimiter": s}));
    let punctuation = behavior().prop_map(|b| json!({"type": "Punctuation", "behavior": b}));
    let digits = any::<bool>().prop_map(|b| json!({"type": "Digits", "individual_digits": b}));
    let fixed = number().prop_map(|n| json!({"type": "FixedLength", "length": n}));
    let all = plain(vec![
        "Whitespace",
        "WhitespaceSplit",
        "BertPreTokenizer",
        "UnicodeScripts",
    ]);
    some(
        prop_oneof![
            split,
            delimiter,
            punctuation,
            digits,
            fixed,
            all,
            metaspace(),
            byte_level()
        ]
        .boxed(),
        "pretokenizers",
    )
}

fn post_processor() -> impl Strategy<Value = Value> {
    let pair = || (text(), 0u32..9).prop_map(|(s, n)| json!([s, n]));
    let bert =
        (pair(), pair()).prop_map(|(a, b)| json!({"type": "BertProcessing", "sep": a, "cls": b}));
    let roberta = (pair(), pair(), any::<bool>()).prop_map(|(a, b, t)| json!({"type": "RobertaProcessing", "sep": a, "cls": b, "trim_offsets": t, "add_prefix_space": t}));
    let piece = prop_oneof![
        prop::sample::select(vec!["A", "B"])
            .prop_map(|id| json!({"Sequence": {"id": id, "type_id": 0}})),
        prop::sample::select(vec!["x", "y"])
            .prop_map(|id| json!({"SpecialToken": {"id": id, "type_id": 0}})),
    ];
    let template = (prop::collection::vec(piece, 0..4), prop::collection::vec(0u32..9, 0..3)).prop_map(|(pieces, ids)| {
        let tokens: Vec<&str> = ids.iter().map(|_| "x").collect();
        json!({"type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": {"x": {"id": "x", "ids": ids, "tokens": tokens}}})
    });
    some(
        prop_oneof![bert, roberta, template, byte_level()].boxed(),
        "processors",
    )
}

fn decoder() -> impl Strategy<Value = Value> {
    let strip = (
        prop::sample::select(vec![" ", "a", "▁", ""]),
        number(),
        number(),
    )
        .prop_map(|(c, a, b)| json!({"type": "Strip", "content": c, "start": a, "stop": b}));
    let piece = (text(), any::<bool>())
        .prop_map(|(s, b)| json!({"type": "WordPiece", "prefix": s, "cleanup": b}));
    let bpe = text().prop_map(|s| json!({"type": "BPEDecoder", "suffix": s}));
    let ctc = (text(), text(), any::<bool>()).prop_map(
        |(p, w, b)| json!({"type": "CTC", "pad_token": p, "word_delimiter_token": w, "cleanup": b}),
    );
    let all = plain(vec!["ByteFallback", "Fuse"]);
    some(
        prop_oneof![
            strip,
            piece,
            bpe,
            ctc,
            all,
            replace(),
            metaspace(),
            byte_level()
        ]
        .boxed(),
        "decoders",
    )
}

/// What a model is told besides its vocabulary.
fn settings() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let any_text = || prop_oneof![Just(Value::Null), text().prop_map(Value::from)];
    let setting = prop_oneof![
        (Just("unk_token"), any_text()),
        (Just("continuing_subword_prefix"), any_text()),
        (Just("end_of_word_suffix"), any_text()),
        (Just("max_input_chars_per_word"), number()),
        (Just("unk_id"), number()),
        (
            prop::sample::select(vec!["byte_fallback", "fuse_unk", "ignore_merges"]),
            any::<bool>().prop_map(Value::from)
        ),
        (
            Just("dropout"),
            prop::sample::select(vec![json!(0.5), json!(0.0), json!(2.0), json!(-1.0)])
        ),
        (
            Just("merges"),
            prop::collection::vec(
                prop::sample::select(vec!["h e", "he h", "", "h", " ", "e e e"]),
                0..3
            )
            .prop_map(Value::from)
        ),
        (
            Just("vocab"),
            prop::sample::select(vec![
                json!({}),
                json!({"": 0}),
                json!({"h": 1, "e": 1, "he": 0}),
                json!([]),
                json!([["", 0.0]]),
                json!([["h", -1e308], ["e", 1e308], ["he", 0.0]])
            ])
        ),
    ];
    prop::collection::vec(setting, 0..4)
}

/// Puts any parts around the model of a tokenizer, and changes its settings.
pub(crate) fn rebuilt(base: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (
        base,
        normalizer(),
        pre_tokenizer(),
        post_processor(),
        decoder(),
        settings(),
    )
        .prop_map(|(mut json, normalizer, pre, post, decoder, settings)| {
            json["normalizer"] = normalizer;
            json["pre_tokenizer"] = pre;
            json["post_processor"] = post;
            json["decoder"] = decoder;
            for (key, value) in settings {
                json["model"][key] = value;
            }
            json
        })
}

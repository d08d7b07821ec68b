//! Text as it comes: tokens to whole characters, and stop strings.

mod support;

use looplm::tokenizer::{StopMatcher, StreamDecoder, Tokenizer, TokenizerConfig};
use proptest::prelude::*;
use serde_json::Value;
use support::{byte_fallback, byte_level, metaspace};

const ENDOFTEXT: u32 = 261;

fn tokenizer(json: &Value) -> Tokenizer {
    Tokenizer::from_json(
        json.to_string().as_bytes(),
        &TokenizerConfig::default(),
        1000,
    )
    .expect("a tokenizer")
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

//! A look at `tokenizer.json` before the library reads it, because it panics on some files instead of refusing them.
//!
//! Each rule here stands for one such panic of version 0.22.2, found by tests/fuzz.rs (docs/FUZZING.md has the list). In a
//! browser a panic ends the whole module, so catching it is no way out.

use serde_json::{Map, Value};

use super::TokenizerError;

const FILE: &str = "tokenizer.json";

/// How the tokens of a vocabulary stand for bytes, where single tokens may be less than a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// Tokens are text.
    None,
    /// Every character of a token is a byte, in the alphabet of GPT-2.
    Level,
    /// `<0xE4>` is a byte; other tokens are text.
    Fallback,
}

/// Refuses what the library would panic on. Otherwise says how its decoder treats bytes.
pub(super) fn vet(bytes: &[u8]) -> Result<Bytes, TokenizerError> {
    // Also catches JSON that breaks off inside `decoder`, which the library panics on.
    let json: Value =
        serde_json::from_slice(bytes).map_err(|e| TokenizerError::malformed(FILE, e))?;
    let Value::Object(json) = json else {
        return refuse("it is not a JSON object");
    };
    let part = |name: &str| json.get(name).unwrap_or(&Value::Null);

    for name in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        typed(name, part(name))?;
    }
    for_each(part("normalizer"), &mut normalizer)?;
    for_each(
        part("pre_tokenizer"),
        &mut |splitter| match kind(splitter) {
            // Divides by it.
            Some("FixedLength") if splitter.get("length") == Some(&Value::from(0)) => {
                refuse("a FixedLength of 0")
            }
            _ => Ok(()),
        },
    )?;
    let mut around = 0;
    for_each(part("post_processor"), &mut |processor| {
        // A second one is handed what the first made in pieces, which is not implemented.
        around += usize::from(matches!(
            kind(processor),
            Some("TemplateProcessing" | "BertProcessing" | "RobertaProcessing")
        ));
        if around > 1 {
            refuse("more than one post-processor that adds tokens is not supported")
        } else {
            template(processor)
        }
    })?;
    for_each(part("model"), &mut merges)?;

    let mut bytes = Bytes::None;
    for_each(part("decoder"), &mut |decoder| {
        match kind(decoder) {
            Some("ByteLevel") => bytes = Bytes::Level,
            Some("ByteFallback") if bytes == Bytes::None => bytes = Bytes::Fallback,
            // May leave nothing for the decoder after it, which counts down from what there is.
            Some("CTC") => return refuse("a CTC decoder, which is for speech, is not supported"),
            // Counts past the beginning of a token shorter than that.
            Some("Strip") if decoder.get("stop") != Some(&Value::from(0)) => {
                return refuse("a Strip decoder that strips the end (stop) is not supported");
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// Without a type the library guesses, and may take a list for a part with its fields in order.
fn typed(name: &str, part: &Value) -> Result<(), TokenizerError> {
    match part {
        Value::Null => Ok(()),
        Value::Object(map) if kind(map).is_some() => {
            let inner = ["normalizers", "pretokenizers", "processors", "decoders"]
                .iter()
                .filter_map(|key| map.get(*key))
                .filter_map(Value::as_array);
            inner.flatten().try_for_each(|part| {
                if part.is_null() {
                    refuse("a part is null")
                } else {
                    typed(name, part)
                }
            })
        }
        _ => refuse(&format!("{name} holds something without a type")),
    }
}

fn normalizer(normalizer: &Map<String, Value>) -> Result<(), TokenizerError> {
    match kind(normalizer) {
        // Any fault in its table is a panic.
        Some("Precompiled") => refuse("precompiled normalizers (SentencePiece) are not supported"),
        // Every later change of the text is then looked up one past its end.
        Some("Prepend")
            if normalizer
                .get("prepend")
                .and_then(Value::as_str)
                .is_none_or(str::is_empty) =>
        {
            refuse("a Prepend normalizer prepends nothing")
        }
        // The same, where it matches nothing at some place.
        Some("Replace") if may_match_nothing(normalizer.get("pattern")) => refuse(
            "a Replace normalizer whose pattern may match nothing, or looks around itself, is not supported",
        ),
        _ => Ok(()),
    }
}

fn may_match_nothing(pattern: Option<&Value>) -> bool {
    let get = |key: &str| pattern.and_then(|p| p.get(key)).and_then(Value::as_str);
    match (get("String"), get("Regex")) {
        (Some(text), _) => text.is_empty(),
        (_, Some(regex)) => regex_syntax::parse(regex)
            .ok()
            .and_then(|hir| hir.properties().minimum_len())
            .is_none_or(|n| n == 0),
        _ => true,
    }
}

/// Looks up what a template uses, without asking whether it is there.
fn template(processor: &Map<String, Value>) -> Result<(), TokenizerError> {
    let Some(known) = processor.get("special_tokens") else {
        return Ok(());
    };
    for name in ["single", "pair"] {
        for_each(processor.get(name).unwrap_or(&Value::Null), &mut |piece| {
            let id = |kind: &str| {
                piece
                    .get(kind)
                    .and_then(|t| t.get("id"))
                    .and_then(Value::as_str)
            };
            match (id("SpecialToken"), id("Sequence")) {
                (Some(id), _) if known.get(id).is_none() => refuse(&format!(
                    "the template uses the token {id:?} without defining it"
                )),
                (_, Some("B")) if name == "single" => {
                    refuse("the template for one text uses a second")
                }
                _ => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// Cuts the prefix of continuing subwords off the right half of each merge, by its length alone.
fn merges(model: &Map<String, Value>) -> Result<(), TokenizerError> {
    let Some(prefix) = model
        .get("continuing_subword_prefix")
        .and_then(Value::as_str)
    else {
        return Ok(());
    };
    let Some(Value::Array(merges)) = model.get("merges") else {
        return Ok(());
    };
    let starts = |merge: &Value| {
        let right = match merge {
            Value::String(pair) => pair.split(' ').nth(1),
            pair => pair.get(1).and_then(Value::as_str),
        };
        right.is_none_or(|right| right.starts_with(prefix))
    };
    if merges.iter().all(starts) {
        Ok(())
    } else {
        refuse("a merge does not continue with continuing_subword_prefix")
    }
}

/// Judges one object.
type Visit<'a> = dyn FnMut(&Map<String, Value>) -> Result<(), TokenizerError> + 'a;

/// Visits a part and all objects inside it. The depth is bounded by the parser's.
fn for_each(part: &Value, visit: &mut Visit<'_>) -> Result<(), TokenizerError> {
    match part {
        Value::Object(map) => {
            visit(map)?;
            map.values().try_for_each(|inner| for_each(inner, visit))
        }
        Value::Array(list) => list.iter().try_for_each(|inner| for_each(inner, visit)),
        _ => Ok(()),
    }
}

fn kind(part: &Map<String, Value>) -> Option<&str> {
    part.get("type").and_then(Value::as_str)
}

fn refuse<T>(message: &str) -> Result<T, TokenizerError> {
    Err(TokenizerError::malformed(FILE, message))
}

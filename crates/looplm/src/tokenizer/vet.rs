//! A look at `tokenizer.json` before the library reads it, which panics on some files instead of refusing them.
//!
//! Version 0.22.2: JSON that breaks off inside `decoder`, and any fault in a precompiled normalizer. Found by
//! tests/fuzz.rs; docs/FUZZING.md has the list.

use serde_json::Value;

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
    let json: Value =
        serde_json::from_slice(bytes).map_err(|e| TokenizerError::malformed(FILE, e))?;
    if !json.is_object() {
        return Err(TokenizerError::malformed(FILE, "it is not a JSON object"));
    }
    if mentions(&json["normalizer"], "Precompiled") {
        return Err(TokenizerError::malformed(
            FILE,
            "precompiled normalizers (SentencePiece) are not supported",
        ));
    }
    let decoder = &json["decoder"];
    Ok(if mentions(decoder, "ByteLevel") {
        Bytes::Level
    } else if mentions(decoder, "ByteFallback") {
        Bytes::Fallback
    } else {
        Bytes::None
    })
}

/// Whether a part, or one nested in it, is of the given type. The depth is bounded by the parser's.
fn mentions(part: &Value, kind: &str) -> bool {
    match part {
        Value::Object(map) => {
            map.get("type").is_some_and(|t| t == kind) || map.values().any(|v| mentions(v, kind))
        }
        Value::Array(list) => list.iter().any(|v| mentions(v, kind)),
        _ => false,
    }
}

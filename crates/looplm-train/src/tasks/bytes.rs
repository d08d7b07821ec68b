//! Text as bytes, or as byte pairs: the tokenizers that GPT-2 made usual, written so that `tokenizers` reads them.

use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Tokenizer, models::TrainerWrapper};

use super::words::pretty;

/// Text is encoded in pieces of about so many bytes, cut at line ends.
const PIECE: usize = 1 << 14;

/// A text as tokens.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The text.
    pub(crate) ids: Vec<u16>,
    /// The bytes of every token.
    pub(crate) tokens: Vec<Vec<u8>>,
    /// `tokenizer.json`.
    pub(crate) file: Vec<u8>,
}

impl Encoded {
    /// Tokens as text; what is cut in the middle of a character shows as a replacement character.
    pub(crate) fn text(&self, ids: &[u16]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.bytes(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn bytes_per_token(&self, ids: &[u16]) -> f64 {
        let bytes: usize = ids.iter().map(|&id| self.bytes(id).len()).sum();
        bytes as f64 / ids.len().max(1) as f64
    }

    /// Where a token stands: 0 inside a word, 1 at the start of one, 2 between words.
    pub(crate) fn place(&self, before: u16, id: u16) -> u16 {
        // Bytes above ASCII are parts of letters, nearly always.
        let letter = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
        let token = self.bytes(id);
        match token {
            [first, ..] if letter(Some(first)) => u16::from(!letter(self.bytes(before).last())),
            [_, rest @ ..] if letter(rest.first()) => 1,
            _ => 2,
        }
    }

    fn bytes(&self, id: u16) -> &[u8] {
        self.tokens.get(usize::from(id)).map_or(&[], Vec::as_slice)
    }
}

/// A text as its bytes: 256 tokens, each id its byte.
pub(crate) fn byte_level(text: &str) -> Encoded {
    let names = byte_names();
    let vocab: Map<String, Value> = names
        .iter()
        .enumerate()
        .map(|(byte, c)| (c.to_string(), json!(byte)))
        .collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": level, "post_processor": null, "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": [],
        },
    });
    Encoded {
        ids: text.bytes().map(u16::from).collect(),
        tokens: (0..=u8::MAX).map(|b| vec![b]).collect(),
        file: pretty(&file, "  "),
    }
}

/// A text as byte pairs, learned from it until there are `vocab_size` tokens or no pair comes twice.
pub(crate) fn byte_pairs(text: &str, vocab_size: usize) -> tokenizers::Result<Encoded> {
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer
        .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
        .with_decoder(Some(ByteLevel::new(false, true, true)));
    let mut trainer = TrainerWrapper::from(
        BpeTrainerBuilder::new()
            .show_progress(false)
            .vocab_size(vocab_size)
            .min_frequency(2)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build(),
    );
    tokenizer.train(&mut trainer, pieces(text))?;
    let names = byte_names();
    let byte = |c: char| names.iter().position(|&n| n == c).unwrap_or(0) as u8;
    let size = tokenizer.get_vocab_size(true);
    let tokens = (0..size as u32)
        .map(|id| {
            tokenizer
                .id_to_token(id)
                .unwrap_or_default()
                .chars()
                .map(byte)
                .collect()
        })
        .collect();
    let mut ids = Vec::new();
    for piece in pieces(text) {
        let encoding = tokenizer.encode_fast(piece, false)?;
        ids.extend(encoding.get_ids().iter().map(|&id| id as u16));
    }
    Ok(Encoded {
        ids,
        tokens,
        file: tokenizer.to_string(true)?.into_bytes(),
    })
}

/// Pieces of whole lines.
fn pieces(text: &str) -> impl Iterator<Item = &str> + Send {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let from = rest.ceil_char_boundary(PIECE.min(rest.len()));
        let end = rest[from..].find('\n').map_or(rest.len(), |n| from + n + 1);
        let (piece, more) = rest.split_at(end);
        rest = more;
        Some(piece)
    })
}

/// The character that stands for each byte in a byte-level vocabulary: itself where it can be seen, otherwise one from
/// 256 on, in order (GPT-2's `bytes_to_unicode`).
fn byte_names() -> Vec<char> {
    let mut next = 256;
    (0..=u8::MAX)
        .map(|b| match b {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => b as char,
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or(' ')
            }
        })
        .collect()
}

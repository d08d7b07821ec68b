//! Text to token ids and back: `tokenizer.json`, as the `tokenizers` library of Hugging Face reads it.

mod config;
mod error;
mod stop;
mod stream;
mod vet;

use std::collections::HashSet;

use tokenizers::AddedToken;

use crate::checkpoint::{Source, read_file};

pub use config::TokenizerConfig;
pub use error::TokenizerError;
pub use stop::{Passed, StopMatcher};
pub use stream::StreamDecoder;

use vet::Bytes;

const FILE: &str = "tokenizer.json";
/// Largest `tokenizer.json` read, in bytes; a vocabulary of 256,000 takes about 35 MB.
const FILE_LIMIT: u64 = 128 << 20;

/// A tokenizer. Ids are those of the model's embedding.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: HashSet<u32>,
    size: usize,
    bytes: Bytes,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a folder's `tokenizer.json`. `None`: it has none, and the model takes ids alone.
    ///
    /// # Errors
    /// [`TokenizerError`].
    pub async fn read(
        source: &dyn Source,
        config: &TokenizerConfig,
        vocab_size: usize,
    ) -> Result<Option<Tokenizer>, TokenizerError> {
        match read_file(source, FILE, FILE_LIMIT).await? {
            None => Ok(None),
            Some(bytes) => Tokenizer::from_json(&bytes, config, vocab_size).map(Some),
        }
    }

    /// Reads the bytes of a `tokenizer.json`, and adds the tokens that only `tokenizer_config.json` lists. Truncation and
    /// padding, which training leaves in the file, are switched off: a prompt is never cut silently.
    ///
    /// `vocab_size`: the rows of the model's embedding, V. It may exceed the number of tokens, not the reverse.
    ///
    /// # Errors
    /// [`TokenizerError::Malformed`], [`TokenizerError::AddedToken`], or [`TokenizerError::TooManyTokens`].
    pub fn from_json(
        bytes: &[u8],
        config: &TokenizerConfig,
        vocab_size: usize,
    ) -> Result<Tokenizer, TokenizerError> {
        let kind = vet::vet(bytes)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| TokenizerError::malformed(FILE, e))?;
        inner
            .with_truncation(None)
            .map_err(|e| TokenizerError::malformed(FILE, e))?;
        inner.with_padding(None);
        add_tokens(&mut inner, config)?;

        let vocabulary = inner.get_vocab(true);
        let size = vocabulary.len();
        if let Some((token, &id)) = vocabulary.iter().max_by_key(|&(_, &id)| id)
            && id as usize >= vocab_size
        {
            return Err(TokenizerError::TooManyTokens {
                token: token.clone(),
                id,
                vocab_size,
            });
        }
        let special = inner
            .get_added_tokens_decoder()
            .iter()
            .filter(|(_, t)| t.special)
            .map(|(&id, _)| id)
            .collect();
        Ok(Tokenizer {
            inner,
            special,
            size,
            bytes: kind,
        })
    }

    /// Number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The id of a token, written as the vocabulary writes it.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Whether an id is a special token (`<|im_end|>` and the like), which decoding may leave out.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// The ids of a text. Special tokens written out in it are always recognised; `add_special` also adds those the
    /// tokenizer puts around every text.
    ///
    /// # Errors
    /// [`TokenizerError::Encode`] where the vocabulary has no token for something and no token for the unknown.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding =
            self.inner
                .encode_fast(text, add_special)
                .map_err(|e| TokenizerError::Encode {
                    message: e.to_string(),
                })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids. Ids without a token are left out, as are special tokens if `skip_special`. Bytes that are no
    /// UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`] where the tokenizer's decoder refuses.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        // Some decoders of the library count down from the number of tokens, and it may be none.
        if ids.iter().all(|&id| self.is_silent(id, skip_special)) {
            return Ok(String::new());
        }
        self.inner
            .decode(ids, skip_special)
            .map_err(|e| TokenizerError::Decode {
                message: e.to_string(),
            })
    }

    /// One token as a person would read it, with the space it begins with, if any. A piece of a character is shown as its
    /// bytes (`<0xE4><0xBD>`), an id without a token as `<id 49000>`.
    pub fn token_text(&self, id: u32) -> String {
        let Some(raw) = self.inner.id_to_token(id) else {
            return format!("<id {id}>");
        };
        if self.is_special(id) || self.inner.get_decoder().is_none() {
            return raw;
        }
        let Ok(alone) = self.decode(&[id], false) else {
            return raw;
        };
        if alone.contains(char::REPLACEMENT_CHARACTER)
            && let Some(bytes) = self.bytes(&raw)
        {
            return bytes.iter().map(|b| format!("<0x{b:02X}>")).collect();
        }
        // Decoders that strip the space a text begins with hide it from a token on its own, not from the second of two.
        match self.decode(&[id, id], false) {
            Ok(twice) => twice
                .strip_prefix(&alone)
                .map_or_else(|| alone.clone(), str::to_owned),
            Err(_) => alone,
        }
    }

    /// Whether decoding leaves an id out altogether.
    fn is_silent(&self, id: u32, skip_special: bool) -> bool {
        (skip_special && self.is_special(id)) || self.inner.id_to_token(id).is_none()
    }

    /// The bytes a token stands for, where it may be less than a character. `None`: it is text.
    fn bytes(&self, token: &str) -> Option<Vec<u8>> {
        match self.bytes {
            Bytes::None => None,
            Bytes::Level => token.chars().map(byte_of).collect(),
            Bytes::Fallback => {
                let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
                let byte = (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())??;
                Some(vec![byte])
            }
        }
    }
}

/// Adds what `tokenizer_config.json` alone lists, under the ids it gives.
fn add_tokens(
    inner: &mut tokenizers::Tokenizer,
    config: &TokenizerConfig,
) -> Result<(), TokenizerError> {
    for added in &config.added_tokens {
        if inner
            .get_added_vocabulary()
            .get_vocab()
            .contains_key(&added.content)
        {
            continue;
        }
        let token = AddedToken::from(added.content.clone(), added.special)
            .single_word(added.single_word)
            .lstrip(added.lstrip)
            .rstrip(added.rstrip)
            .normalized(added.normalized);
        inner.add_tokens(&[token]);
        let found = inner.token_to_id(&added.content);
        if found != Some(added.id) {
            return Err(TokenizerError::AddedToken {
                token: added.content.clone(),
                expected: added.id,
                found,
            });
        }
    }
    Ok(())
}

/// The byte a character stands for in the alphabet of GPT-2, which writes every byte as a printable character.
fn byte_of(c: char) -> Option<u8> {
    // Printable bytes stand for themselves; the others are numbered from U+0100 in their order.
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(c) {
        n @ 0..=0xff => u8::try_from(n).ok().filter(|&b| printable(b)),
        n => (0..=u8::MAX)
            .filter(|&b| !printable(b))
            .nth((n - 0x100) as usize),
    }
}

//! Text from tokens as they come, whole characters only.
//!
//! Not the library's `DecodeStream`: that one holds text back without limit while it ends in U+FFFD, which a model may
//! well write; fails for good where a decoder revises what it said; and forgets the leading space after a special token.

use super::vet::Bytes;
use super::{Tokenizer, TokenizerError};

/// Tokens looked at together. Only a run of tokens without any text reaches it.
const LONGEST_WINDOW: usize = 128;
/// Tokens of the prompt that the first new one is decoded with.
const CONTEXT: usize = 8;

/// Turns a sequence of ids into text piece by piece. The pieces joined are what decoding the whole sequence gives, except
/// that a byte-fallback tokenizer, which judges a run of bytes only when it is over, may replace more of an invalid run.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    skip_special: bool,
    /// The first `context` ids have been written; they are decoded again only because neighbours decide about spaces.
    window: Vec<u32>,
    context: usize,
    /// What of the window's text has been written.
    written: String,
    /// Bytes at the end that are the beginning of a character: at most three.
    open: Vec<u8>,
}

impl StreamDecoder {
    /// A stream at the beginning of a text. `skip_special`: whether special tokens are left out.
    pub fn new(skip_special: bool) -> StreamDecoder {
        StreamDecoder {
            skip_special,
            window: Vec::new(),
            context: 0,
            written: String::new(),
            open: Vec::new(),
        }
    }

    /// A stream that continues `ids`, whose text is not repeated: its first word keeps the space before it.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn after(
        tokenizer: &Tokenizer,
        ids: &[u32],
        skip_special: bool,
    ) -> Result<StreamDecoder, TokenizerError> {
        let mut stream = StreamDecoder::new(skip_special);
        for &id in &ids[ids.len().saturating_sub(CONTEXT)..] {
            stream.push(tokenizer, id)?;
        }
        Ok(stream)
    }

    /// Adds a token and returns the text that is complete with it: possibly empty, never part of a character.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, TokenizerError> {
        let Some(token) = tokenizer.inner.id_to_token(id) else {
            return Ok(String::new());
        };
        if self.skip_special && tokenizer.is_special(id) {
            return Ok(String::new());
        }
        self.window.push(id);
        match tokenizer.bytes(&token) {
            Some(bytes) => self.open = incomplete(&self.open, &bytes),
            None => self.open.clear(),
        }
        // A byte-fallback decoder shows a run of bytes as garbage, complete characters and all, until it is over.
        if !self.open.is_empty() && tokenizer.bytes == Bytes::Fallback {
            return Ok(String::new());
        }
        let text = tokenizer.decode(&self.window, self.skip_special)?;
        let Some(new) = text.strip_prefix(self.written.as_str()) else {
            // The decoder has changed its mind about text that is already out.
            let piece = tokenizer.decode(&self.window[self.context..], self.skip_special)?;
            self.forget(tokenizer)?;
            return Ok(piece);
        };
        // The beginning of a character is decoded as one U+FFFD, however many bytes it has.
        let ready = if self.open.is_empty() {
            new
        } else {
            new.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap_or(new)
        };
        let piece = ready.to_owned();
        if self.open.is_empty() && (!piece.is_empty() || self.window.len() >= LONGEST_WINDOW) {
            self.written = text;
            self.forget(tokenizer)?;
        } else {
            self.written.push_str(&piece);
        }
        Ok(piece)
    }

    /// Ends the stream: the text still held back, which is an incomplete character as U+FFFD, or nothing.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn finish(self, tokenizer: &Tokenizer) -> Result<String, TokenizerError> {
        let text = tokenizer.decode(&self.window, self.skip_special)?;
        match text.strip_prefix(self.written.as_str()) {
            Some(held) => Ok(held.to_owned()),
            None => tokenizer.decode(&self.window[self.context..], self.skip_special),
        }
    }

    /// All of the window has been written: keep the newest ids as context for the next.
    fn forget(&mut self, tokenizer: &Tokenizer) -> Result<(), TokenizerError> {
        let newest = &self.window[self.context..];
        let text = tokenizer.decode(newest, self.skip_special)?;
        // A context without text would make the next token the first, and cost it its space.
        if !text.is_empty() || self.window.len() >= LONGEST_WINDOW {
            self.window.drain(..self.context);
            self.written = text;
        }
        self.context = self.window.len();
        Ok(())
    }
}

/// What of `open` followed by `bytes` is the beginning of a character at the very end.
fn incomplete(open: &[u8], bytes: &[u8]) -> Vec<u8> {
    let all = [open, bytes].concat();
    let mut rest = all.as_slice();
    while let Err(e) = std::str::from_utf8(rest) {
        rest = &rest[e.valid_up_to()..];
        match e.error_len() {
            None => return rest.to_vec(),
            Some(n) => rest = &rest[n..],
        }
    }
    Vec::new()
}

//! Text from tokens as they come, whole characters only.
//!
//! Not the library's `DecodeStream`: that one holds text back without limit while it ends in U+FFFD, which a model may
//! well write; fails for good where a decoder revises what it said; and forgets the leading space after a special token.

use super::{Tokenizer, TokenizerError};

/// A character of UTF-8 has at most three bytes before its last.
const MOST_HELD: usize = 3;
/// Tokens looked at together. Only a long run of garbage reaches it; then garbage is let out.
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
}

impl StreamDecoder {
    /// A stream at the beginning of a text. `skip_special`: whether special tokens are left out.
    pub fn new(skip_special: bool) -> StreamDecoder {
        StreamDecoder {
            skip_special,
            window: Vec::new(),
            context: 0,
            written: String::new(),
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
        let window: Vec<u32> = ids[ids.len().saturating_sub(CONTEXT)..]
            .iter()
            .copied()
            .filter(|&id| !tokenizer.is_silent(id, skip_special))
            .collect();
        let written = tokenizer.decode(&window, skip_special)?;
        Ok(StreamDecoder {
            skip_special,
            context: window.len(),
            window,
            written,
        })
    }

    /// Adds a token and returns the text that is complete with it: possibly empty, never part of a character.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, TokenizerError> {
        if tokenizer.is_silent(id, self.skip_special) {
            return Ok(String::new());
        }
        self.window.push(id);
        let text = tokenizer.decode(&self.window, self.skip_special)?;
        let pending = self.window.len() - self.context;
        let Some(new) = text.strip_prefix(self.written.as_str()) else {
            // A byte-fallback decoder replaces a whole run of bytes until its last character is complete.
            if text.ends_with(char::REPLACEMENT_CHARACTER) && pending <= MOST_HELD {
                return Ok(String::new());
            }
            let piece = tokenizer.decode(&self.window[self.context..], self.skip_special)?;
            self.forget(tokenizer)?;
            return Ok(piece);
        };
        let incomplete = new
            .chars()
            .rev()
            .take(MOST_HELD)
            .take_while(|&c| c == char::REPLACEMENT_CHARACTER)
            .count();
        let full = self.window.len() >= LONGEST_WINDOW;
        let ready = if full {
            new.len()
        } else {
            new.len() - incomplete * char::REPLACEMENT_CHARACTER.len_utf8()
        };
        let piece = new[..ready].to_owned();
        if full || (incomplete == 0 && !piece.is_empty()) {
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
        if !text.is_empty() {
            self.window.drain(..self.context);
            self.written = text;
        }
        self.context = self.window.len();
        Ok(())
    }
}

/// The bytes a token of a byte-level vocabulary stands for, each written as one printable character (the alphabet of
/// GPT-2). `None` for a token of another kind.
pub(super) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    if token.starts_with("<0x") {
        return None;
    }
    token.chars().map(byte_of).collect()
}

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

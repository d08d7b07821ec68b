//! Your own text: next-token prediction over its bytes, or over a byte-level BPE trained on it. The last part of the
//! text is held out. The difficulty of a token is where it stands in a word.

use rand::Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::bytes::{Encoded, byte_level, byte_pairs};
use super::random::{Purpose, stream};
use crate::batch::Batch;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::metrics::Evaluation;
use crate::task::{Example, Split, Task};

/// Largest text, in bytes.
pub const MAX_TEXT: usize = 64 << 20;

/// Tokens that an example goes on for.
const EXAMPLE_TOKENS: usize = 24;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextTokenizer {
    /// A byte; the id is the byte.
    Bytes,
    /// A piece of a word, by byte-level byte-pair encoding learned from the text.
    Bpe,
}

/// The keys of the task. The text is given as `text`, or as the `path` of a file that whoever has files reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextConfig {
    /// The text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where the text is; see [`TextConfig::set_file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What a token is.
    pub tokenizer: TextTokenizer,
    /// Tokens that a BPE may have at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// Tokens of a sequence.
    pub length: usize,
    /// Share of the text, from its end, that is held out.
    pub held_out: f64,
    /// What was read from `path`.
    #[serde(skip)]
    pub(crate) file: Option<String>,
}

impl TextConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let tokenizers = [("bytes", TextTokenizer::Bytes), ("bpe", TextTokenizer::Bpe)];
        let tokenizer = s.choice_or("tokenizer", &tokenizers, TextTokenizer::Bytes)?;
        let vocab_size = s.integer_if_any("vocab_size", 257..=65_536)?;
        let c = TextConfig {
            text: s.text_if_any("text")?.map(str::to_owned),
            path: s.text_if_any("path")?.map(str::to_owned),
            tokenizer,
            vocab_size: vocab_size.map(|n| n as usize),
            length: s.size_or("length", 2..=65_536, 128)?,
            held_out: s.number_or(
                "held_out",
                "a number from 0.01 to 0.9",
                |x| (0.01..=0.9).contains(&x),
                0.1,
            )?,
            file: None,
        };
        match (&c.text, &c.path) {
            (None, None) => {
                return Err(ConfigError::MissingField {
                    field: s.path("text"),
                    expected: "the text to train on (or task.path, the file that holds it)"
                        .to_owned(),
                });
            }
            (Some(_), Some(path)) => {
                return Err(ConfigError::inconsistent(
                    s.path("path"),
                    crate::config::section::show(path),
                    "task.text is given too; give one of them",
                ));
            }
            (Some(text), None) => check(text.as_bytes(), "task.text").map(drop)?,
            (None, Some(_)) => {}
        }
        if tokenizer == TextTokenizer::Bytes
            && let Some(n) = c.vocab_size
        {
            return Err(ConfigError::inconsistent(
                s.path("vocab_size"),
                n,
                "bytes are 256 tokens; only the tokenizer \"bpe\" has a size to choose",
            ));
        }
        Ok(c)
    }

    /// Gives the content of the file named by `path`.
    ///
    /// # Errors
    /// [`ConfigError::Text`] for a file that is empty, not UTF-8, binary, or above [`MAX_TEXT`] bytes.
    pub fn set_file(&mut self, content: &[u8]) -> Result<(), ConfigError> {
        self.file = Some(check(content, "task.path")?.to_owned());
        Ok(())
    }

    fn content(&self) -> Result<(&str, &'static str), ConfigError> {
        match (&self.text, &self.file) {
            (Some(text), _) => Ok((check(text.as_bytes(), "task.text")?, "task.text")),
            (None, Some(text)) => Ok((text, "task.path")),
            (None, None) => Err(refuse(
                "task.path",
                "the file has not been read; here the text itself is needed, as task.text",
            )),
        }
    }
}

fn refuse(field: &str, what: impl Into<String>) -> ConfigError {
    ConfigError::Text {
        field: field.to_owned(),
        what: what.into(),
    }
}

/// The text in bytes from outside.
fn check<'a>(bytes: &'a [u8], field: &str) -> Result<&'a str, ConfigError> {
    if bytes.len() > MAX_TEXT {
        return Err(refuse(
            field,
            format!(
                "the text has {} bytes, and {MAX_TEXT} (64 MiB) are the most; train on a part of it",
                bytes.len()
            ),
        ));
    }
    if bytes.contains(&0) {
        return Err(refuse(field, "this is not text: it has NUL bytes in it"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        refuse(
            field,
            format!(
                "this is not UTF-8 text: byte {} cannot be read",
                e.valid_up_to()
            ),
        )
    })?;
    if text.trim().is_empty() {
        return Err(refuse(field, "the text is empty"));
    }
    Ok(text)
}

/// The generator: windows of the text at random places.
#[derive(Debug)]
pub(crate) struct Text {
    config: TextConfig,
    seed: u64,
    encoded: Encoded,
    /// Tokens trained on; the others are held out.
    trained: usize,
}

impl Text {
    pub(super) fn new(config: TextConfig, seed: u64) -> Result<Self, ConfigError> {
        let (text, field) = config.content()?;
        let encoded = match config.tokenizer {
            TextTokenizer::Bytes => byte_level(text),
            TextTokenizer::Bpe => byte_pairs(text, config.vocab_size.unwrap_or(512))
                .map_err(|e| refuse(field, format!("no tokenizer could be trained on it: {e}")))?,
        };
        let tokens = encoded.ids.len();
        // Each part holds a window and the token after it.
        let window = config.length + 1;
        if tokens < 2 * window {
            return Err(refuse(
                field,
                format!(
                    "the text has {tokens} tokens; with task.length {} it needs {} at least",
                    config.length,
                    2 * window
                ),
            ));
        }
        let held = (tokens as f64 * config.held_out) as usize;
        Ok(Text {
            seed,
            trained: tokens - held.clamp(window, tokens - window),
            encoded,
            config: TextConfig {
                text: None,
                file: None,
                ..config
            },
        })
    }

    fn part(&self, split: Split) -> &[u16] {
        match split {
            Split::Train => &self.encoded.ids[..self.trained],
            Split::Held => &self.encoded.ids[self.trained..],
        }
    }

    /// A window of a part, and one token more.
    fn window(&self, rng: &mut impl Rng, split: Split) -> &[u16] {
        let part = self.part(split);
        let window = self.config.length + 1;
        let at = rng.random_range(0..=(part.len() - window) as u32) as usize;
        &part[at..at + window]
    }
}

impl Task for Text {
    fn vocab_size(&self) -> usize {
        self.encoded.tokens.len()
    }

    fn max_length(&self) -> usize {
        self.config.length
    }

    fn batch(&self, split: Split, index: u64, sequences: usize) -> Batch {
        let mut rng = stream(self.seed, Purpose::Batch(split), index);
        let mut batch = Batch {
            sequences,
            length: self.config.length,
            ..Batch::default()
        };
        for _ in 0..sequences {
            let window = self.window(&mut rng, split);
            for pair in window.windows(2) {
                batch.ids.push(pair[0].into());
                batch.targets.push(pair[1].into());
                batch.difficulty.push(self.encoded.place(pair[0], pair[1]));
            }
        }
        batch
    }

    fn difficulties(&self) -> Vec<String> {
        ["inside a word", "start of a word", "between words"]
            .map(str::to_owned)
            .to_vec()
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false,
            "model_max_length": self.config.length,
        });
        vec![
            ("tokenizer.json".to_owned(), self.encoded.file.clone()),
            (
                "tokenizer_config.json".to_owned(),
                super::words::pretty(&config, " "),
            ),
        ]
    }

    fn bos(&self) -> Option<u32> {
        None
    }

    fn eos(&self) -> Option<u32> {
        None
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "text", "answers": "next-token", "bos": false, "tokenizer": self.config.tokenizer,
            "example": self.example(0).input,
        }))
    }

    fn example(&self, index: u64) -> Example {
        let mut rng = stream(self.seed, Purpose::Example, index);
        let window = self.window(&mut rng, Split::Held);
        let (input, answer) = window.split_at(window.len() / 2);
        Example {
            input: self
                .encoded
                .text(&input[input.len().saturating_sub(2 * EXAMPLE_TOKENS)..]),
            answer: self
                .encoded
                .text(&answer[..answer.len().min(EXAMPLE_TOKENS)]),
        }
    }

    /// Bits for each byte of the text, at the last step.
    fn figures(&self, evaluation: &Evaluation, _: u64) -> Vec<(String, f64)> {
        let bits = evaluation.step_losses.last().map(|&nats| {
            f64::from(nats)
                / std::f64::consts::LN_2
                / self.encoded.bytes_per_token(self.part(Split::Held))
        });
        bits.map(|b| ("bits per byte".to_owned(), b))
            .into_iter()
            .collect()
    }
}

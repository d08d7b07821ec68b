//! `generation_config.json`: how the model's authors sample from it, and where an answer ends.

use serde_json::Value;

use crate::checkpoint::{CheckpointError, Source, read_file};
use crate::error::{Coded, Details, excerpt};
use crate::tokenizer::Tokenizer;

const FILE: &str = "generation_config.json";
const FILE_LIMIT: u64 = 1 << 20;
/// The token a ChatML turn ends with.
const TURN_END: &str = "<|im_end|>";

/// What is used of a `generation_config.json`. The default is that of a folder without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationConfig {
    /// Ids that end an answer.
    pub eos_token_ids: Vec<u32>,
    /// Whether to sample rather than to take the best token.
    pub do_sample: Option<bool>,
    /// Divides the logits; 0 means the best token.
    pub temperature: Option<f32>,
    /// Only this many best tokens; 0 means all.
    pub top_k: Option<u32>,
    /// Only the best tokens that together reach this probability; above 0, at most 1.
    pub top_p: Option<f32>,
    /// Divides the logits of tokens already there; above 0.
    pub repetition_penalty: Option<f32>,
    /// Longest answer in tokens.
    pub max_new_tokens: Option<u32>,
}

/// Why a `generation_config.json` was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationConfigError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// Not JSON, or not an object.
    #[error("generation_config.json is not a JSON object: {message}")]
    Json {
        /// What the parser said.
        message: String,
    },
    /// A field holds a value of another type or outside its range.
    #[error("generation_config.json: \"{field}\" must be {expected}, but is {found}")]
    InvalidField {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

impl Coded for GenerationConfigError {
    fn code(&self) -> &'static str {
        match self {
            GenerationConfigError::File(e) => e.code(),
            _ => "checkpoint-invalid",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            GenerationConfigError::File(e) => e.kind(),
            GenerationConfigError::Json { .. } => "config-not-json",
            GenerationConfigError::InvalidField { .. } => "invalid-field",
        }
    }

    fn details(&self) -> Details {
        let d = Details::of(self.kind()).file(FILE);
        match self {
            GenerationConfigError::File(e) => e.details(),
            GenerationConfigError::Json { message } => d.found(message),
            GenerationConfigError::InvalidField {
                field,
                expected,
                found,
            } => d.field(field).expected(expected).found(found),
        }
    }
}

impl GenerationConfig {
    /// Reads a folder's `generation_config.json`; the default where there is none.
    ///
    /// # Errors
    /// [`GenerationConfigError`].
    pub async fn read(source: &dyn Source) -> Result<GenerationConfig, GenerationConfigError> {
        match read_file(source, FILE, FILE_LIMIT).await? {
            None => Ok(GenerationConfig::default()),
            Some(bytes) => GenerationConfig::from_json(&bytes),
        }
    }

    /// Reads the bytes of a `generation_config.json`. Absent fields, and those that are `null`, stay `None`.
    ///
    /// # Errors
    /// [`GenerationConfigError::Json`] or [`GenerationConfigError::InvalidField`].
    pub fn from_json(bytes: &[u8]) -> Result<GenerationConfig, GenerationConfigError> {
        let json = |message: String| GenerationConfigError::Json { message };
        let value: Value = serde_json::from_slice(bytes).map_err(|e| json(e.to_string()))?;
        let Value::Object(map) = value else {
            return Err(json("it holds something else".to_owned()));
        };
        let get = |field: &str| map.get(field).filter(|v| !v.is_null());

        let id = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
        let ids = |v: &Value| match v {
            Value::Array(list) => list.iter().map(id).collect(),
            one => id(one).map(|n| vec![n]),
        };
        let count = |field, expected| {
            get(field)
                .map(|v| id(v).ok_or_else(|| invalid(field, expected, v)))
                .transpose()
        };
        let number = |field, expected, most: f64| {
            let read = |v: &Value| {
                v.as_f64()
                    .filter(|&x| x > 0.0 && x <= most)
                    .map(|x| x as f32)
                    .filter(|x| *x > 0.0)
            };
            get(field)
                .map(|v| read(v).ok_or_else(|| invalid(field, expected, v)))
                .transpose()
        };
        Ok(GenerationConfig {
            eos_token_ids: match get("eos_token_id") {
                None => Vec::new(),
                Some(v) => ids(v)
                    .ok_or_else(|| invalid("eos_token_id", "a token id or a list of them", v))?,
            },
            do_sample: get("do_sample")
                .map(|v| {
                    v.as_bool()
                        .ok_or_else(|| invalid("do_sample", "true or false", v))
                })
                .transpose()?,
            temperature: match get("temperature") {
                // Written by some for greedy decoding, which `do_sample` says.
                Some(v) if v.as_f64() == Some(0.0) => Some(0.0),
                _ => number("temperature", "a number from 0", f64::from(f32::MAX))?,
            },
            top_k: count("top_k", "a whole number from 0")?,
            top_p: number("top_p", "a number above 0, at most 1", 1.0)?,
            repetition_penalty: number(
                "repetition_penalty",
                "a number above 0",
                f64::from(f32::MAX),
            )?,
            max_new_tokens: count("max_new_tokens", "a whole number from 0")?,
        })
    }

    /// Ids that end an answer: those of the file, and `<|im_end|>` where the tokenizer has it. The `eos_token_id` of
    /// `config.json` is left out on purpose: the published one names a token that no chat ends with.
    pub fn stop_ids(&self, tokenizer: Option<&Tokenizer>) -> Vec<u32> {
        let mut ids = self.eos_token_ids.clone();
        ids.extend(tokenizer.and_then(|t| t.token_id(TURN_END)));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn invalid(field: &'static str, expected: &'static str, found: &Value) -> GenerationConfigError {
    GenerationConfigError::InvalidField {
        field,
        expected,
        found: excerpt(&found.to_string()),
    }
}

//! `tokenizer_config.json`: special tokens by role, further tokens, and chat templates.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::TokenizerError;
use crate::checkpoint::{Source, read_file};

const FILE: &str = "tokenizer_config.json";
const FILE_LIMIT: u64 = 32 << 20;

/// What is used of a `tokenizer_config.json`. The default is that of a folder without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenizerConfig {
    /// The token a text begins with, where the file names one.
    pub bos_token: Option<String>,
    /// The token a text ends with, where the file names one.
    pub eos_token: Option<String>,
    /// The chat templates by name; a template without a name is `default`.
    pub chat_templates: BTreeMap<String, String>,
    /// Tokens by ascending id; most of them are in `tokenizer.json` as well.
    pub(super) added_tokens: Vec<Added>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Added {
    pub(super) id: u32,
    pub(super) content: String,
    pub(super) special: bool,
    pub(super) single_word: bool,
    pub(super) lstrip: bool,
    pub(super) rstrip: bool,
    pub(super) normalized: bool,
}

impl TokenizerConfig {
    /// Reads a folder's `tokenizer_config.json`; the default where there is none.
    ///
    /// # Errors
    /// [`TokenizerError::File`] or [`TokenizerError::Malformed`].
    pub async fn read(source: &dyn Source) -> Result<TokenizerConfig, TokenizerError> {
        match read_file(source, FILE, FILE_LIMIT).await? {
            None => Ok(TokenizerConfig::default()),
            Some(bytes) => TokenizerConfig::from_json(&bytes),
        }
    }

    /// Reads the bytes of a `tokenizer_config.json`. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`TokenizerError::Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<TokenizerConfig, TokenizerError> {
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|e| TokenizerError::malformed(FILE, e))?;
        let mut added_tokens = Vec::new();
        for (id, t) in raw.added_tokens_decoder {
            let id = id.parse().map_err(|_| {
                TokenizerError::malformed(
                    FILE,
                    format!("added_tokens_decoder: {id:?} is no token id"),
                )
            })?;
            let RawAdded {
                content,
                special,
                single_word,
                lstrip,
                rstrip,
                normalized,
            } = t;
            // As the library's own default: special tokens are matched in the text as it is.
            let normalized = normalized.unwrap_or(!special);
            added_tokens.push(Added {
                id,
                content,
                special,
                single_word,
                lstrip,
                rstrip,
                normalized,
            });
        }
        added_tokens.sort_by_key(|t| t.id);
        let chat_templates = match raw.chat_template {
            None => BTreeMap::new(),
            Some(RawTemplates::One(template)) => BTreeMap::from([("default".to_owned(), template)]),
            Some(RawTemplates::Named(list)) => {
                list.into_iter().map(|t| (t.name, t.template)).collect()
            }
        };
        Ok(TokenizerConfig {
            bos_token: raw.bos_token.map(RawToken::content),
            eos_token: raw.eos_token.map(RawToken::content),
            chat_templates,
            added_tokens,
        })
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    bos_token: Option<RawToken>,
    #[serde(default)]
    eos_token: Option<RawToken>,
    #[serde(default)]
    chat_template: Option<RawTemplates>,
    #[serde(default)]
    added_tokens_decoder: BTreeMap<String, RawAdded>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawToken {
    Text(String),
    Object { content: String },
}

impl RawToken {
    fn content(self) -> String {
        match self {
            RawToken::Text(content) | RawToken::Object { content } => content,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawTemplates {
    One(String),
    Named(Vec<RawTemplate>),
}

#[derive(Deserialize)]
struct RawTemplate {
    name: String,
    template: String,
}

#[derive(Deserialize)]
struct RawAdded {
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: Option<bool>,
}

//! What can be wrong with a tokenizer.

use crate::checkpoint::CheckpointError;
use crate::error::{Coded, Details, excerpt};

/// Why a tokenizer was refused, or a text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// There is no `tokenizer.json`, and text was given.
    #[error(
        "the model folder has no tokenizer.json; give token ids instead of text, or add the file"
    )]
    Missing,
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// The file is not what its name says.
    #[error("{file} is malformed: {message}")]
    Malformed {
        /// The file.
        file: &'static str,
        /// What the parser said.
        message: String,
    },
    /// A token's id lies beyond the model's embedding.
    #[error(
        "tokenizer.json gives the token {token:?} the id {id}, but config.json says vocab_size {vocab_size}; the two belong to different models"
    )]
    TooManyTokens {
        /// The token with the highest id.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// A token of `tokenizer_config.json` does not fit `tokenizer.json`.
    #[error(
        "tokenizer_config.json adds the token {token:?} as {expected}, but tokenizer.json leaves it {found:?}"
    )]
    AddedToken {
        /// The token.
        token: String,
        /// The id the one file gives it.
        expected: u32,
        /// The id it gets.
        found: Option<u32>,
    },
    /// A text has no ids.
    #[error("the text cannot be tokenized: {message}")]
    Encode {
        /// What the tokenizer said.
        message: String,
    },
    /// Ids have no text.
    #[error("the tokens cannot be turned into text: {message}")]
    Decode {
        /// What the decoder said.
        message: String,
    },
}

impl TokenizerError {
    pub(super) fn malformed(file: &'static str, error: impl std::fmt::Display) -> TokenizerError {
        TokenizerError::Malformed {
            file,
            message: excerpt(&error.to_string()),
        }
    }
}

impl Coded for TokenizerError {
    fn code(&self) -> &'static str {
        match self {
            TokenizerError::Missing => "tokenizer-missing",
            // A lost connection stays one; anything else about the file is a bad tokenizer.
            TokenizerError::File(CheckpointError::Source(e))
                if e.code() != "checkpoint-invalid" =>
            {
                e.code()
            }
            TokenizerError::Encode { .. } => "invalid-argument",
            _ => "tokenizer-invalid",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            TokenizerError::Missing => "tokenizer-missing",
            TokenizerError::File(e) => e.kind(),
            TokenizerError::Malformed { .. } => "tokenizer-malformed",
            TokenizerError::TooManyTokens { .. } => "too-many-tokens",
            TokenizerError::AddedToken { .. } => "added-token",
            TokenizerError::Encode { .. } => "encode",
            TokenizerError::Decode { .. } => "decode",
        }
    }

    fn details(&self) -> Details {
        let d = Details::of(self.kind());
        match self {
            TokenizerError::Missing => d.file("tokenizer.json"),
            TokenizerError::File(e) => e.details(),
            TokenizerError::Malformed { file, message } => d.file(file).found(message),
            TokenizerError::TooManyTokens { id, vocab_size, .. } => d
                .file("tokenizer.json")
                .field("vocab_size")
                .expected(format!("at most {vocab_size} tokens"))
                .found(u64::from(*id) + 1),
            TokenizerError::AddedToken {
                token,
                expected,
                found,
            } => {
                let found = found.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
                d.file("tokenizer_config.json")
                    .field(token)
                    .expected(expected)
                    .found(found)
            }
            TokenizerError::Encode { message } => Details {
                argument: Some("text".to_owned()),
                ..d.found(message)
            },
            TokenizerError::Decode { message } => d.found(message),
        }
    }
}

//! Conversations as one text: the model's own Jinja template, rendered as Transformers renders it.
//!
//! Finding the template is one thing ([`ChatSource`]), running it another ([`ChatTemplate`]): what runs templates is large,
//! and a page that holds no conversation does not load it.

mod template;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, Source, read_file};
use crate::error::{Coded, Details};
use crate::tokenizer::TokenizerConfig;

pub use template::ChatTemplate;

const FILE: &str = "chat_template.jinja";
const FILE_LIMIT: u64 = 4 << 20;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, or `assistant`; other roles are the template's business.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// What a template is told besides the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatOptions {
    /// Whether the text ends with the beginning of the assistant's turn.
    pub add_generation_prompt: bool,
    /// Whether the model is to think before it answers; `None` leaves it to the template.
    pub enable_thinking: Option<bool>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        ChatOptions {
            add_generation_prompt: true,
            enable_thinking: None,
        }
    }
}

/// Why a conversation could not be written as text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The folder has no template.
    #[error(
        "the model has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); give a plain prompt instead"
    )]
    Missing,
    /// There are templates, but none is the default.
    #[error("tokenizer_config.json has chat templates named {}, but none named \"default\"", names.join(", "))]
    NoDefault {
        /// Their names.
        names: Vec<String>,
    },
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// The template cannot be parsed, or fails on these messages.
    #[error("the chat template fails{}: {message}", line.map(|n| format!(" in line {n}")).unwrap_or_default())]
    Template {
        /// Line of the template, from 1.
        line: Option<usize>,
        /// What the engine said.
        message: String,
    },
    /// The template itself refuses these messages (`raise_exception`).
    #[error("the chat template refuses these messages: {message}")]
    Refused {
        /// What the template says.
        message: String,
    },
}

impl Coded for ChatError {
    fn code(&self) -> &'static str {
        match self {
            ChatError::Missing | ChatError::NoDefault { .. } => "chat-template-missing",
            ChatError::File(CheckpointError::Source(e)) if e.code() != "checkpoint-invalid" => {
                e.code()
            }
            ChatError::File(_) | ChatError::Template { .. } => "tokenizer-invalid",
            ChatError::Refused { .. } => "invalid-argument",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            ChatError::Missing => "chat-template-missing",
            ChatError::NoDefault { .. } => "chat-template-no-default",
            ChatError::File(e) => e.kind(),
            ChatError::Template { .. } => "chat-template-fails",
            ChatError::Refused { .. } => "chat-template-refuses",
        }
    }

    fn details(&self) -> Details {
        let d = Details::of(self.kind());
        match self {
            ChatError::Missing => d,
            ChatError::NoDefault { names } => d.expected("default").found(names.join(", ")),
            ChatError::File(e) => e.details(),
            ChatError::Template { message, .. } => d.field("chat_template").found(message),
            ChatError::Refused { message } => Details {
                argument: Some("messages".to_owned()),
                ..d.found(message)
            },
        }
    }
}

/// A folder's chat template as it is written there, not yet parsed, and the tokens it may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSource {
    template: String,
    bos_token: String,
    eos_token: String,
}

impl ChatSource {
    /// Finds a folder's template: `chat_template.jinja`, or the one of `tokenizer_config.json`. `None`: it has neither.
    ///
    /// # Errors
    /// [`ChatError::NoDefault`], [`ChatError::File`], or [`ChatError::Template`] if it is no text.
    pub async fn read(
        source: &dyn Source,
        config: &TokenizerConfig,
    ) -> Result<Option<ChatSource>, ChatError> {
        if let Some(bytes) = read_file(source, FILE, FILE_LIMIT).await? {
            let text = String::from_utf8(bytes).map_err(|e| ChatError::Template {
                line: None,
                message: e.to_string(),
            })?;
            return Ok(Some(ChatSource::new(text, config)));
        }
        match config.chat_templates.get("default") {
            Some(text) => Ok(Some(ChatSource::new(text.clone(), config))),
            None if config.chat_templates.is_empty() => Ok(None),
            None => Err(ChatError::NoDefault {
                names: config.chat_templates.keys().cloned().collect(),
            }),
        }
    }

    /// A template, to which `config` gives `bos_token` and `eos_token`.
    pub fn new(template: String, config: &TokenizerConfig) -> ChatSource {
        let token = |t: &Option<String>| t.clone().unwrap_or_default();
        ChatSource {
            template,
            bos_token: token(&config.bos_token),
            eos_token: token(&config.eos_token),
        }
    }
}

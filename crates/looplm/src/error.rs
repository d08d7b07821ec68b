//! What every error of this crate can say about itself besides its message.

use serde::Serialize;

/// An error with a stable name and structured facts, so that a program need not read its message.
pub trait Coded: std::error::Error {
    /// The stable family of the error, in kebab case (`checkpoint-invalid`, `network`, `aborted`, ...).
    fn code(&self) -> &'static str;

    /// The stable name of the particular error within its family, in kebab case (`truncated`, `missing-field`, ...).
    fn kind(&self) -> &'static str;

    /// Where it happened and what was expected.
    fn details(&self) -> Details;
}

/// The facts of an error. Serialises to an object with camelCase keys that leaves out what does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The particular error within its family; the same as [`Coded::kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The file it happened in, as the checkpoint folder names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The tensor concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// The configuration field concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The address that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The HTTP status that came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The argument that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
}

impl Details {
    pub(crate) fn of(kind: &'static str) -> Self {
        Details {
            kind: Some(kind),
            ..Details::default()
        }
    }

    pub(crate) fn file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(crate) fn tensor(mut self, tensor: &str) -> Self {
        self.tensor = Some(tensor.to_owned());
        self
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn expected(mut self, expected: impl std::fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    pub(crate) fn found(mut self, found: impl std::fmt::Display) -> Self {
        self.found = Some(found.to_string());
        self
    }
}

/// Shortens text that came from a file, so that a message stays a message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

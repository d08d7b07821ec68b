//! What can be wrong with the configuration of a run.

use looplm::error::{Coded, Details};
use thiserror::Error;

/// Why a configuration was refused. Fields are named by their path, as in `model.hidden_size`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML or not JSON at all.
    #[error("the configuration is not {format}: {message}")]
    Syntax {
        /// `TOML` or `JSON`.
        format: &'static str,
        /// What the parser said, with the line where it can.
        message: String,
    },
    /// A field without a default is absent.
    #[error("{field} is missing; it must be {expected}")]
    MissingField {
        /// The field.
        field: String,
        /// What it must be.
        expected: String,
    },
    /// A field that means nothing here.
    #[error("{field} is not a field of a run{}", hint(.suggestion.as_deref(), .known))]
    UnknownField {
        /// The field.
        field: String,
        /// The known field that is spelt most like it.
        suggestion: Option<String>,
        /// The fields that are known there.
        known: Vec<String>,
    },
    /// A field of another type or outside its range.
    #[error("{field} must be {expected}, but is {found}")]
    InvalidField {
        /// The field.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Two fields contradict each other.
    #[error("{field} is {found}, but {expected}")]
    Inconsistent {
        /// The field.
        field: String,
        /// The rule it breaks.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The text to train on cannot be used.
    #[error("{field}: {what}")]
    Text {
        /// `task.text` or `task.path`.
        field: String,
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// No preset has this name.
    #[error("there is no preset {name:?}{}", hint(.suggestion.as_deref(), .known))]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// The preset that is spelt most like it.
        suggestion: Option<String>,
        /// All presets.
        known: Vec<String>,
    },
}

impl ConfigError {
    /// The path of the field concerned, such as `optimizer.learning_rate`.
    pub fn field(&self) -> Option<&str> {
        match self {
            ConfigError::Syntax { .. } | ConfigError::UnknownPreset { .. } => None,
            ConfigError::MissingField { field, .. }
            | ConfigError::UnknownField { field, .. }
            | ConfigError::InvalidField { field, .. }
            | ConfigError::Inconsistent { field, .. }
            | ConfigError::Text { field, .. } => Some(field),
        }
    }

    pub(crate) fn invalid(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        ConfigError::InvalidField {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    pub(crate) fn inconsistent(
        field: impl Into<String>,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        ConfigError::Inconsistent {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

impl Coded for ConfigError {
    fn code(&self) -> &'static str {
        "config-invalid"
    }

    fn kind(&self) -> &'static str {
        match self {
            ConfigError::Syntax { .. } => "syntax",
            ConfigError::MissingField { .. } => "missing-field",
            ConfigError::UnknownField { .. } => "unknown-field",
            ConfigError::InvalidField { .. } => "invalid-field",
            ConfigError::Inconsistent { .. } => "inconsistent",
            ConfigError::Text { .. } => "text",
            ConfigError::UnknownPreset { .. } => "unknown-preset",
        }
    }

    fn details(&self) -> Details {
        let (expected, found) = match self {
            ConfigError::MissingField { expected, .. } => (Some(expected.clone()), None),
            ConfigError::InvalidField {
                expected, found, ..
            }
            | ConfigError::Inconsistent {
                expected, found, ..
            } => (Some(expected.clone()), Some(found.clone())),
            ConfigError::UnknownField { suggestion, .. } => (suggestion.clone(), None),
            ConfigError::UnknownPreset {
                suggestion, name, ..
            } => (suggestion.clone(), Some(name.clone())),
            ConfigError::Syntax { .. } | ConfigError::Text { .. } => (None, None),
        };
        Details {
            kind: Some(self.kind()),
            field: self.field().map(str::to_owned),
            expected,
            found,
            ..Details::default()
        }
    }
}

/// The end of a message about a name nobody knows.
fn hint(suggestion: Option<&str>, known: &[String]) -> String {
    match suggestion {
        Some(name) => format!("; did you mean {name}?"),
        None => format!("; there are {}", known.join(", ")),
    }
}

/// The known name that is spelt most like `name`, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k.to_owned())
}

//! What can be wrong with a `config.json`.

use crate::error::{Coded, Details};

/// Why a `config.json` was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON, or not an object.
    #[error("config.json is not a JSON object: {message}")]
    Json {
        /// What the parser said.
        message: String,
    },
    /// The folder holds a model of another kind.
    #[error(
        "this is not a looped model: config.json says model_type {found:?}, and \"ouro\" is the one supported"
    )]
    NotLooped {
        /// The `model_type` found.
        found: String,
    },
    /// A field is absent.
    #[error(
        "config.json has no field \"{field}\"; add the value the model was trained with (nothing is assumed for it)"
    )]
    MissingField {
        /// The field.
        field: &'static str,
    },
    /// A field holds a value of another type or outside its range.
    #[error("config.json: \"{field}\" must be {expected}, but is {found}")]
    InvalidField {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A field asks for something that is not implemented.
    #[error("config.json: \"{field}\" is {found}, which is not supported; only {expected} is")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What is supported.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Two fields contradict each other.
    #[error("config.json: \"{field}\" is {found}, but {expected}")]
    Inconsistent {
        /// The field.
        field: &'static str,
        /// The rule it breaks.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The sizes multiply to a tensor no machine holds.
    #[error(
        "config.json: {tensor} would have the shape {shape:?}, which is too large for any device; check the sizes"
    )]
    TooLarge {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

impl Coded for ConfigError {
    fn code(&self) -> &'static str {
        "checkpoint-invalid"
    }

    fn kind(&self) -> &'static str {
        match self {
            ConfigError::Json { .. } => "config-not-json",
            ConfigError::NotLooped { .. } => "not-looped",
            ConfigError::MissingField { .. } => "missing-field",
            ConfigError::InvalidField { .. } => "invalid-field",
            ConfigError::Unsupported { .. } => "unsupported-field",
            ConfigError::Inconsistent { .. } => "inconsistent-field",
            ConfigError::TooLarge { .. } => "config-too-large",
        }
    }

    fn details(&self) -> Details {
        let d = Details::of(self.kind()).file("config.json");
        match self {
            ConfigError::Json { message } => d.found(message),
            ConfigError::NotLooped { found } => d.field("model_type").expected("ouro").found(found),
            ConfigError::MissingField { field } => d.field(field),
            ConfigError::InvalidField {
                field,
                expected,
                found,
            }
            | ConfigError::Inconsistent {
                field,
                expected,
                found,
            } => d.field(field).expected(expected).found(found),
            ConfigError::Unsupported {
                field,
                expected,
                found,
            } => d.field(field).expected(expected).found(found),
            ConfigError::TooLarge { tensor, shape } => d.tensor(tensor).found(format!("{shape:?}")),
        }
    }
}

//! What is said where a model does not fit.

use std::fmt;

use serde::Serialize;

use super::Needs;
use crate::precision::WeightFormat;

/// The device has not the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfMemory {
    /// What the memory was for.
    pub what: String,
    /// Bytes asked for.
    pub needed: u64,
    /// Bytes that are known to be there: the limit that was set, or what the device had given by then.
    pub available: u64,
    /// What would fit into these, if anything does.
    pub suggestion: Option<Suggestion>,
}

/// A way to hold the model that fits: both together. Serialises to what is to be loaded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// Another format for the weights, the widest that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<WeightFormat>,
    /// A shorter context, the longest that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<usize>,
    /// The context that was asked for.
    #[serde(skip)]
    pub context: usize,
    /// What was asked for, its context full.
    #[serde(skip)]
    pub before: Needs,
    /// The same of what is suggested.
    #[serde(skip)]
    pub after: Needs,
}

impl Serialize for WeightFormat {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Bytes as a person reads them: "2.9 GB".
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            None => write!(f, "{} bytes", self.0),
            Some((unit, name)) => {
                let tenths = self.0 / (unit / 10);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
        }
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (needed, available) = (Bytes(self.needed), Bytes(self.available));
        write!(f, "out of memory: {} needs {needed}", self.what)?;
        if self.available > 0 {
            write!(f, ", and {available} are known to be there for the model")?;
        }
        let Some(suggestion) = &self.suggestion else {
            return write!(
                f,
                "; use a smaller model, or close other programs that use the GPU"
            );
        };
        let Suggestion { before, after, .. } = suggestion;
        write!(f, "; what would fit is ")?;
        if let Some(format) = suggestion.format {
            let (now, then) = (Bytes(before.weights), Bytes(after.weights));
            write!(f, "{format} ({then} of weights instead of {now})")?;
        }
        if let Some(tokens) = suggestion.context_length {
            let and = if suggestion.format.is_some() {
                " and "
            } else {
                ""
            };
            let (now, then) = (Bytes(before.kv), Bytes(after.kv));
            let context = suggestion.context;
            write!(
                f,
                "{and}a context of {tokens} tokens ({then} of keys and values instead of the {now} of {context})"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for OutOfMemory {}

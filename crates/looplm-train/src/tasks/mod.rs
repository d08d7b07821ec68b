//! What can be learned: seeded generators of tokens, targets and difficulties, a file each.

mod random;
mod shuffle;
mod words;

use serde::Serialize;

use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Task;

pub use shuffle::{Group, Shuffle, ShuffleConfig};

/// The `[task]` table of a configuration: `kind`, and the task's own keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TaskConfig {
    /// Track the shuffle: the word problem of a permutation group.
    Shuffle(ShuffleConfig),
}

/// The names in `task.kind`.
const KINDS: &[(&str, Kind)] = &[("shuffle", Kind::Shuffle)];

#[derive(Clone, Copy)]
enum Kind {
    Shuffle,
}

impl TaskConfig {
    /// The `kind` of every task there is.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _)| *name)
    }

    pub(crate) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let task = match s.choice("kind", KINDS)? {
            Kind::Shuffle => TaskConfig::Shuffle(ShuffleConfig::read(&s)?),
        };
        s.finish()?;
        Ok(task)
    }

    /// The generator of the samples; `seed` decides them all.
    ///
    /// # Errors
    /// [`ConfigError`] where the task needs something that the configuration alone does not show to be wrong.
    pub fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        Ok(match self {
            TaskConfig::Shuffle(c) => Box::new(Shuffle::new(c.clone(), seed)),
        })
    }
}

//! What tokens leave in the KV cache for the tokens after them.

use std::{fmt, str::FromStr};

/// What a generated token leaves in the KV cache. The prompt is always computed with all steps. T recurrent steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvPolicy {
    /// The keys and values of every step: T entries a token. The steps that a token which left early did not take are
    /// computed when a later token comes to need them, so nothing is approximated.
    #[default]
    Full,
    /// Those of the steps it took: step t of a later token finds the entry of step min(t, exit step).
    LastExited,
    /// One entry, that of its last step (table 14 of the paper). All steps are taken.
    Last,
    /// One entry, the mean over its steps (table 14 of the paper). All steps are taken.
    Mean,
    /// One entry, that of its first step (table 14 of the paper, where it is shown to break).
    First,
}

impl KvPolicy {
    /// All policies.
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::LastExited,
        Self::Last,
        Self::Mean,
        Self::First,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::LastExited => "last-exited",
            Self::Last => "last",
            Self::Mean => "mean",
            Self::First => "first",
        }
    }

    /// Whether tokens keep one entry for all steps once decoding.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Last | Self::Mean | Self::First)
    }

    /// Whether a token may stop taking steps for good when it leaves the loop.
    pub fn may_stop_early(self) -> bool {
        matches!(self, Self::LastExited | Self::First)
    }

    /// Entries that a token takes of the cache at most while it goes through its `steps`, once the prompt is done.
    pub(crate) fn entries_in_flight(self, steps: usize) -> usize {
        match self {
            Self::Full | Self::LastExited | Self::Mean => steps,
            Self::Last => 1,
            Self::First => 2.min(steps),
        }
    }

    /// Entries that a token keeps at most, once the prompt is done.
    pub(crate) fn entries_kept(self, steps: usize) -> usize {
        if self.is_shared() { 1 } else { steps }
    }
}

impl fmt::Display for KvPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KvPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|policy| policy.name() == text);
        found.ok_or_else(|| format!("a KV policy is one of {names}"))
    }
}

//! How long a run is, how often it looks, and the exit gate afterwards.

use serde::Serialize;

use super::{ConfigError, section::Section};

/// Length and rhythm of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunConfig {
    /// Updates in all.
    pub updates: u64,
    /// Sequences in a batch.
    pub batch_size: usize,
    /// Batches whose gradients make one update.
    pub accumulate: usize,
    /// Updates between evaluations; 0: at the end only.
    pub evaluate_every: u64,
    /// Held-out sequences of an evaluation.
    pub evaluation_samples: usize,
    /// Updates between checkpoints; 0: at the end only.
    pub checkpoint_every: u64,
}

impl RunConfig {
    pub(super) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let run = RunConfig {
            updates: s.integer("updates", 1..=1_000_000_000)?,
            batch_size: s.size_or("batch_size", 1..=65_536, 64)?,
            accumulate: s.size_or("accumulate", 1..=65_536, 1)?,
            evaluate_every: s.integer_or("evaluate_every", 0..=1_000_000_000, 250)?,
            evaluation_samples: s.size_or("evaluation_samples", 1..=1 << 24, 512)?,
            checkpoint_every: s.integer_or("checkpoint_every", 0..=1_000_000_000, 500)?,
        };
        s.finish()?;
        Ok(run)
    }
}

/// What tells the gate that leaving is right (Stage II). I is an improvement in nats, and the label's weight for going
/// on is sigmoid(k (I - gamma)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateLabel {
    /// I_t = max(0, L_t - min over s > t of L_s): what the steps to come will bring. Every step but the last has a
    /// target, and a plateau before an improvement does not stop the token.
    LookAhead,
    /// I_t = max(0, L_(t-1) - L_t): what this step brought (arXiv 2510.25741, equations 5 and 6). Step 1 has no
    /// target, and a token that improves after a plateau is told to leave on it.
    Paper,
}

/// Training of the exit gate with the language model frozen (Stage II).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateConfig {
    /// When leaving is right.
    pub label: GateLabel,
    /// Steepness of the label, per nat.
    pub k: f64,
    /// The improvement, in nats, that is worth a step.
    pub gamma: f64,
    /// Updates of the gate.
    pub updates: u64,
    /// Learning rate of the gate.
    pub learning_rate: f64,
    /// Sequences whose hidden states are cached and trained on.
    pub samples: usize,
}

impl GateConfig {
    pub(super) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let gate = GateConfig {
            label: s.choice_or(
                "label",
                &[
                    ("look-ahead", GateLabel::LookAhead),
                    ("paper", GateLabel::Paper),
                ],
                GateLabel::LookAhead,
            )?,
            k: s.number_or("k", "a number above 0", |x| x > 0.0, 50.0)?,
            gamma: s.number_or(
                "gamma",
                "a number that is not negative",
                |x| x >= 0.0,
                0.005,
            )?,
            updates: s.integer_or("updates", 1..=1_000_000, 300)?,
            learning_rate: s.number_or("learning_rate", "a number above 0", |x| x > 0.0, 0.05)?,
            samples: s.size_or("samples", 1..=1 << 20, 2048)?,
        };
        s.finish()?;
        Ok(gate)
    }
}

//! What a run tells of itself: lines of `metrics.jsonl`, and what the page draws. Losses and entropies in nats, steps
//! counted from 1, times in seconds.

use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Metric {
    /// After an update.
    Update(Update),
    /// After an evaluation.
    Evaluation(Evaluation),
    /// After gate training (Stage II).
    Gate(Gate),
}

/// What an update saw of its batch, before it changed the weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// Updates done, this one included.
    pub update: u64,
    /// The objective.
    pub loss: f32,
    /// Mean cross-entropy at each recurrent step that ran.
    pub step_losses: Vec<f32>,
    /// Mean entropy of the exit distribution.
    pub entropy: f32,
    /// Mean expected exit step.
    pub expected_steps: f32,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f32,
    /// Learning rate of the update.
    pub learning_rate: f32,
    /// Tokens trained on a second, since the last line.
    pub tokens_per_second: f32,
    /// Training time so far, stops not counted.
    pub seconds: f64,
    /// Estimated training time left.
    pub seconds_left: f64,
}

/// Accuracy by difficulty and step over held-out samples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Updates done so far.
    pub update: u64,
    /// Sequences evaluated.
    pub samples: u64,
    /// Targets evaluated.
    pub targets: u64,
    /// Mean cross-entropy at each step.
    pub step_losses: Vec<f32>,
    /// Accuracy at each step.
    pub accuracy: Vec<f32>,
    /// Mean entropy of the exit distribution.
    pub entropy: f32,
    /// Mean expected exit step.
    pub expected_steps: f32,
    /// A row for each difficulty, from easy to hard.
    pub difficulties: Vec<DifficultyRow>,
    /// The task's own figures by name.
    pub figures: Vec<(String, f64)>,
}

/// One row of the accuracy table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifficultyRow {
    /// Name of the difficulty.
    pub name: String,
    /// Targets of this difficulty.
    pub targets: u64,
    /// Accuracy at each step.
    pub accuracy: Vec<f32>,
    /// Mean cross-entropy at each step.
    pub step_losses: Vec<f32>,
    /// Mean expected exit step under the gate.
    pub expected_steps: f32,
}

/// What gate training came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Gate updates done.
    pub update: u64,
    /// Stage II loss before the first update and after the last.
    pub loss_before: f32,
    /// See `loss_before`.
    pub loss_after: f32,
    /// Accuracy of the last step everywhere: what full depth gives.
    pub full_accuracy: f32,
    /// Accuracy against mean exit step, for thresholds q from 0.02 to 1.
    pub sweep: Vec<SweepPoint>,
    /// Spearman's rank correlation between difficulty and exit step at `q`.
    pub rank_correlation: f32,
    /// The smallest threshold of the sweep that keeps 99.5 % of the full accuracy.
    pub q: f32,
    /// Mean exit step of each difficulty at `q`, from easy to hard.
    pub exit_steps: Vec<f32>,
}

/// What a threshold gives.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepPoint {
    /// Threshold on the cumulated exit probability.
    pub q: f32,
    /// Mean exit step.
    pub mean_steps: f32,
    /// Accuracy at the exit step.
    pub accuracy: f32,
}

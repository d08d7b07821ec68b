//! `metrics.jsonl`: what is read of it again.

use std::path::Path;

use serde::Deserialize;

use super::error::RunFolderError;
use crate::metrics::Evaluation;

/// What an evaluation is compared by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    /// Mean accuracy of the last step.
    accuracy: f32,
    /// Mean cross-entropy of the last step.
    loss: f32,
}

impl Score {
    pub(super) fn of(evaluation: &Evaluation) -> Self {
        Self::new(
            evaluation.accuracy.last().copied(),
            evaluation.step_losses.last().copied(),
        )
    }

    fn new(accuracy: Option<f32>, loss: Option<f32>) -> Self {
        Self {
            accuracy: accuracy.unwrap_or(f32::NEG_INFINITY),
            loss: loss.unwrap_or(f32::INFINITY),
        }
    }

    /// Higher accuracy, or the same at a lower loss.
    pub(super) fn is_better_than(self, other: Self) -> bool {
        self.accuracy > other.accuracy
            || (self.accuracy == other.accuracy && self.loss < other.loss)
    }
}

/// What of a line matters here. JSON has no numbers that are not finite; they are `null`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    kind: String,
    update: u64,
    #[serde(default)]
    accuracy: Vec<Option<f32>>,
    #[serde(default)]
    step_losses: Vec<Option<f32>>,
}

/// What the lines up to an update say.
#[derive(Debug, PartialEq)]
pub(super) struct History {
    /// Bytes of the lines to keep.
    pub(super) length: u64,
    /// The best evaluation among them.
    pub(super) best: Option<Score>,
}

impl History {
    /// Reads lines until the first of an update or an evaluation beyond `update`. A last line without its end was being
    /// written when the process died, and is dropped.
    pub(super) fn read(path: &Path, bytes: &[u8], update: u64) -> Result<Self, RunFolderError> {
        let (mut length, mut best) = (0, None);
        for (number, text) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
            if !text.ends_with(b"\n") {
                break;
            }
            let line: Line = serde_json::from_slice(text).map_err(|e| RunFolderError::Damaged {
                path: path.to_owned(),
                what: format!("line {}: {e}", number + 1),
            })?;
            // The updates of a gate are counted on their own.
            if line.kind != "gate" && line.update > update {
                break;
            }
            if line.kind == "evaluation" {
                let last = |values: &[Option<f32>]| values.last().copied().flatten();
                let score = Score::new(last(&line.accuracy), last(&line.step_losses));
                if best.is_none_or(|best| score.is_better_than(best)) {
                    best = Some(score);
                }
            }
            length += text.len() as u64;
        }
        Ok(Self { length, best })
    }
}

//! What `exits.json` holds. Scripts depend on it; the page says what the fields mean.

use serde::Serialize;

use super::compare::Comparison;
use super::depth::DepthRow;
use super::measure::Measured;
use super::sweep::Curve;

pub(super) use super::sweep::FREE;

/// Tells a report's data from others'. Changes when a field changes its meaning.
pub(super) const FORMAT: &str = "looplm-exits-1";

/// The cheapest threshold of a rule that keeps what full depth gets right, but for half a point.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cheapest {
    pub(super) rule: &'static str,
    /// As `--exit` takes it.
    pub(super) exit: String,
    pub(super) mean_steps: f64,
    pub(super) accuracy: f64,
}

/// A report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) format: &'static str,
    /// Name of the configuration that the task is from.
    pub(super) task: String,
    /// Name of the model's folder.
    pub(super) model: String,
    /// The adapter it ran on.
    pub(super) adapter: String,
    /// Full depth T.
    pub(super) steps: usize,
    /// Steps that the model was trained with.
    pub(super) trained_steps: usize,
    /// Sequences.
    pub(super) samples: usize,
    /// Targets in them.
    pub(super) targets: usize,
    /// Accuracy at full depth.
    pub(super) full_accuracy: f64,
    /// Accuracy of runs of 1 to 8 steps; a row for each difficulty, from easy to hard, and the last for all.
    pub(super) depth: Vec<DepthRow>,
    /// The rules in the order they were asked for.
    pub(super) rules: Vec<Curve>,
    /// From the fewest mean steps to the most.
    pub(super) cheapest: Vec<Cheapest>,
    /// The rules at the same mean steps; null if too few were asked for.
    pub(super) comparison: Option<Comparison>,
    /// Decoding as it was measured; null where the model does not continue its prompt.
    pub(super) decoding: Option<Measured>,
    /// Why decoding was not measured.
    pub(super) not_measured: Option<String>,
    /// What is seen, in words.
    pub(super) findings: Vec<String>,
}

/// The cheapest threshold of each rule that keeps full depth's accuracy.
pub(super) fn cheapest(curves: &[Curve], full: f64) -> Vec<Cheapest> {
    let of = |curve: &Curve| {
        let keeps = curve.points.iter().find(|p| p.accuracy >= full - FREE)?;
        Some(Cheapest {
            rule: curve.rule,
            exit: keeps.exit.clone(),
            mean_steps: keeps.mean_steps,
            accuracy: keeps.accuracy,
        })
    };
    let mut found: Vec<Cheapest> = curves.iter().filter_map(of).collect();
    found.sort_by(|a, b| a.mean_steps.total_cmp(&b.mean_steps));
    found
}

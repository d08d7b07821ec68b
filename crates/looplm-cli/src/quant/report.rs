//! What the JSON of `looplm eval quant` holds. Scripts and the page depend on it.

use looplm::precision::Precision;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::fidelity::{Difference, Documents, Figures, Origin, StepFigures};

/// Tells these figures from others. Changes when a field changes its meaning.
pub(super) const FORMAT: &str = "looplm-quantisation-1";

/// What was measured on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    /// `task`: held-out samples; `generated`: what the model wrote; `random`: random ids.
    pub(super) on: &'static str,
    /// Name of the task's configuration.
    pub(super) task: Option<String>,
    /// Sequences.
    pub(super) samples: usize,
    /// Positions in them.
    pub(super) positions: usize,
    /// Those with a target, which the figures are of where there are any.
    pub(super) targets: usize,
    #[serde(skip)]
    pub(super) described: String,
}

impl Measured {
    pub(super) fn of(documents: &Documents) -> Self {
        Self {
            on: documents.origin.name(),
            task: match &documents.origin {
                Origin::Task(name) => Some(name.clone()),
                Origin::Generated | Origin::Random => None,
            },
            samples: documents.samples,
            positions: documents.positions(),
            targets: documents.targets(),
            described: documents.origin.describe(documents.samples),
        }
    }
}

/// The model as it is stored.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Reference {
    /// Bytes of its weight files.
    pub(super) bytes: u64,
    /// Bytes of its weights on the device.
    pub(super) memory: u64,
}

/// Divergences at every position, those without a target too. A list has an element for each step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Everywhere {
    pub(super) top1: Vec<f64>,
    pub(super) kl: Vec<f64>,
    pub(super) kl_p99: Vec<f64>,
    pub(super) exit_changed: f64,
}

/// A format. A list has an element for each step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormatReport {
    #[serde(skip)]
    pub(super) precision: Precision,
    /// What the head is held as, where it was asked for.
    pub(super) head: Option<&'static str>,
    /// Bytes of the weight files when converted.
    pub(super) bytes: u64,
    /// Bytes of the weights on the device.
    pub(super) memory: u64,
    /// Share of positions with the same best token as the reference.
    pub(super) top1: Vec<f64>,
    /// Mean KL(reference || format), in nats.
    pub(super) kl: Vec<f64>,
    /// What 99 of 100 positions do not exceed.
    pub(super) kl_p99: Vec<f64>,
    /// Share of positions whose exit step changed.
    pub(super) exit_changed: f64,
    /// How many steps later those leave on average; negative: earlier.
    pub(super) exit_later: f64,
    /// How many steps away those leave on average.
    pub(super) exit_distance: f64,
    /// Share of targets that are the best token; null without a task.
    pub(super) accuracy: Option<Vec<f64>>,
    /// The same of the reference.
    pub(super) reference_accuracy: Option<Vec<f64>>,
    /// The same at all positions; null without a task, where the other figures are of all positions.
    pub(super) everywhere: Option<Everywhere>,
}

fn list(figures: &Figures, of: impl Fn(&StepFigures) -> f64) -> Vec<f64> {
    let of = |step| significant(of(step));
    figures.steps.iter().map(of).collect()
}

/// With six digits, more than there is to know.
fn significant(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

impl FormatReport {
    pub(super) fn new(
        precision: Precision,
        bytes: u64,
        memory: u64,
        difference: &Difference,
    ) -> Self {
        let figures = difference.that_counts();
        let has_targets = difference.at_targets.is_some();
        let accuracy = |which: usize| has_targets.then(|| list(figures, |s| s.right[which]));
        let all = &difference.everywhere;
        Self {
            precision,
            head: precision.head.map(|format| format.name()),
            bytes,
            memory,
            top1: list(figures, |s| s.top1),
            kl: list(figures, |s| s.kl),
            kl_p99: list(figures, |s| s.kl_p99),
            exit_changed: significant(figures.exit_changed),
            exit_later: significant(figures.exit_later),
            exit_distance: significant(figures.exit_distance),
            accuracy: accuracy(1),
            reference_accuracy: accuracy(0),
            everywhere: has_targets.then(|| Everywhere {
                top1: list(all, |s| s.top1),
                kl: list(all, |s| s.kl),
                kl_p99: list(all, |s| s.kl_p99),
                exit_changed: significant(all.exit_changed),
            }),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.precision.format.name()
    }
}

/// The figures.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) format: &'static str,
    /// Name of the model's folder.
    pub(super) model: String,
    /// The adapter it ran on.
    pub(super) adapter: String,
    /// Recurrent steps.
    pub(super) steps: usize,
    pub(super) measured: Measured,
    /// The gate's threshold for exit steps.
    pub(super) q: f32,
    /// How the formats' keys and values are kept; the reference's are f32.
    pub(super) kv_format: String,
    /// The weights as they are stored, with f32 arithmetic.
    pub(super) reference: Reference,
    /// By name.
    #[serde(serialize_with = "by_name")]
    pub(super) formats: Vec<FormatReport>,
}

/// A map in the order of the list.
fn by_name<S: Serializer>(formats: &[FormatReport], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(formats.len()))?;
    for format in formats {
        map.serialize_entry(format.name(), format)?;
    }
    map.end()
}

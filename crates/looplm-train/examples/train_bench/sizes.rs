//! The models that are timed: `tests/reference/bench_sizes.json`, which the benches of other systems read too.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Failure;

const SIZES: &str = include_str!("../../../../tests/reference/bench_sizes.json");

/// One model and its batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Size {
    pub(crate) name: String,
    pub(crate) hidden: usize,
    pub(crate) intermediate: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) steps: usize,
    pub(crate) vocabulary: usize,
    pub(crate) length: usize,
    pub(crate) sequences: usize,
}

/// All of them, small to large.
pub(crate) fn all() -> Result<Vec<Size>, Failure> {
    Ok(serde_json::from_str(SIZES)?)
}

impl Size {
    /// The configuration of a run; its task is not used.
    pub(crate) fn config(&self) -> Value {
        json!({
            "name": self.name,
            "seed": 1,
            "task": { "kind": "shuffle" },
            "model": {
                "hidden_size": self.hidden,
                "intermediate_size": self.intermediate,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "total_ut_steps": self.steps,
            },
            "objective": { "kind": "stage-1", "beta": 0.1 },
            "optimizer": { "learning_rate": 1e-3 },
            "run": { "updates": 1, "batch_size": self.sequences },
        })
    }

    /// Floating-point operations of the products of an update: once forward, once again on the way back (but for the
    /// layer that the way back begins with), and twice for the gradients; the head three times, once each step.
    pub(crate) fn product_flop(&self) -> f64 {
        let rows = (self.sequences * self.length).next_multiple_of(64);
        let layer = self.hidden * (4 * self.hidden + 3 * self.intermediate);
        let layers = (4 * self.steps * self.layers - 1) * layer;
        let head = 3 * self.steps * self.vocabulary * self.hidden;
        2.0 * rows as f64 * (layers + head) as f64
    }
}

//! What every step thought of every target of the held-out samples.

use looplm::LoopLm;
use looplm::forward::ForwardOptions;
use looplm::row::MAX_STEPS;
use looplm::trace::StepTrace;
use looplm_train::{Batch, Task};
use pollster::block_on;

use crate::failure::Failure;
use crate::progress::Stage;

/// A target.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The sample it is of, from 0.
    pub(super) sample: usize,
    /// Its difficulty, if that is known.
    pub(super) difficulty: Option<usize>,
    /// The steps at full depth.
    pub(super) steps: Vec<StepTrace>,
    /// Whether each step's best token is the target, those beyond full depth included.
    pub(super) right: [bool; MAX_STEPS],
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// Full depth.
    pub(super) steps: usize,
    /// Sequences.
    pub(super) samples: usize,
    /// Names of the difficulties.
    pub(super) difficulties: Vec<String>,
    pub(super) targets: Vec<Target>,
}

impl Observed {
    /// The targets of a difficulty.
    pub(super) fn of_difficulty(&self, difficulty: usize) -> impl Iterator<Item = &Target> {
        let is = move |target: &&Target| target.difficulty == Some(difficulty);
        self.targets.iter().filter(is)
    }
}

/// Runs the model over them with the most steps there can be. A step sees nothing of those after it, so what step t thinks
/// is what a run of t steps comes to.
pub(super) fn observe(
    model: &LoopLm,
    task: &dyn Task,
    batches: &[Batch],
    steps: usize,
    aborted: &dyn Fn() -> bool,
) -> Result<Observed, Failure> {
    let mut observed = Observed {
        steps,
        samples: batches.iter().map(|b| b.sequences).sum(),
        difficulties: task.difficulties(),
        targets: Vec::new(),
    };
    let options = ForwardOptions {
        steps: Some(MAX_STEPS),
        trace_top_k: Some(1),
        ..ForwardOptions::default()
    };
    let mut stage = Stage::new("samples", observed.samples as u64);
    let mut before = 0;
    for batch in batches {
        for rows in batch.documents() {
            let sample = before + rows.start / batch.length;
            stage.at(sample as u64);
            let seen = block_on(model.forward(&batch.ids[rows.clone()], &options, aborted))?;
            for (row, all) in rows.zip(seen.positions) {
                let Ok(token) = u32::try_from(batch.targets[row]) else {
                    continue;
                };
                let difficulty = batch.difficulty.get(row).map(|&d| d.into());
                observed.targets.push(Target {
                    sample,
                    difficulty: difficulty.filter(|&d| d < observed.difficulties.len()),
                    right: right(&all, token),
                    steps: all.into_iter().take(steps).collect(),
                });
            }
        }
        before += batch.sequences;
    }
    Ok(observed)
}

fn right(steps: &[StepTrace], target: u32) -> [bool; MAX_STEPS] {
    let mut right = [false; MAX_STEPS];
    for (right, step) in right.iter_mut().zip(steps) {
        let best = step.lens.as_ref().and_then(|lens| lens.top.first());
        *right = best.is_some_and(|&(token, _)| token == target);
    }
    right
}

//! Accuracy by difficulty and step over held-out samples.

use crate::{
    batch::{Batch, NO_DIFFICULTY},
    engine::{Inputs, RowResults},
    error::TrainError,
    metrics::{DifficultyRow, Evaluation},
    objective::{Objective, Prior},
    task::Split,
};

use super::Trainer;

/// Sums over the targets of one difficulty, or of all.
#[derive(Debug, Clone, Default)]
struct Tally {
    targets: u64,
    right: Vec<u64>,
    losses: Vec<f64>,
    expected_step: f64,
    entropy: f64,
}

impl Tally {
    fn new(steps: usize) -> Self {
        Self {
            right: vec![0; steps],
            losses: vec![0.0; steps],
            ..Self::default()
        }
    }

    /// Adds row `row`, whose target is `target`.
    fn add(&mut self, results: &RowResults, rows: usize, row: usize, target: u32) {
        self.targets += 1;
        for step in 0..self.right.len() {
            let at = step * rows + row;
            self.right[step] += u64::from(results.predictions[at] == target);
            self.losses[step] += f64::from(results.losses[at]);
            let p = f64::from(results.probabilities[at]);
            self.expected_step += (step + 1) as f64 * p;
            if p > 0.0 {
                self.entropy -= p * p.ln();
            }
        }
    }

    fn mean(&self, sum: f64) -> f32 {
        (sum / self.targets.max(1) as f64) as f32
    }

    fn accuracy(&self) -> Vec<f32> {
        self.right.iter().map(|&n| self.mean(n as f64)).collect()
    }

    fn step_losses(&self) -> Vec<f32> {
        self.losses.iter().map(|&loss| self.mean(loss)).collect()
    }
}

/// One held-out batch with what every row of it came to.
pub(super) struct Looked {
    pub(super) batch: Batch,
    pub(super) results: RowResults,
    /// Rows with padding: the pitch of `results`.
    pub(super) rows: usize,
}

impl Looked {
    /// Rows with a target: row, target, difficulty.
    pub(super) fn targets(&self) -> impl Iterator<Item = (usize, u32, u16)> + '_ {
        self.batch
            .targets
            .iter()
            .enumerate()
            .filter_map(|(row, &target)| {
                let target = u32::try_from(target).ok()?;
                let difficulty = self.batch.difficulty.get(row).copied();
                Some((row, target, difficulty.unwrap_or(NO_DIFFICULTY)))
            })
    }
}

impl Trainer {
    /// Runs batch `index` of a split without learning from it.
    pub(super) async fn look(&mut self, split: Split, index: u64) -> Result<Looked, TrainError> {
        // A batch of the size of training's fits as it does, and its kernels are made once.
        let batch = self.task.batch(split, index, self.config.run.batch_size);
        let inputs = Inputs::new(&batch, &self.engine.config)?;
        let objective = Objective::StageI {
            beta: 0.0,
            prior: Prior::Uniform,
        };
        let steps = self.steps();
        let (results, _) = self
            .engine
            .look(&inputs, steps, &objective.params(inputs.targets_count))
            .await?;
        Ok(Looked {
            batch,
            results,
            rows: inputs.ids.len(),
        })
    }

    /// Batches that hold `samples` sequences or a little more.
    pub(super) fn batches_for(&self, samples: u64) -> u64 {
        samples.div_ceil(self.config.run.batch_size as u64).max(1)
    }

    /// Evaluates as many held-out samples as the configuration says.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub async fn evaluate(&mut self) -> Result<Evaluation, TrainError> {
        self.evaluate_samples(self.config.run.evaluation_samples as u64)
            .await
    }

    /// Evaluates `samples` held-out samples, rounded up to whole batches.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub async fn evaluate_samples(&mut self, samples: u64) -> Result<Evaluation, TrainError> {
        let steps = self.steps();
        let names = self.task.difficulties();
        let mut all = Tally::new(steps);
        let mut by_difficulty = vec![Tally::new(steps); names.len()];
        let batches = self.batches_for(samples);
        for index in 0..batches {
            let looked = self.look(Split::Held, index).await?;
            for (row, target, difficulty) in looked.targets() {
                all.add(&looked.results, looked.rows, row, target);
                if let Some(tally) = by_difficulty.get_mut(difficulty as usize) {
                    tally.add(&looked.results, looked.rows, row, target);
                }
            }
        }
        let mut evaluation = Evaluation {
            update: self.submitted,
            samples: batches * self.config.run.batch_size as u64,
            targets: all.targets,
            step_losses: all.step_losses(),
            accuracy: all.accuracy(),
            entropy: all.mean(all.entropy),
            expected_steps: all.mean(all.expected_step),
            difficulties: names
                .into_iter()
                .zip(&by_difficulty)
                .map(|(name, tally)| DifficultyRow {
                    name,
                    targets: tally.targets,
                    accuracy: tally.accuracy(),
                    step_losses: tally.step_losses(),
                    expected_steps: tally.mean(tally.expected_step),
                })
                .collect(),
            figures: Vec::new(),
        };
        evaluation.figures = self.task.figures(&evaluation, self.parameters());
        Ok(evaluation)
    }
}

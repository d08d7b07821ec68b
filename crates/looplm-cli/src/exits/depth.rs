//! Accuracy of runs of 1 to 8 steps.

use looplm::row::MAX_STEPS;
use serde::Serialize;

use super::observe::{Observed, Target};

/// A difficulty, or all targets.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DepthRow {
    /// Its name.
    pub(super) name: String,
    /// Its targets.
    pub(super) targets: usize,
    /// Accuracy with 1, 2, ... steps in all; null where there are no targets.
    pub(super) accuracy: Vec<f64>,
}

/// The rows of the difficulties from easy to hard, then that of all targets.
pub(super) fn by_depth(observed: &Observed) -> Vec<DepthRow> {
    let names = observed.difficulties.iter().enumerate();
    let mut rows: Vec<DepthRow> = names
        .map(|(d, name)| row(name, observed.of_difficulty(d)))
        .collect();
    rows.push(row("all", observed.targets.iter()));
    rows
}

fn row<'a>(name: &str, targets: impl Iterator<Item = &'a Target>) -> DepthRow {
    let mut right = [0usize; MAX_STEPS];
    let mut count = 0;
    for target in targets {
        count += 1;
        for (sum, &is) in right.iter_mut().zip(&target.right) {
            *sum += usize::from(is);
        }
    }
    DepthRow {
        name: name.to_owned(),
        targets: count,
        accuracy: right.map(|n| n as f64 / count as f64).to_vec(),
    }
}

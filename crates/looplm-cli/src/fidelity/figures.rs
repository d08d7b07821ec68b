//! What the differences at many positions come to.

use super::divergence::Distribution;

/// The differences at one recurrent step, of some positions.
#[derive(Debug, Clone, Default)]
struct Tally {
    divergences: Vec<f64>,
    agreed: usize,
    /// Squared differences of the logits, and squares of the reference's, each less its mean.
    squares: [f64; 2],
    /// Positions whose best token is the one that is right: of the reference, of the other.
    right: [usize; 2],
}

impl Tally {
    fn add(&mut self, logits: [&[f32]; 2], target: Option<u32>) {
        let [reference, other] = logits.map(Distribution::of);
        self.divergences.push(reference.divergence(&other));
        self.agreed += usize::from(reference.best == other.best);
        // The head's logits mean the same when all are shifted.
        let mean = |values: &[f32]| {
            values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len().max(1) as f64
        };
        let means = logits.map(mean);
        for (&a, &b) in logits[0].iter().zip(logits[1]) {
            let (a, b) = (f64::from(a) - means[0], f64::from(b) - means[1]);
            self.squares[0] += (b - a) * (b - a);
            self.squares[1] += a * a;
        }
        for (right, best) in self.right.iter_mut().zip([reference.best, other.best]) {
            *right += usize::from(target.is_some_and(|t| t as usize == best));
        }
    }

    fn figures(mut self) -> StepFigures {
        self.divergences.sort_by(f64::total_cmp);
        let count = self.divergences.len();
        let share = |of: usize| of as f64 / count.max(1) as f64;
        // The smallest value that 99 of 100 positions do not exceed.
        let rank = (count * 99).div_ceil(100).saturating_sub(1);
        StepFigures {
            kl: self.divergences.iter().sum::<f64>() / count.max(1) as f64,
            kl_p99: self.divergences.get(rank).copied().unwrap_or(0.0),
            top1: share(self.agreed),
            relative_error: if self.squares[1] > 0.0 {
                (self.squares[0] / self.squares[1]).sqrt()
            } else {
                0.0
            },
            right: self.right.map(share),
        }
    }
}

/// How two models differ at one recurrent step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepFigures {
    /// Mean KL(reference || other) in nats.
    pub(crate) kl: f64,
    /// What 99 of 100 positions do not exceed.
    pub(crate) kl_p99: f64,
    /// Share of positions with the same best token.
    pub(crate) top1: f64,
    /// Length of the logits' difference in that of the reference's logits.
    pub(crate) relative_error: f64,
    /// Share of positions whose best token is right: of the reference, of the other. Zero where nothing is known.
    pub(crate) right: [f64; 2],
}

/// How two models differ over some positions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    /// How many positions.
    pub(crate) positions: usize,
    /// By recurrent step.
    pub(crate) steps: Vec<StepFigures>,
    /// Share of positions that leave at another step than the reference.
    pub(crate) exit_changed: f64,
    /// How many steps those leave later, on average; negative: earlier.
    pub(crate) exit_later: f64,
    /// How many steps away they leave.
    pub(crate) exit_distance: f64,
}

/// The differences of some positions.
#[derive(Debug, Clone)]
struct Tallies {
    steps: Vec<Tally>,
    positions: usize,
    /// By how many steps each position that leaves at another step leaves later.
    moved: Vec<i64>,
}

impl Tallies {
    fn exits(&mut self, [reference, other]: [usize; 2]) {
        self.positions += 1;
        if reference != other {
            self.moved.push(other as i64 - reference as i64);
        }
    }

    fn figures(self) -> Figures {
        let mean = |of: fn(i64) -> i64| {
            let sum: i64 = self.moved.iter().map(|&by| of(by)).sum();
            sum as f64 / self.moved.len().max(1) as f64
        };
        Figures {
            positions: self.positions,
            exit_changed: self.moved.len() as f64 / self.positions.max(1) as f64,
            exit_later: mean(|by| by),
            exit_distance: mean(i64::abs),
            steps: self.steps.into_iter().map(Tally::figures).collect(),
        }
    }
}

/// How two models differ.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// Over all positions.
    pub(crate) everywhere: Figures,
    /// Over the positions that have a target; none where no position has one.
    pub(crate) at_targets: Option<Figures>,
}

impl Difference {
    /// Over the positions that count: those the model was taught to say something at, where they are known.
    pub(crate) fn that_counts(&self) -> &Figures {
        self.at_targets.as_ref().unwrap_or(&self.everywhere)
    }
}

/// Gathers differences.
#[derive(Debug)]
pub(super) struct Gathering {
    everywhere: Tallies,
    at_targets: Tallies,
}

impl Gathering {
    pub(super) fn new(steps: usize) -> Self {
        let none = Tallies {
            steps: vec![Tally::default(); steps],
            positions: 0,
            moved: Vec::new(),
        };
        Self {
            everywhere: none.clone(),
            at_targets: none,
        }
    }

    /// The logits of both at a step, from 0.
    pub(super) fn logits(&mut self, step: usize, logits: [&[f32]; 2], target: Option<u32>) {
        self.everywhere.steps[step].add(logits, target);
        if target.is_some() {
            self.at_targets.steps[step].add(logits, target);
        }
    }

    /// The steps at which both leave a position.
    pub(super) fn exits(&mut self, steps: [usize; 2], target: Option<u32>) {
        self.everywhere.exits(steps);
        if target.is_some() {
            self.at_targets.exits(steps);
        }
    }

    pub(super) fn finish(self) -> Difference {
        let has_targets = self.at_targets.positions > 0;
        Difference {
            everywhere: self.everywhere.figures(),
            at_targets: has_targets.then(|| self.at_targets.figures()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_positions_they_name() {
        let mut gathering = Gathering::new(1);
        for i in 0..99 {
            gathering.logits(0, [&[2.0, 0.0], &[2.0, 0.0]], None);
            gathering.exits([1, if i == 0 { 3 } else { 1 }], None);
        }
        // Another best token, which is the right one.
        gathering.logits(0, [&[2.0, 0.0], &[0.0, 2.0]], Some(1));
        gathering.exits([4, 1], Some(1));
        let found = gathering.finish();
        assert_eq!(Some(found.that_counts()), found.at_targets.as_ref());
        let (all, step) = (&found.everywhere, &found.everywhere.steps[0]);
        assert_eq!((all.positions, step.top1), (100, 0.99));
        assert_eq!(step.kl_p99, 0.0, "99 of 100 do not differ");
        assert_eq!(
            (all.exit_changed, all.exit_later, all.exit_distance),
            (0.02, -0.5, 2.5)
        );
        // One of 100 is the opposite of what it was.
        assert!((step.relative_error - 0.2).abs() < 1e-9, "{step:?}");
        let targets = &found.at_targets.expect("there is one");
        assert_eq!((targets.positions, targets.steps[0].top1), (1, 0.0));
        assert_eq!(targets.steps[0].right, [0.0, 1.0]);
        assert!((targets.steps[0].kl - 100.0 * step.kl).abs() < 1e-9);
        assert_eq!((targets.exit_changed, targets.exit_later), (1.0, -3.0));
    }

    #[test]
    fn without_targets_there_are_no_figures_of_them() {
        let mut gathering = Gathering::new(2);
        gathering.logits(1, [&[0.0], &[1.0]], None);
        gathering.exits([2, 2], None);
        let found = gathering.finish();
        assert_eq!(found.that_counts(), &found.everywhere);
        assert_eq!(found.everywhere.steps[1].relative_error, 0.0, "a shift");
        assert_eq!(found.everywhere.exit_changed, 0.0);
    }
}

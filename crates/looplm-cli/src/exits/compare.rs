//! Rules beside each other at the same mean number of steps.
//!
//! Between two thresholds a rule is taken to lie on the straight line, which is what drawing one of the two at random for
//! every token would give.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use super::sweep::{Curve, Tally};

/// Places at which curves are compared for an average.
const PLACES: usize = 101;
/// Times that the samples are drawn again, and what is left out of the result at each end.
const RESAMPLES: usize = 400;
const TAIL: f64 = 0.025;
/// A rule that reaches less than this share of the way from 1 step to all is not in the average.
const WIDE: f64 = 0.75;

/// A difference of accuracies, and the interval that holds 95 % of it when the samples are drawn again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Lead {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A rule's average.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Average {
    pub(super) rule: &'static str,
    /// Mean accuracy from `from` to `to` steps.
    pub(super) accuracy: f64,
    /// What the best rule is ahead by.
    pub(super) behind: Lead,
}

/// A rule that reaches too few mean steps for that.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Narrow {
    pub(super) rule: &'static str,
    /// What it reaches together with the best rule.
    pub(super) from: f64,
    pub(super) to: f64,
    /// What the best rule is ahead by there.
    pub(super) behind: Lead,
}

/// Accuracy at given mean steps; null where a rule has no threshold that comes to them.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AtSteps {
    pub(super) rule: &'static str,
    pub(super) accuracy: Vec<Option<f64>>,
}

/// One rule against another, where both reach.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Duel {
    pub(super) from: f64,
    pub(super) to: f64,
    /// Mean of what confidence is ahead of the gate by.
    pub(super) lead: Lead,
    /// Share of the way on which it is ahead by more than a thousandth.
    pub(super) ahead: f64,
    /// Share of the way on which it is behind by more than a thousandth.
    pub(super) behind: f64,
    /// The most it is ahead by, and at how many mean steps.
    pub(super) most: f64,
    pub(super) most_at: f64,
}

/// All rules at the same mean steps.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    /// The mean steps that all rules in `averages` reach.
    pub(super) from: f64,
    pub(super) to: f64,
    /// From the best to the worst.
    pub(super) averages: Vec<Average>,
    /// Rules that are not in `averages`.
    pub(super) narrow: Vec<Narrow>,
    /// The mean steps of `at_steps`.
    pub(super) steps: Vec<f64>,
    pub(super) at_steps: Vec<AtSteps>,
    /// Confidence against the gate, if both were asked for.
    pub(super) confidence_against_gate: Option<Duel>,
}

/// (mean steps, accuracy), from few steps to many.
type Line = Vec<(f64, f64)>;

fn line(curve: &Curve) -> Line {
    let points = curve.points.iter();
    points.map(|p| (p.mean_steps, p.accuracy)).collect()
}

fn ends(line: &Line) -> Option<(f64, f64)> {
    Some((line.first()?.0, line.last()?.0))
}

/// Accuracy at so many mean steps; beyond an end, that of the end.
fn at(line: &Line, steps: f64) -> f64 {
    let after = line.partition_point(|&(x, _)| x < steps);
    let (Some(&a), Some(&b)) = (line.get(after.saturating_sub(1)), line.get(after)) else {
        return line.last().map_or(f64::NAN, |&(_, y)| y);
    };
    if b.0 <= a.0 {
        return b.1;
    }
    a.1 + (b.1 - a.1) * (steps - a.0) / (b.0 - a.0)
}

fn places(from: f64, to: f64) -> impl Iterator<Item = f64> {
    (0..PLACES).map(move |i| from + (to - from) * i as f64 / (PLACES - 1) as f64)
}

fn average(line: &Line, from: f64, to: f64) -> f64 {
    places(from, to).map(|x| at(line, x)).sum::<f64>() / PLACES as f64
}

/// The curves as they would be, had the samples been these.
fn resampled(curve: &Curve, times: &[u64]) -> Line {
    let total = |samples: &[Tally]| {
        let mut all = Tally::default();
        for (tally, &n) in samples.iter().zip(times) {
            all.targets += n * tally.targets;
            all.right += n * tally.right;
            all.steps += n * tally.steps;
        }
        (all.mean_steps(), all.accuracy())
    };
    let mut line: Line = curve.points.iter().map(|p| total(&p.samples)).collect();
    line.sort_by(|a, b| a.0.total_cmp(&b.0));
    line
}

/// Samples drawn again, with replacement: how often each was drawn.
fn draws(samples: usize) -> Vec<Vec<u64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut draw = || {
        let mut times = vec![0; samples];
        for _ in 0..samples {
            times[(rng.next_u64() % samples.max(1) as u64) as usize] += 1;
        }
        times
    };
    (0..RESAMPLES).map(|_| draw()).collect()
}

fn lead(mean: f64, mut again: Vec<f64>) -> Lead {
    again.retain(|x| x.is_finite());
    again.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let last = again.len().saturating_sub(1);
        again.get((q * last as f64).round() as usize).copied()
    };
    Lead {
        mean,
        low: quantile(TAIL).unwrap_or(f64::NAN),
        high: quantile(1.0 - TAIL).unwrap_or(f64::NAN),
    }
}

/// Compares the rules; `None` if none of them reaches enough mean steps.
pub(super) fn compare(curves: &[Curve], steps: usize) -> Option<Comparison> {
    let lines: Vec<Line> = curves.iter().map(line).collect();
    let is_wide =
        |line: &Line| ends(line).is_some_and(|(from, to)| to - from >= WIDE * (steps as f64 - 1.0));
    let (wide, narrow): (Vec<usize>, Vec<usize>) =
        (0..curves.len()).partition(|&i| is_wide(&lines[i]));
    let reach = || wide.iter().filter_map(|&i| ends(&lines[i]));
    let from = reach().map(|(from, _)| from).reduce(f64::max)?;
    let to = reach().map(|(_, to)| to).reduce(f64::min)?;
    if from >= to {
        return None;
    }
    let samples = curves[*wide.first()?].points.first()?.samples.len();
    let again: Vec<Vec<Line>> = draws(samples)
        .iter()
        .map(|times| curves.iter().map(|c| resampled(c, times)).collect())
        .collect();
    let mean = |i: usize| average(&lines[i], from, to);
    let mut order = wide.clone();
    order.sort_by(|&a, &b| mean(b).total_cmp(&mean(a)));
    let best = *order.first()?;
    let difference = |a: usize, b: usize, from: f64, to: f64| {
        let of = |lines: &Vec<Line>| average(&lines[a], from, to) - average(&lines[b], from, to);
        lead(of(&lines), again.iter().map(of).collect())
    };
    let averages = order.iter().map(|&i| Average {
        rule: curves[i].rule,
        accuracy: mean(i),
        behind: difference(best, i, from, to),
    });
    let grid = grid(steps);
    let at_steps = curves.iter().zip(&lines).map(|(curve, line)| AtSteps {
        rule: curve.rule,
        accuracy: grid.iter().map(|&x| within(line, x)).collect(),
    });
    let find = |name: &str| curves.iter().position(|c| c.rule == name);
    let both = |a: usize, b: usize| {
        let ((from_a, to_a), (from_b, to_b)) = (ends(&lines[a])?, ends(&lines[b])?);
        let (from, to) = (from_a.max(from_b), to_a.min(to_b));
        (from < to).then_some((from, to))
    };
    let narrow = narrow.iter().filter_map(|&i| {
        let (from, to) = both(best, i)?;
        Some(Narrow {
            rule: curves[i].rule,
            from,
            to,
            behind: difference(best, i, from, to),
        })
    });
    let duel = || {
        let (a, b) = (find("confidence")?, find("gate")?);
        let (from, to) = both(a, b)?;
        let ahead = |x: f64| at(&lines[a], x) - at(&lines[b], x);
        let most_at = places(from, to).max_by(|&x, &y| ahead(x).total_cmp(&ahead(y)))?;
        let share = |is: fn(f64) -> bool| {
            places(from, to).filter(|&x| is(ahead(x))).count() as f64 / PLACES as f64
        };
        Some(Duel {
            from,
            to,
            lead: difference(a, b, from, to),
            ahead: share(|x| x > 0.001),
            behind: share(|x| x < -0.001),
            most: ahead(most_at),
            most_at,
        })
    };
    Some(Comparison {
        from,
        to,
        averages: averages.collect(),
        narrow: narrow.collect(),
        at_steps: at_steps.collect(),
        confidence_against_gate: duel(),
        steps: grid,
    })
}

/// Mean steps to look at: halves, or whole ones where there are many.
fn grid(steps: usize) -> Vec<f64> {
    let pace = if steps <= 4 { 0.5 } else { 1.0 };
    let count = ((steps - 1) as f64 / pace) as usize;
    (0..=count).map(|i| 1.0 + i as f64 * pace).collect()
}

fn within(line: &Line, steps: f64) -> Option<f64> {
    // What is nearly reached counts: thresholds are quantiles, and the last may miss a few targets.
    const NEAR: f64 = 0.01;
    let (from, to) = ends(line)?;
    (steps >= from - NEAR && steps <= to + NEAR).then(|| at(line, steps))
}

#[cfg(test)]
mod tests {
    use looplm::exit::ExitRule;

    use super::super::family::Family;
    use super::super::sweep::Point;
    use super::*;

    /// A curve through (mean steps, accuracy), every sample being the mean.
    fn curve(family: Family, line: &[(f64, f64)]) -> Curve {
        let point = |&(mean_steps, accuracy): &(f64, f64)| Point {
            exit: String::new(),
            threshold: 0.0,
            mean_steps,
            accuracy,
            difficulties: Vec::new(),
            rule: ExitRule::Full,
            samples: vec![
                Tally {
                    targets: 1000,
                    right: (accuracy * 1000.0).round() as u64,
                    steps: (mean_steps * 1000.0).round() as u64,
                };
                4
            ],
        };
        Curve {
            rule: family.name(),
            points: line.iter().map(point).collect(),
            family,
        }
    }

    #[test]
    fn a_curve_is_straight_between_its_points() {
        let line = vec![(1.0, 0.2), (2.0, 0.6), (2.0, 0.7), (4.0, 0.9)];
        for (steps, accuracy) in [(1.0, 0.2), (1.5, 0.4), (3.0, 0.8), (4.0, 0.9), (9.0, 0.9)] {
            assert!((at(&line, steps) - accuracy).abs() < 1e-9, "{steps}");
        }
        assert!((at(&line, 0.0) - 0.2).abs() < 1e-9);
        assert_eq!(within(&line, 0.9), None);
    }

    #[test]
    fn the_best_at_the_same_mean_steps_is_named_with_its_lead() {
        let found = compare(
            &[
                curve(Family::Step, &[(1.0, 0.2), (4.0, 0.8)]),
                curve(Family::Confidence, &[(1.0, 0.2), (2.0, 0.8), (4.0, 0.8)]),
                curve(Family::Gate, &[(1.0, 0.2), (2.0, 0.7), (4.0, 0.8)]),
                curve(Family::Agree, &[(2.5, 0.7), (3.5, 0.8)]),
            ],
            4,
        )
        .expect("three are wide");
        assert_eq!((found.from, found.to), (1.0, 4.0));
        let names: Vec<_> = found.averages.iter().map(|a| a.rule).collect();
        assert_eq!(names, ["confidence", "gate", "step"]);
        let [agree] = &found.narrow[..] else {
            panic!("{:?}", found.narrow);
        };
        assert_eq!((agree.rule, agree.from, agree.to), ("agree", 2.5, 3.5));
        assert!(agree.behind.mean > 0.0);
        let behind = found.averages[1].behind;
        assert!((behind.mean - 0.05).abs() < 1e-3, "{behind:?}");
        assert!(
            (behind.low - behind.high).abs() < 1e-6,
            "all samples are alike"
        );
        assert_eq!(found.steps, [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]);
        let agree = found.at_steps.last().expect("it was asked for");
        assert_eq!(agree.accuracy[2], None);
        assert!(agree.accuracy[3].is_some());
        let duel = found.confidence_against_gate.expect("both are there");
        assert!((duel.most - 0.1).abs() < 2e-3 && (duel.most_at - 2.0).abs() < 0.03);
        assert!(duel.ahead > 0.9 && duel.behind == 0.0);
    }

    #[test]
    fn rules_that_reach_nothing_together_are_not_compared() {
        assert!(compare(&[curve(Family::Agree, &[(2.5, 0.7)])], 4).is_none());
        assert!(compare(&[], 4).is_none());
    }
}

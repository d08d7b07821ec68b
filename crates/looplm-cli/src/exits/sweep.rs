//! What the thresholds of a rule come to: accuracy against the mean number of steps.
//!
//! A rule is asked of traces at full depth, so every token finds the keys and values of all steps, as with the KV policy
//! `full`.

use looplm::exit::{Exit, ExitRule};
use serde::Serialize;

use super::family::Family;
use super::observe::{Observed, Target};

/// Thresholds of a rule that counts no steps.
const THRESHOLDS: usize = 12;
/// The accuracy that may be lost for an exit to count as free. The cheapest such threshold is one more.
pub(super) const FREE: f64 = 0.005;
/// Thresholds that are tried to find them, and targets that they are tried on.
const CANDIDATES: usize = 256;
const TRIED_ON: usize = 16_384;

/// Targets of one kind, and how they came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) targets: u64,
    pub(super) right: u64,
    /// Sum of the exit steps.
    pub(super) steps: u64,
}

impl Tally {
    pub(super) fn add(&mut self, step: usize, right: bool) {
        self.targets += 1;
        self.right += u64::from(right);
        self.steps += step as u64;
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.right as f64 / self.targets as f64
    }

    pub(super) fn mean_steps(&self) -> f64 {
        self.steps as f64 / self.targets as f64
    }
}

/// What a difficulty comes to. Both are null where it has no targets.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfDifficulty {
    /// Mean exit step.
    pub(super) mean_steps: f64,
    /// Share of the targets that the step they left at gets right.
    pub(super) accuracy: f64,
}

/// A rule with a threshold.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Point {
    /// As `--exit` takes it.
    pub(super) exit: String,
    /// Its number.
    pub(super) threshold: f32,
    /// Mean exit step.
    pub(super) mean_steps: f64,
    /// Share of the targets that the step they left at gets right.
    pub(super) accuracy: f64,
    /// From easy to hard.
    pub(super) difficulties: Vec<OfDifficulty>,
    #[serde(skip)]
    pub(super) rule: ExitRule,
    /// By sample.
    #[serde(skip)]
    pub(super) samples: Vec<Tally>,
}

/// A rule and its thresholds, from few steps to many.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Curve {
    /// Its name.
    pub(super) rule: &'static str,
    pub(super) points: Vec<Point>,
    #[serde(skip)]
    pub(super) family: Family,
}

impl Curve {
    /// Tries a rule.
    pub(super) fn of(family: Family, observed: &Observed) -> Self {
        let rules = match family.counts(observed.steps) {
            Some(counts) => counts.filter_map(|n| rule(family, n as f32)).collect(),
            None => spread(family, observed),
        };
        let mut points: Vec<Point> = rules
            .into_iter()
            .map(|(threshold, rule)| point(threshold, rule, observed))
            .collect();
        points.sort_by(|a, b| a.mean_steps.total_cmp(&b.mean_steps));
        Self {
            rule: family.name(),
            points,
            family,
        }
    }
}

type Rule = (f32, ExitRule);

fn rule(family: Family, threshold: f32) -> Option<Rule> {
    family.with(threshold).map(|rule| (threshold, rule))
}

fn point(threshold: f32, rule: ExitRule, observed: &Observed) -> Point {
    let mut all = Tally::default();
    let mut by_difficulty = vec![Tally::default(); observed.difficulties.len()];
    let mut samples = vec![Tally::default(); observed.samples];
    for target in &observed.targets {
        let step = exit_step(rule, target);
        let right = target.right[step - 1];
        let difficulty = target.difficulty.and_then(|d| by_difficulty.get_mut(d));
        let sample = samples.get_mut(target.sample);
        for tally in [Some(&mut all), difficulty, sample].into_iter().flatten() {
            tally.add(step, right);
        }
    }
    let of = |tally: &Tally| OfDifficulty {
        mean_steps: tally.mean_steps(),
        accuracy: tally.accuracy(),
    };
    Point {
        exit: rule.to_string(),
        threshold,
        mean_steps: all.mean_steps(),
        accuracy: all.accuracy(),
        difficulties: by_difficulty.iter().map(of).collect(),
        rule,
        samples,
    }
}

fn exit_step(rule: ExitRule, target: &Target) -> usize {
    Exit::from(rule).exit_step(&target.steps)
}

/// Thresholds whose mean steps lie evenly between the least and the most there are, and the cheapest that is free.
fn spread(family: Family, observed: &Observed) -> Vec<Rule> {
    let stride = observed.targets.len().div_ceil(TRIED_ON).max(1);
    let tried: Vec<&Target> = observed.targets.iter().step_by(stride).collect();
    let tally = |of: &dyn Fn(&Target) -> usize| {
        let mut tally = Tally::default();
        for target in &tried {
            let step = of(target);
            tally.add(step, target.right[step - 1]);
        }
        tally
    };
    let full = tally(&|target| target.steps.len()).accuracy();
    let found: Vec<(Tally, Rule)> = candidates(family, &tried)
        .into_iter()
        .filter_map(|threshold| rule(family, threshold))
        .map(|rule| (tally(&|target| exit_step(rule.1, target)), rule))
        .collect();
    let free = found.iter().filter(|(t, _)| t.accuracy() >= full - FREE);
    let cheapest = free.min_by_key(|(t, _)| t.steps).map(|(_, rule)| *rule);
    let mut found: Vec<(f64, Rule)> = found
        .into_iter()
        .map(|(tally, rule)| (tally.mean_steps(), rule))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.0.total_cmp(&b.1.0)));
    let (Some(least), Some(most)) = (found.first(), found.last()) else {
        return Vec::new();
    };
    let (least, most) = (least.0, most.0);
    let mut chosen: Vec<Rule> = Vec::new();
    for i in 0..THRESHOLDS {
        let wanted = least + (most - least) * i as f64 / (THRESHOLDS - 1) as f64;
        let far = |at: f64| (at - wanted).abs();
        let nearest = found.iter().min_by(|a, b| far(a.0).total_cmp(&far(b.0)));
        chosen.extend(nearest.map(|(_, rule)| *rule));
    }
    chosen.extend(cheapest);
    let mut seen = Vec::new();
    chosen.retain(|(threshold, _)| {
        !seen.contains(threshold) && {
            seen.push(*threshold);
            true
        }
    });
    chosen
}

/// Quantiles of what the rule looks at before the last step, and a little beyond both ends.
fn candidates(family: Family, tried: &[&Target]) -> Vec<f32> {
    let before_last = |target: &&Target| -> Vec<f32> {
        let steps = 1..target.steps.len();
        steps
            .filter_map(|n| family.looks_at(&target.steps[..n]))
            .collect()
    };
    let mut seen: Vec<f32> = tried.iter().flat_map(before_last).collect();
    seen.retain(|value| value.is_finite());
    seen.sort_by(f32::total_cmp);
    let (Some(&first), Some(&last)) = (seen.first(), seen.last()) else {
        return Vec::new();
    };
    let quantile = |i: usize| seen[i * (seen.len() - 1) / (CANDIDATES - 1)];
    let mut thresholds: Vec<f32> = (0..CANDIDATES).map(quantile).collect();
    thresholds.extend([first * 0.9, last * 1.1]);
    if family.is_probability() {
        thresholds.push(1.0);
    }
    let tidy = |value: f32| match family.is_probability() {
        true => tidy(value.min(1.0), true),
        false => tidy(value, false),
    };
    thresholds = thresholds.into_iter().map(tidy).collect();
    thresholds.sort_by(f32::total_cmp);
    thresholds.dedup();
    thresholds
}

/// The number with three digits that matter; of a probability near 1, those of what is missing.
fn tidy(value: f32, is_probability: bool) -> f32 {
    let matters = match is_probability && value > 0.5 {
        true => 1.0 - value,
        false => value.abs(),
    };
    if matters == 0.0 {
        return value;
    }
    let digits = (2.0 - matters.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use looplm::trace::Lens;

    use super::*;

    /// Targets of two steps whose first is as confident as it is likely to be right.
    fn observed(targets: usize) -> Observed {
        let target = |i: usize| {
            let p = (i as f32 + 0.5) / targets as f32;
            let step = |p: f32, probability: f32| looplm::trace::StepTrace {
                lambda: probability,
                probability,
                change: 1.0 - p,
                moved: 1.0 - p,
                lens: Some(Lens {
                    entropy: 1.0 - p,
                    top: vec![(7, p)],
                }),
            };
            let mut right = [true; looplm::row::MAX_STEPS];
            right[0] = i >= targets / 2;
            Target {
                sample: i,
                difficulty: Some(usize::from(i < targets / 2)),
                steps: vec![step(p, p), step(1.0, 1.0 - p)],
                right,
            }
        };
        Observed {
            steps: 2,
            samples: targets,
            difficulties: vec!["easy".to_owned(), "hard".to_owned()],
            targets: (0..targets).map(target).collect(),
        }
    }

    #[test]
    fn thresholds_spread_the_steps_evenly() {
        let observed = observed(1000);
        for family in [
            Family::Gate,
            Family::Hidden,
            Family::Confidence,
            Family::Entropy,
        ] {
            let curve = Curve::of(family, &observed);
            // One of them is as good as free.
            assert_eq!(curve.points.len(), THRESHOLDS + 1, "{curve:?}");
            let near = |x: f64| curve.points.iter().any(|p| (p.mean_steps - x).abs() < 0.01);
            assert!((0..THRESHOLDS).all(|i| near(1.0 + i as f64 / (THRESHOLDS - 1) as f64)));
            assert!(near(1.5 - FREE), "{curve:?}");
            for point in &curve.points {
                // Only what the first step gets wrong may lose by leaving.
                let lost = (1.5 - point.mean_steps).max(0.0);
                assert!((point.accuracy - (1.0 - lost)).abs() < 0.01, "{point:?}");
            }
        }
    }

    #[test]
    fn a_point_counts_targets_by_difficulty_and_sample() {
        let observed = observed(8);
        let curve = Curve::of(Family::Step, &observed);
        let [first, last] = &curve.points[..] else {
            panic!("{curve:?}");
        };
        assert_eq!((first.exit.as_str(), first.accuracy), ("step:1", 0.5));
        assert_eq!((last.exit.as_str(), last.accuracy), ("step:2", 1.0));
        let of = |d: usize| {
            (
                first.difficulties[d].mean_steps,
                first.difficulties[d].accuracy,
            )
        };
        assert_eq!((of(0), of(1)), ((1.0, 1.0), (1.0, 0.0)));
        assert_eq!(first.samples.len(), 8);
        assert_eq!(first.samples[7].right, 1);
        let agree = Curve::of(Family::Agree, &observed);
        assert_eq!(agree.points.len(), 1);
    }

    #[test]
    fn nothing_to_look_at_gives_no_thresholds() {
        let curve = Curve::of(
            Family::Gate,
            &Observed {
                steps: 2,
                ..Observed::default()
            },
        );
        assert!(curve.points.is_empty());
    }

    #[test]
    fn thresholds_have_the_digits_that_matter() {
        for (value, probability, text) in [
            (0.123_456, false, "0.123"),
            (123.456, false, "123"),
            (0.000_123_456, false, "0.000123"),
            (0.999_876_5, true, "0.999876"),
            (0.987_654, true, "0.9877"),
            (1.0, true, "1"),
            (0.0, false, "0"),
        ] {
            assert_eq!(tidy(value, probability).to_string(), text);
        }
    }
}

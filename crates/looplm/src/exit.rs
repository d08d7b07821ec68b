//! When a token leaves the loop: one interface for every rule, asked after each recurrent step a token has taken.
//!
//! What a question costs: `step` nothing, since the answer is known beforehand. All others a turn to the host after the step,
//! and the head over the rows that may leave, in the same submission so that a yes costs no further turn: about 8 % of a step
//! of Ouro-1.4B, more in models whose vocabulary is large beside their width. `confidence`, `entropy` and `agree` read the
//! head's statistics besides, from the first step on.

use std::{fmt, str::FromStr};

use crate::{error::Error, row::Step, trace::StepTrace};

/// What makes a token leave the loop.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ExitRule {
    /// The last step.
    #[default]
    Full,
    /// Always this step.
    Step(usize),
    /// The first step at which the cumulated exit probability reaches q (section 3.3 of the paper); q >= 1 is never early.
    Gate(f32),
    /// The step after that one: what the gate said before is known by then, so that two steps go without a turn to the host.
    GateDelayed(f32),
    /// The first step that changes the normed state by less than this share: |h_t - h_(t-1)| / |h_(t-1)| < eps.
    Hidden(f32),
    /// The first step that changes the normed state by less than this: |h_t - h_(t-1)| < eps.
    HiddenAbsolute(f32),
    /// The first step whose head gives its best token at least this probability.
    Confidence(f32),
    /// The first step whose head has at most this entropy, in nats.
    Entropy(f32),
    /// The first step at which the head's best token has been the same for K steps, this one included.
    Agree(usize),
}

/// The rules as they are written, with an example each.
const RULES: &str = "full, step:N, gate:Q, gate-delayed:Q, hidden:EPS, hidden-abs:EPS, confidence:P, entropy:X or agree:K, \
                     as in step:2 or gate:0.8";

impl ExitRule {
    /// Its name, as it is written before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Step(_) => "step",
            Self::Gate(_) => "gate",
            Self::GateDelayed(_) => "gate-delayed",
            Self::Hidden(_) => "hidden",
            Self::HiddenAbsolute(_) => "hidden-abs",
            Self::Confidence(_) => "confidence",
            Self::Entropy(_) => "entropy",
            Self::Agree(_) => "agree",
        }
    }

    /// A rule by its name and its number; `None` if there is no such rule.
    ///
    /// # Errors
    /// What the number has to be.
    pub fn of(name: &str, number: f32) -> Option<Result<Self, String>> {
        let whole = (number.fract() == 0.0 && number >= 0.0).then_some(number as usize);
        let rule = match name {
            "step" => Self::Step(whole.unwrap_or(0)),
            "gate" => Self::Gate(number),
            "gate-delayed" => Self::GateDelayed(number),
            "hidden" => Self::Hidden(number),
            "hidden-abs" => Self::HiddenAbsolute(number),
            "confidence" => Self::Confidence(number),
            "entropy" => Self::Entropy(number),
            "agree" => Self::Agree(whole.unwrap_or(0)),
            _ => return None,
        };
        Some(match rule.range() {
            None => Ok(rule),
            Some(range) => Err(range),
        })
    }

    /// What is wrong with its number, if anything, whatever the model.
    fn range(self) -> Option<String> {
        let (fits, range) = match self {
            Self::Full => return None,
            Self::Step(n) => (
                Step::new(n).is_some(),
                "the step must be a whole number from 1 to 8",
            ),
            Self::Gate(q) | Self::GateDelayed(q) => (
                q > 0.0,
                "the gate's threshold must be a number above 0, as in gate:0.8",
            ),
            Self::Hidden(eps) | Self::HiddenAbsolute(eps) => (
                eps > 0.0 && eps.is_finite(),
                "the largest change must be a number above 0, as in hidden:0.05",
            ),
            Self::Confidence(p) => (
                p > 0.0 && p <= 1.0,
                "the least probability must be above 0 and at most 1, as in confidence:0.9",
            ),
            Self::Entropy(x) => (
                x > 0.0 && x.is_finite(),
                "the highest entropy must be a number above 0, in nats, as in entropy:0.5",
            ),
            Self::Agree(k) => (
                (2..=crate::row::MAX_STEPS).contains(&k),
                "the number of steps that agree must be a whole number from 2 to 8",
            ),
        };
        (!fits).then(|| range.to_owned())
    }

    /// Whether the head has to run after every step that the rule is asked about.
    pub fn needs_head(self) -> bool {
        matches!(
            self,
            Self::Confidence(_) | Self::Entropy(_) | Self::Agree(_)
        )
    }

    /// Whether a token leaves after the last of the steps it has `taken`.
    fn fires(self, taken: &[StepTrace]) -> bool {
        let (n, Some(last)) = (taken.len(), taken.last()) else {
            return false;
        };
        let lens = last.lens.as_ref();
        let best = |step: &StepTrace| step.lens.as_ref()?.top.first().copied();
        match self {
            Self::Full => false,
            Self::Step(at) => n >= at,
            Self::Gate(q) => q < 1.0 && reached(q, taken),
            Self::GateDelayed(q) => q < 1.0 && reached(q, &taken[..n - 1]),
            Self::Hidden(eps) => last.change < eps,
            Self::HiddenAbsolute(eps) => last.moved < eps,
            Self::Confidence(p) => best(last).is_some_and(|(_, found)| found >= p),
            Self::Entropy(x) => lens.is_some_and(|lens| lens.entropy <= x),
            Self::Agree(k) => {
                let Some((token, _)) = best(last) else {
                    return false;
                };
                n >= k
                    && taken[n - k..]
                        .iter()
                        .all(|step| best(step).is_some_and(|(t, _)| t == token))
            }
        }
    }
}

/// Whether the exit probability cumulated over these steps reaches `q`. In f32, as the published code has it.
fn reached(q: f32, taken: &[StepTrace]) -> bool {
    let mut cumulated = 0.0;
    taken.iter().any(|step| {
        cumulated += step.probability;
        cumulated >= q
    })
}

impl fmt::Display for ExitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Full => f.write_str(name),
            Self::Step(n) | Self::Agree(n) => write!(f, "{name}:{n}"),
            Self::Gate(x)
            | Self::GateDelayed(x)
            | Self::Hidden(x)
            | Self::HiddenAbsolute(x)
            | Self::Confidence(x)
            | Self::Entropy(x) => write!(f, "{name}:{x}"),
        }
    }
}

impl FromStr for ExitRule {
    type Err = String;

    /// Reads `full`, `gate:0.8` and so on.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "full" {
            return Ok(Self::Full);
        }
        let unknown = || format!("an exit rule is {RULES}");
        let (name, number) = text.split_once(':').ok_or_else(unknown)?;
        let number = number.parse().unwrap_or(f32::NAN);
        Self::of(name, number).ok_or_else(unknown)?
    }
}

/// A rule, and the steps between which it decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exit {
    /// The rule.
    pub rule: ExitRule,
    /// Take at least this many steps. What the gate says before still counts.
    pub min_steps: usize,
    /// Leave at this step whatever the rule says; the last if absent.
    pub max_steps: Option<usize>,
}

impl Default for Exit {
    fn default() -> Self {
        ExitRule::Full.into()
    }
}

impl From<ExitRule> for Exit {
    fn from(rule: ExitRule) -> Self {
        Self {
            rule,
            min_steps: 1,
            max_steps: None,
        }
    }
}

impl Exit {
    /// Checks the rule and its bounds against the number of steps that will be taken.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number out of range, a step beyond the last, or a minimum above the maximum.
    pub fn check(self, steps: Step) -> Result<(), Error> {
        if let Some(range) = self.rule.range() {
            return Err(Error::invalid("exit", range));
        }
        if let ExitRule::Step(n) | ExitRule::Agree(n) = self.rule
            && n > steps.get()
        {
            let message = match self.rule {
                ExitRule::Step(_) => format!("step {n} is not one of the steps 1 to {steps}"),
                rule => format!("{rule} asks for more than the {steps} steps there are"),
            };
            return Err(Error::invalid("exit", message));
        }
        let last = self.max_steps.unwrap_or(steps.get());
        if !(1..=steps.get()).contains(&last) {
            let message = format!("must be 1 to {steps}, but is {last}");
            return Err(Error::invalid("max_steps", message));
        }
        if !(1..=last).contains(&self.min_steps) {
            let message = format!(
                "must be 1 to the maximum of {last}, but is {}",
                self.min_steps
            );
            return Err(Error::invalid("min_steps", message));
        }
        Ok(())
    }

    /// The step at which a token leaves at the latest, of `steps`.
    pub fn last_step(self, steps: usize) -> usize {
        self.max_steps.unwrap_or(steps).min(steps)
    }

    /// The first step at which a token may leave, of `steps`: no question has to be asked before.
    pub fn first_step(self, steps: usize) -> usize {
        let of_rule = match self.rule {
            ExitRule::Full => steps,
            ExitRule::Step(n) | ExitRule::Agree(n) => n,
            ExitRule::Gate(q) | ExitRule::GateDelayed(q) if q >= 1.0 => steps,
            ExitRule::GateDelayed(_) => 2,
            _ => 1,
        };
        of_rule.max(self.min_steps).min(self.last_step(steps))
    }

    /// The next step after which a token that has `taken` these of `steps` steps may leave. The delayed gate knows of its
    /// next step already, so two go together.
    pub(crate) fn next_question(self, taken: &[StepTrace], steps: usize) -> usize {
        let next = match self.rule {
            ExitRule::GateDelayed(q) if !taken.is_empty() && !reached(q, taken) => taken.len() + 2,
            _ => taken.len() + 1,
        };
        next.max(self.first_step(steps)).min(self.last_step(steps))
    }

    /// Whether a token that has `taken` these of `steps` steps leaves now.
    pub fn leaves(self, taken: &[StepTrace], steps: usize) -> bool {
        let n = taken.len();
        n >= self.last_step(steps) || (n >= self.min_steps && self.rule.fires(taken))
    }

    /// The step, from 1, at which a token with these steps leaves: the rule asked of results that are there already.
    pub fn exit_step(self, all: &[StepTrace]) -> usize {
        let steps = all.len().max(1);
        (1..=steps)
            .find(|&n| self.leaves(&all[..n.min(all.len())], steps))
            .unwrap_or(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Lens;

    fn step(n: usize) -> Step {
        Step::new(n).expect("a step")
    }

    /// Steps with these exit probabilities, changes, and best tokens with their probability.
    fn trace(steps: &[(f32, f32, u32, f32)]) -> Vec<StepTrace> {
        let of = |&(probability, change, token, p): &(f32, f32, u32, f32)| StepTrace {
            lambda: 0.5,
            probability,
            change,
            moved: 10.0 * change,
            lens: Some(Lens {
                entropy: 1.0 - p,
                top: vec![(token, p)],
            }),
        };
        steps.iter().map(of).collect()
    }

    fn gate(pdf: &[f32]) -> Vec<StepTrace> {
        let steps: Vec<_> = pdf.iter().map(|p| (*p, 1.0, 0, 0.1)).collect();
        trace(&steps)
    }

    fn leaves_at(rule: ExitRule, all: &[StepTrace]) -> usize {
        Exit::from(rule).exit_step(all)
    }

    #[test]
    fn the_gate_leaves_at_the_first_step_that_reaches_q() {
        let even = gate(&[0.25; 4]);
        assert_eq!(leaves_at(ExitRule::Gate(0.25), &even), 1);
        assert_eq!(leaves_at(ExitRule::Gate(0.3), &even), 2);
        assert_eq!(leaves_at(ExitRule::Gate(0.999), &even), 4);
        assert_eq!(leaves_at(ExitRule::GateDelayed(0.3), &even), 3);
        assert_eq!(leaves_at(ExitRule::GateDelayed(0.8), &even), 4);
        let never = "q = 1 is never early";
        assert_eq!(
            leaves_at(ExitRule::Gate(1.0), &gate(&[1.0, 0.0])),
            2,
            "{never}"
        );
        assert_eq!(leaves_at(ExitRule::Full, &even), 4);
        assert_eq!(leaves_at(ExitRule::Step(2), &even), 2);
    }

    #[test]
    fn the_delayed_gate_asks_at_every_other_step() {
        let even = gate(&[0.25; 4]);
        let exit = Exit::from(ExitRule::GateDelayed(0.6));
        assert_eq!(exit.next_question(&[], 4), 2);
        assert_eq!(
            exit.next_question(&even[..2], 4),
            4,
            "0.5 by step 2: step 3 is no exit"
        );
        let exit = Exit::from(ExitRule::GateDelayed(0.5));
        assert_eq!(exit.next_question(&even[..2], 4), 3, "step 3 is the exit");
        let exit = Exit::from(ExitRule::Gate(0.6));
        assert_eq!(exit.next_question(&even[..2], 4), 3);
    }

    #[test]
    fn rules_on_states_and_heads_leave_where_they_say() {
        let all = trace(&[
            (0.1, 0.9, 7, 0.3),
            (0.1, 0.2, 5, 0.6),
            (0.1, 0.04, 5, 0.8),
            (0.7, 0.01, 5, 0.95),
        ]);
        assert_eq!(leaves_at(ExitRule::Hidden(0.05), &all), 3);
        assert_eq!(leaves_at(ExitRule::HiddenAbsolute(3.0), &all), 2);
        assert_eq!(leaves_at(ExitRule::Confidence(0.6), &all), 2);
        assert_eq!(leaves_at(ExitRule::Entropy(0.25), &all), 3);
        assert_eq!(leaves_at(ExitRule::Agree(2), &all), 3);
        assert_eq!(leaves_at(ExitRule::Agree(3), &all), 4);
        assert_eq!(leaves_at(ExitRule::Confidence(0.99), &all), 4);
    }

    #[test]
    fn bounds_hold_whatever_the_rule_says_and_the_gate_counts_all_steps() {
        let even = gate(&[0.25; 4]);
        let exit = Exit {
            rule: ExitRule::Gate(0.25),
            min_steps: 3,
            max_steps: None,
        };
        assert_eq!((exit.exit_step(&even), exit.first_step(4)), (3, 3));
        let exit = Exit {
            rule: ExitRule::Full,
            min_steps: 1,
            max_steps: Some(2),
        };
        assert_eq!((exit.exit_step(&even), exit.first_step(4)), (2, 2));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let refused = [
            "step:0",
            "step:5",
            "step:1.5",
            "step:9",
            "gate:0",
            "gate:-1",
            "gate:NaN",
            "gate-delayed:0",
            "hidden:0",
            "hidden:inf",
            "confidence:0",
            "confidence:1.1",
            "entropy:0",
            "agree:1",
            "agree:5",
            "agree:9",
        ];
        for text in refused {
            let bad = match text.parse::<ExitRule>() {
                Err(_) => true,
                Ok(rule) => Exit::from(rule).check(step(4)).is_err(),
            };
            assert!(bad, "{text}");
        }
        for text in ["", "Full", "gate", "gate:", "last", "step:", "best:1"] {
            assert!(text.parse::<ExitRule>().is_err(), "{text:?}");
        }
        for text in [
            "full",
            "step:4",
            "gate:0.5",
            "gate:2",
            "gate-delayed:0.5",
            "hidden:0.05",
            "hidden-abs:2",
            "confidence:1",
            "entropy:0.5",
            "agree:2",
        ] {
            let rule: ExitRule = text.parse().expect(text);
            assert!(Exit::from(rule).check(step(4)).is_ok(), "{text}");
            assert_eq!(rule.to_string(), text);
        }
        let bounds = |min_steps, max_steps| {
            let rule = ExitRule::Gate(0.5);
            Exit {
                rule,
                min_steps,
                max_steps,
            }
            .check(step(4))
            .is_ok()
        };
        assert!(bounds(1, None) && bounds(4, None) && bounds(2, Some(2)));
        assert!(!bounds(0, None) && !bounds(5, None) && !bounds(3, Some(2)) && !bounds(1, Some(5)));
    }
}

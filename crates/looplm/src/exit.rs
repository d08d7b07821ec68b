//! When a token leaves the loop.
//!
//! The rules here choose which step's state goes to the head; all steps are computed in any case, as the published code
//! does. On the device a rule is two numbers of a row, so that no answer has to come back before the next pass.

use crate::{error::Error, row::Step};

/// Which recurrent step a token's logits come from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ExitRule {
    /// The last step.
    #[default]
    Full,
    /// Always this step.
    Step(usize),
    /// The first step at which the cumulated exit probability reaches q (section 3.3 of the paper); q >= 1 is never early.
    Gate(f32),
}

impl ExitRule {
    /// Checks the rule against the number of steps that will be taken.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a step beyond the last, or a threshold that is not a number above 0.
    pub fn check(self, steps: Step) -> Result<(), Error> {
        match self {
            Self::Full => Ok(()),
            Self::Step(n) if (1..=steps.get()).contains(&n) => Ok(()),
            Self::Step(n) => Err(Error::invalid(
                "exit",
                format!("step {n} is not one of the steps 1 to {steps}"),
            )),
            Self::Gate(q) if q > 0.0 => Ok(()),
            Self::Gate(q) => Err(Error::invalid(
                "exit",
                format!("the gate's threshold must be above 0, but is {q}"),
            )),
        }
    }

    /// The step at which to leave at the latest, and the cumulated probability at which to leave.
    pub(crate) fn for_device(self, steps: Step) -> (u32, f32) {
        let last = steps.get() as u32;
        match self {
            Self::Full => (last, f32::MAX),
            Self::Step(n) => (n as u32, f32::MAX),
            Self::Gate(q) if q >= 1.0 => (last, f32::MAX),
            Self::Gate(q) => (last, q),
        }
    }

    /// The step at which a row with these exit probabilities leaves, counted from 1: what the device decides, for
    /// results that were computed already.
    pub fn exit_step(self, exit_pdf: &[f32]) -> usize {
        let steps = exit_pdf.len().max(1);
        match self {
            Self::Full => steps,
            Self::Step(n) => n.min(steps),
            Self::Gate(q) if q >= 1.0 => steps,
            Self::Gate(q) => {
                let mut cumulated = 0.0;
                let reached = exit_pdf.iter().position(|p| {
                    cumulated += p;
                    cumulated >= q
                });
                reached.map_or(steps, |i| i + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_leaves_at_the_first_step_that_reaches_q() {
        let pdf = [0.25, 0.25, 0.25, 0.25];
        assert_eq!(ExitRule::Gate(0.25).exit_step(&pdf), 1);
        assert_eq!(ExitRule::Gate(0.3).exit_step(&pdf), 2);
        assert_eq!(ExitRule::Gate(0.999).exit_step(&pdf), 4);
        assert_eq!(
            ExitRule::Gate(1.0).exit_step(&[1.0, 0.0]),
            2,
            "q = 1 is never early"
        );
        assert_eq!(ExitRule::Full.exit_step(&pdf), 4);
        assert_eq!(ExitRule::Step(2).exit_step(&pdf), 2);
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let four = Step::new(4).expect("4 is a step");
        for rule in [
            ExitRule::Step(0),
            ExitRule::Step(5),
            ExitRule::Gate(0.0),
            ExitRule::Gate(f32::NAN),
            ExitRule::Gate(-1.0),
        ] {
            assert!(rule.check(four).is_err(), "{rule:?}");
        }
        for rule in [
            ExitRule::Full,
            ExitRule::Step(4),
            ExitRule::Gate(0.5),
            ExitRule::Gate(2.0),
        ] {
            assert!(rule.check(four).is_ok(), "{rule:?}");
        }
    }
}

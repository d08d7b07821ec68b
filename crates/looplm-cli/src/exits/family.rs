//! Exit rules before they have a threshold: what they look at, and how they are written.

use std::str::FromStr;

use looplm::exit::ExitRule;
use looplm::trace::StepTrace;

/// A kind of rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Step,
    Gate,
    GateDelayed,
    Hidden,
    HiddenAbsolute,
    Confidence,
    Entropy,
    Agree,
}

impl Family {
    pub(crate) const ALL: [Self; 8] = [
        Self::Step,
        Self::Gate,
        Self::GateDelayed,
        Self::Hidden,
        Self::HiddenAbsolute,
        Self::Confidence,
        Self::Entropy,
        Self::Agree,
    ];

    /// Its name, as rules write it before the colon.
    pub(crate) fn name(self) -> &'static str {
        self.any().name()
    }

    /// One of its rules.
    fn any(self) -> ExitRule {
        match self {
            Self::Step => ExitRule::Step(1),
            Self::Gate => ExitRule::Gate(0.5),
            Self::GateDelayed => ExitRule::GateDelayed(0.5),
            Self::Hidden => ExitRule::Hidden(0.5),
            Self::HiddenAbsolute => ExitRule::HiddenAbsolute(0.5),
            Self::Confidence => ExitRule::Confidence(0.5),
            Self::Entropy => ExitRule::Entropy(0.5),
            Self::Agree => ExitRule::Agree(2),
        }
    }

    /// Its rule with this threshold, if that is in range.
    pub(super) fn with(self, threshold: f32) -> Option<ExitRule> {
        ExitRule::of(self.name(), threshold)?.ok()
    }

    /// The thresholds of a rule that counts steps.
    pub(super) fn counts(self, steps: usize) -> Option<std::ops::RangeInclusive<usize>> {
        match self {
            Self::Step => Some(1..=steps),
            Self::Agree => Some(2..=steps),
            _ => None,
        }
    }

    /// What is compared with the threshold after the last of these steps, of a rule that counts none.
    pub(super) fn looks_at(self, taken: &[StepTrace]) -> Option<f32> {
        let last = taken.last()?;
        match self {
            Self::Step | Self::Agree => None,
            Self::Gate | Self::GateDelayed => Some(taken.iter().map(|s| s.probability).sum()),
            Self::Hidden => Some(last.change),
            Self::HiddenAbsolute => Some(last.moved),
            Self::Confidence => last.lens.as_ref()?.top.first().map(|&(_, p)| p),
            Self::Entropy => Some(last.lens.as_ref()?.entropy),
        }
    }

    /// Whether it compares probabilities, which say the more the closer they are to 1.
    pub(super) fn is_probability(self) -> bool {
        matches!(self, Self::Gate | Self::GateDelayed | Self::Confidence)
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|family| family.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("the rules to compare are {names}, without a threshold")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_rules() {
        for family in Family::ALL {
            assert_eq!(family.name().parse(), Ok(family));
            assert_eq!(family.with(2.0).is_some(), family != Family::Confidence);
        }
        for other in ["full", "gate:0.5", "", "best"] {
            let said = other.parse::<Family>().expect_err(other);
            assert!(said.contains("step, gate, gate-delayed, hidden"), "{said}");
        }
    }
}

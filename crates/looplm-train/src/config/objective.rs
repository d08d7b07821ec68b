//! What a run minimises.

use serde::{Serialize, Serializer};

use super::model::MAX_STEPS;
use super::section::{Section, excerpt, integer};
use super::{ConfigError, section};

/// Which loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveKind {
    /// The expected loss under the exit distribution, regularised towards a prior (arXiv 2510.25741, equation 4).
    #[serde(rename = "stage-1")]
    Stage1,
    /// Cross-entropy of the last recurrent step alone. With T = 1, a transformer that is not looped.
    LastStep,
}

/// Prior of the exit step, towards which Stage I regularises (arXiv 2510.25741, Appendix A).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prior {
    /// Every step alike: the regulariser is the entropy.
    Uniform,
    /// Step t with probability λ(1-λ)^(t-1), the last one with the rest; 0 < λ < 1.
    Geometric(f64),
}

impl Serialize for Prior {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Prior::Uniform => s.serialize_str("uniform"),
            Prior::Geometric(lambda) => s.collect_str(&format_args!("geometric:{lambda}")),
        }
    }
}

/// The objective of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectiveConfig {
    /// Which loss.
    pub kind: ObjectiveKind,
    /// Weight of the regulariser at the first update, in nats.
    pub beta: f64,
    /// Weight at the last update, reached in a line; `None`: `beta` throughout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_end: Option<f64>,
    /// Prior of the exit step.
    pub prior: Prior,
    /// Least and most recurrent steps; each update draws its T from between. `None`: always `total_ut_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<[usize; 2]>,
}

impl ObjectiveConfig {
    /// The weight of the regulariser at an update (from 0) of a run of `updates`.
    pub fn beta_at(&self, update: u64, updates: u64) -> f32 {
        let end = self.beta_end.unwrap_or(self.beta);
        let part = update.min(updates) as f64 / updates.saturating_sub(1).max(1) as f64;
        (self.beta + (end - self.beta) * part.min(1.0)) as f32
    }

    pub(super) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let weight = |x: f64| x >= 0.0;
        let objective = ObjectiveConfig {
            kind: s.choice_or(
                "kind",
                &[
                    ("stage-1", ObjectiveKind::Stage1),
                    ("last-step", ObjectiveKind::LastStep),
                ],
                ObjectiveKind::Stage1,
            )?,
            beta: s.number_or("beta", "a number that is not negative", weight, 0.1)?,
            beta_end: s.number_if_any("beta_end", "a number that is not negative", weight)?,
            prior: prior(&s)?,
            steps: s.values_if_any(
                "steps",
                "two whole numbers, the least and the most",
                |path, v| Ok(integer(path, v, &(1..=MAX_STEPS))? as usize),
            )?,
        };
        if let Some([least, most]) = objective.steps
            && least > most
        {
            return Err(ConfigError::inconsistent(
                s.path("steps"),
                format!("[{least}, {most}]"),
                "the least must not be above the most",
            ));
        }
        s.finish()?;
        Ok(objective)
    }
}

fn prior(s: &Section<'_>) -> Result<Prior, ConfigError> {
    match s.text_if_any("prior")? {
        None | Some("uniform") => Ok(Prior::Uniform),
        Some(text) => text
            .strip_prefix("geometric:")
            .and_then(|l| l.parse().ok())
            .filter(|l: &f64| *l > 0.0 && *l < 1.0)
            .map(Prior::Geometric)
            .ok_or_else(|| {
                ConfigError::invalid(
                    s.path("prior"),
                    "\"uniform\" or \"geometric:LAMBDA\" with LAMBDA between 0 and 1",
                    section::show(&format_args!("{:?}", excerpt(text))),
                )
            }),
    }
}

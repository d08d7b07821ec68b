//! AdamW, and how its learning rate goes.

use serde::Serialize;

use super::ConfigError;
use super::section::{Section, number};

/// How the learning rate goes after the warm-up. See [`crate::schedule::learning_rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Half a cosine from the highest rate to `final_ratio` of it.
    Cosine,
    /// It stays.
    Constant,
    /// Warm-up, stable, decay: it stays, and falls in a line to `final_ratio` over the last `decay` updates.
    Wsd,
}

/// AdamW with decoupled weight decay on matrices, the gradient's global norm clipped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OptimizerConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Updates over which it rises to that from nothing, in a line.
    pub warmup: u64,
    /// What it does then.
    pub schedule: ScheduleKind,
    /// Updates of the final fall of [`ScheduleKind::Wsd`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<u64>,
    /// The last learning rate as a share of the highest, from 0 to 1.
    pub final_ratio: f64,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Decay of the two running means, each from 0 to less than 1.
    pub betas: [f64; 2],
    /// Added to the root of the second mean.
    pub epsilon: f64,
    /// The gradient's global norm is held at or below this; 0: not at all.
    pub clip_norm: f64,
}

impl OptimizerConfig {
    pub(super) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let optimizer = OptimizerConfig {
            learning_rate: s.number_or("learning_rate", "a number above 0", |x| x > 0.0, 1e-3)?,
            warmup: s.integer_or("warmup", 0..=1_000_000_000, 0)?,
            schedule: s.choice_or(
                "schedule",
                &[
                    ("cosine", ScheduleKind::Cosine),
                    ("constant", ScheduleKind::Constant),
                    ("wsd", ScheduleKind::Wsd),
                ],
                ScheduleKind::Cosine,
            )?,
            decay: s.integer_if_any("decay", 1..=1_000_000_000)?,
            final_ratio: s.number_or(
                "final_ratio",
                "a number from 0 to 1",
                |x| (0.0..=1.0).contains(&x),
                0.1,
            )?,
            weight_decay: s.number_or(
                "weight_decay",
                "a number that is not negative",
                |x| x >= 0.0,
                0.1,
            )?,
            betas: s
                .values_if_any(
                    "betas",
                    "two numbers from 0 to less than 1",
                    |path, value| {
                        number(path, value, "a number from 0 to less than 1", |x| {
                            (0.0..1.0).contains(&x)
                        })
                    },
                )?
                .unwrap_or([0.9, 0.95]),
            epsilon: s.number_or("epsilon", "a number above 0", |x| x > 0.0, 1e-8)?,
            clip_norm: s.number_or(
                "clip_norm",
                "a number that is not negative (0: no clipping)",
                |x| x >= 0.0,
                1.0,
            )?,
        };
        match (optimizer.schedule, optimizer.decay) {
            (ScheduleKind::Wsd, None) => {
                return Err(ConfigError::MissingField {
                    field: s.path("decay"),
                    expected: "the number of updates over which \"wsd\" decays".to_owned(),
                });
            }
            (ScheduleKind::Cosine | ScheduleKind::Constant, Some(decay)) => {
                return Err(ConfigError::inconsistent(
                    s.path("decay"),
                    decay,
                    "only the schedule \"wsd\" has one",
                ));
            }
            _ => {}
        }
        s.finish()?;
        Ok(optimizer)
    }
}

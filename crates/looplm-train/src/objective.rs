//! What training minimises.

use looplm_gpu::kernels::{GateLabel as Label, ObjectiveParams};

use crate::config::{GateConfig, ObjectiveConfig, ObjectiveKind};
pub use crate::config::{GateLabel, Prior};

/// A training objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// Stage I (eq. 4): the expected loss under the exit distribution, minus `beta` times its entropy.
    StageI {
        /// Weight of the entropy, or of the divergence from the prior.
        beta: f32,
        /// What the exit distribution is drawn to.
        prior: Prior,
    },
    /// The loss of the last step alone; the gate gets no gradient.
    LastStep,
    /// Stage II (eqs. 5 and 6): cross-entropy of the gate against labels from the losses; the language model is frozen.
    StageII {
        /// Steepness of the label, k.
        k: f32,
        /// Improvement in nats at which the label is one half, gamma.
        gamma: f32,
        /// Which improvement.
        label: GateLabel,
    },
}

impl Objective {
    /// The objective of update `update` (from 0) of a run of `updates`.
    pub fn of_update(config: &ObjectiveConfig, update: u64, updates: u64) -> Self {
        match config.kind {
            ObjectiveKind::Stage1 => Self::StageI {
                beta: config.beta_at(update, updates),
                prior: config.prior,
            },
            ObjectiveKind::LastStep => Self::LastStep,
        }
    }

    /// The objective of gate training.
    pub fn of_gate(config: &GateConfig) -> Self {
        Self::StageII {
            k: config.k as f32,
            gamma: config.gamma as f32,
            label: config.label,
        }
    }

    /// What the kernels are told, for a mean over `targets` targets.
    pub(crate) fn params(self, targets: usize) -> ObjectiveParams {
        match self {
            Self::StageI { beta, prior } => {
                let exit_rate = match prior {
                    Prior::Uniform => None,
                    Prior::Geometric(lambda) => Some(lambda as f32),
                };
                ObjectiveParams::stage_1(targets, beta, exit_rate)
            }
            Self::LastStep => ObjectiveParams::last_step(targets),
            Self::StageII { k, gamma, label } => {
                let label = match label {
                    GateLabel::Paper => Label::Paper,
                    GateLabel::LookAhead => Label::LookAhead,
                };
                ObjectiveParams::stage_2(targets, label, k, gamma)
            }
        }
    }
}

//! What every recurrent step thought of a token.

use looplm_gpu::{
    MAX_STEPS,
    kernels::{Record, STATS_WORDS, TOP_MAX},
};

/// Most tokens a trace lists for each step.
pub const MAX_TOP_K: usize = TOP_MAX;

/// What one recurrent step thought of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct StepTrace {
    /// Instantaneous exit probability lambda_t, after the sigmoid.
    pub lambda: f32,
    /// Probability of leaving first at this step, p_t (eq. 3); the last step takes what remains.
    pub probability: f32,
    /// |h_t - h_(t-1)| / |h_(t-1)|, where h_0 is the token's embedding.
    pub change: f32,
    /// |h_t - h_(t-1)|.
    pub moved: f32,
    /// What the head says of this step's state; absent unless a trace was asked for.
    pub lens: Option<Lens>,
}

/// The head's distribution over the next token, read at an intermediate step: the logit lens of that step.
#[derive(Debug, Clone, PartialEq)]
pub struct Lens {
    /// Entropy in nats.
    pub entropy: f32,
    /// The most probable tokens and their probabilities, the most probable first.
    pub top: Vec<(u32, f32)>,
}

pub(crate) fn lens(words: &[f32], top_k: usize, vocab: usize) -> Lens {
    let pairs = words[2..STATS_WORDS].chunks_exact(2).take(top_k.min(vocab));
    Lens {
        entropy: words[0],
        top: pairs.map(|pair| (pair[0].to_bits(), pair[1])).collect(),
    }
}

pub(crate) fn steps(record: &Record, lenses: [Option<Lens>; MAX_STEPS]) -> Vec<StepTrace> {
    lenses
        .into_iter()
        .take(record.steps as usize)
        .enumerate()
        .map(|(t, lens)| StepTrace {
            lambda: record.lambda[t],
            probability: record.p[t],
            change: record.change[t],
            moved: record.moved[t],
            lens,
        })
        .collect()
}

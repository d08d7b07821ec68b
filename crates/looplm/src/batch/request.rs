//! What a request wants, and what it is given.

use crate::{exit::Exit, kv_policy::KvPolicy, row::Step, sampling::Sampling, trace::StepTrace};

/// What a request wants, checked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) prompt: Vec<u32>,
    pub(crate) steps: Step,
    pub(crate) exit: Exit,
    pub(crate) kv: KvPolicy,
    pub(crate) verify: Option<Verification>,
    pub(crate) sampling: Sampling,
    /// Tokens to list for every step of every token.
    pub(crate) top_k: Option<usize>,
    /// Most tokens.
    pub(crate) limit: usize,
    /// Whether the caller asked for that many, so that a full context is an error.
    pub(crate) explicit_limit: bool,
    pub(crate) stop_ids: Vec<u32>,
    /// Whether to note every pass.
    pub(crate) timeline: bool,
    /// Whether to go on where a request before it ended, as far as the prompts are the same, and to leave that to the next.
    pub(crate) cache_prompt: bool,
}

/// A token is certain when it has taken all steps; what the rule guesses before only lets the next ones begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verification {
    /// The rule that guesses.
    pub(crate) rule: Exit,
    /// Whether it guesses later, or not at all, where that pays more.
    pub(crate) adaptive: bool,
    /// Whether a token counts as having left at the step that guessed it.
    pub(crate) counts_as_exit: bool,
}

/// A token for the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewToken {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) exit_step: usize,
    pub(crate) draft_step: Option<usize>,
    pub(crate) steps: Vec<StepTrace>,
    /// What is guessed to come after it.
    pub(crate) drafts: Vec<u32>,
}

/// What is to be known of a row after a pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) position: usize,
    pub(super) draw: bool,
    pub(super) lens: bool,
    pub(super) report: bool,
}

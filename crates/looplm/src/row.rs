//! The unit of work: a row is (sequence, position, recurrent step), a pass is a ragged batch of them.
//!
//! Because all steps share their weights, rows of different steps can share a pass; what is computed, and in which
//! order, is nothing but a choice of rows (see [`crate::schedule`]).

use std::fmt;

/// The most recurrent steps a row can take.
pub const MAX_STEPS: usize = looplm_gpu::MAX_STEPS;

/// A sequence of tokens with its place in the KV cache, as [`crate::engine::Engine::begin`] gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId {
    /// Its place in the engine, which others take after it.
    pub(crate) place: u32,
    /// Which of those it is.
    pub(crate) serial: u32,
}

/// A recurrent step, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Step(u8);

impl Step {
    /// The first application of the stack.
    pub const FIRST: Step = Step(1);

    /// Step `n`, if it is one: 1 to [`MAX_STEPS`].
    pub fn new(n: usize) -> Option<Step> {
        (1..=MAX_STEPS).contains(&n).then_some(Step(n as u8))
    }

    /// Its number, from 1.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// Its place in an array of steps, from 0.
    pub fn index(self) -> usize {
        self.get() - 1
    }

    /// Steps 1 up to and including this one.
    pub fn up_to(self) -> impl Iterator<Item = Step> {
        (1..=self.0).map(Step)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One application of the stack to one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// Whose token.
    pub sequence: SequenceId,
    /// Which token, from 0.
    pub position: usize,
    /// The how-manieth application.
    pub step: Step,
}

/// Rows that go through the stack together. Any mixture is a pass as long as each row finds what it builds on: its own
/// previous step, and in its KV plane all earlier positions, from earlier passes or from this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// The rows.
    pub rows: Vec<Row>,
}

//! What an answer took to make.

/// A row of a pass, for the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassRow {
    /// Which token, from 0.
    pub position: usize,
    /// Which recurrent step, from 1.
    pub step: usize,
}

/// A pass of an answer: which of its tokens took a step in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PassTrace {
    /// The rows.
    pub rows: Vec<PassRow>,
    /// After it, what stood from this position on was taken back: it was built on a wrong guess.
    pub discarded_from: Option<usize>,
}

/// How often the guesses made at a step were right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DraftCount {
    /// Guesses.
    pub drafted: usize,
    /// Those that full depth confirmed.
    pub accepted: usize,
}

/// The figures of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Figures {
    pub(crate) prompt_tokens: usize,
    /// Tokens of the prompt that were there already.
    pub(crate) cached_tokens: usize,
    pub(crate) new_tokens: usize,
    /// Passes that rows of it were in, those of the prompt included.
    pub(crate) passes: usize,
    /// Passes of the prompt alone.
    pub(crate) prefill_passes: usize,
    /// Rows computed, those of the prompt included.
    pub(crate) row_steps: usize,
    /// Rows computed for tokens that were taken back.
    pub(crate) discarded: usize,
    /// By the step that guessed, from step 1.
    pub(crate) drafts: Vec<DraftCount>,
    /// Bytes of keys and values it held last.
    pub(crate) kv_bytes: u64,
    pub(crate) timeline: Vec<PassTrace>,
}

impl Figures {
    pub(super) fn new(prompt_tokens: usize, steps: usize) -> Self {
        Self {
            prompt_tokens,
            drafts: vec![DraftCount::default(); steps],
            ..Self::default()
        }
    }

    /// A copy whose timeline begins after the first `seen` passes.
    pub(super) fn since(&self, seen: usize) -> Self {
        let timeline = self.timeline.get(seen..).unwrap_or_default().to_vec();
        Self {
            drafts: self.drafts.clone(),
            timeline,
            ..*self
        }
    }

    pub(super) fn drafted(&mut self, step: usize, right: bool) {
        if let Some(count) = self.drafts.get_mut(step - 1) {
            count.drafted += 1;
            count.accepted += usize::from(right);
        }
    }
}

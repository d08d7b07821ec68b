//! What `looplm generate --json` prints. Scripts depend on it.

use serde::Serialize;

use crate::answer::Answer;

/// How often the guesses of a step were right.
#[derive(Serialize)]
struct Drafts {
    step: usize,
    drafted: usize,
    accepted: usize,
}

/// An answer.
#[derive(Serialize)]
pub(super) struct Answered<'a> {
    ids: &'a [u32],
    text: &'a str,
    exit_steps: &'a [usize],
    finish_reason: &'static str,
    prompt_tokens: usize,
    /// Those that did not have to be computed.
    cached_tokens: usize,
    /// Passes that rows of it were in, those of the prompt included.
    passes: usize,
    prefill_passes: usize,
    /// Rows computed, those of the prompt included.
    row_steps: usize,
    /// Guesses that full depth confirmed.
    accepted: usize,
    /// Rows computed for tokens that were taken back.
    discarded: usize,
    drafts: Vec<Drafts>,
    kv_bytes: u64,
    seconds: f64,
}

impl<'a> Answered<'a> {
    pub(super) fn new(answer: &'a Answer) -> Self {
        let finish = &answer.finish;
        let drafts = finish.drafts.iter().enumerate();
        Self {
            ids: &answer.ids,
            text: &answer.text,
            exit_steps: &answer.exit_steps,
            finish_reason: finish.reason.name(),
            prompt_tokens: finish.prompt_tokens,
            cached_tokens: finish.cached_tokens,
            passes: finish.passes,
            prefill_passes: finish.prefill_passes,
            row_steps: finish.row_steps,
            accepted: finish.accepted,
            discarded: finish.discarded,
            drafts: drafts
                .filter(|(_, count)| count.drafted > 0)
                .map(|(i, count)| Drafts {
                    step: i + 1,
                    drafted: count.drafted,
                    accepted: count.accepted,
                })
                .collect(),
            kv_bytes: finish.kv_bytes,
            seconds: finish.seconds,
        }
    }
}

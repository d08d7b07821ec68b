//! What can be asked along with passes, and how the answers come back: a few hundred bytes in one readback.

use looplm_gpu::{
    MAX_STEPS,
    kernels::{Record, STATS_WORDS},
    wgpu,
};

use super::{Engine, sequence::Held};
use crate::{
    row::SequenceId,
    sampling::Sampling,
    trace::{self, Lens, StepTrace},
};

/// A token of a sequence: (sequence, position).
pub type Place = (SequenceId, usize);

/// What to find out along with some passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Run the head on these tokens' states after each of the passes they are in, and keep its `top_k` best tokens.
    pub lens: &'a [Place],
    /// Tokens to list for each step, at most [`trace::MAX_TOP_K`]; 0 lists none.
    pub top_k: usize,
    /// Report on these tokens: their steps, and the lenses collected for them.
    pub report: &'a [Place],
    /// Draw the token that follows each of these from its state after the last of the passes it is in.
    pub draw: &'a [(Place, Sampling)],
}

/// The answers to an [`Ask`], in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What each step of the tokens in `report` thought, up to the last they took.
    pub reports: Vec<Vec<StepTrace>>,
    /// One for each of `draw`.
    pub tokens: Vec<u32>,
}

pub(super) const WORD: u64 = 4;
const RECORD: u64 = size_of::<Record>() as u64;
const STATS: u64 = STATS_WORDS as u64 * WORD;

impl Engine {
    /// Records the copies of what was asked: the tokens, then for each token reported its record and its lenses. Returns
    /// the number of bytes.
    pub(super) fn copy_results(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        ask: &Ask<'_>,
        reported: &[Held],
    ) -> u64 {
        let ws = &self.workspace;
        let mut at = ask.draw.len() as u64 * WORD;
        if at > 0 {
            ws.readback.copy(encoder, &ws.tokens, 0, 0, at);
        }
        let slots = ws.slots as u64;
        for held in reported {
            let slot = u64::from(held.slot);
            ws.readback
                .copy(encoder, &ws.records, slot * RECORD, at, RECORD);
            at += RECORD;
            for step in held.looked_at() {
                let from = (step as u64 * slots + slot) * STATS;
                ws.readback.copy(encoder, &ws.stats, from, at, STATS);
                at += STATS;
            }
        }
        at
    }

    pub(super) fn outcome(&self, bytes: &[u8], ask: &Ask<'_>, reported: &[Held]) -> Outcome {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let (tokens, mut rest) = words.split_at(ask.draw.len());
        let mut take = |words: usize| {
            let (taken, left) = rest.split_at(words);
            rest = left;
            taken
        };
        let mut report = |held: &Held| {
            let record = take(RECORD as usize / 4);
            let record: Record = bytemuck::pod_read_unaligned(bytemuck::cast_slice(record));
            let mut lenses: [Option<Lens>; MAX_STEPS] = Default::default();
            for step in held.looked_at() {
                let stats = bytemuck::cast_slice(take(STATS_WORDS));
                lenses[step] = Some(trace::lens(stats, ask.top_k, self.config.vocab_size));
            }
            trace::steps(&record, lenses)
        };
        Outcome {
            reports: reported.iter().map(&mut report).collect(),
            tokens: tokens.to_vec(),
        }
    }
}

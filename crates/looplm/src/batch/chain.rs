//! How many tokens follow one another on the device before the host reads any of them: each begins with what was drawn from the
//! one before it. That is possible where nothing of a token has to be decided before its last step.

use super::{Batch, LaneId, flight::Flight, lane::Lane};
use crate::engine::Engine;

/// Most tokens of a chain.
const LONGEST: usize = 16;

/// Seconds that a chain may take: so long a reader waits for text, an abort for its end, and who comes for a turn.
const PATIENCE: f64 = 0.1;

/// How long a token took lately, of all requests that had one in the same passes.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<f64>);

impl Pace {
    pub(super) fn measured(&mut self, tokens: usize, seconds: f64) {
        let of_one = seconds / tokens as f64;
        self.0 = Some(self.0.map_or(of_one, |before| 0.5 * (before + of_one)));
    }

    /// Tokens that a chain may have.
    pub(super) fn tokens(&self) -> usize {
        let fit = self.0.map_or(1, |seconds| (PATIENCE / seconds) as usize);
        fit.clamp(1, LONGEST)
    }
}

impl Batch {
    /// If all that take part may go on to their next token without a question to the host: passes to there, and how many tokens
    /// may follow one another.
    pub(super) fn chain(
        &self,
        engine: &Engine,
        taken: &[(LaneId, Vec<usize>)],
        waiting: usize,
        free: usize,
    ) -> Option<(usize, usize)> {
        let mut all: Option<(usize, usize)> = None;
        for (id, rows) in taken {
            let (passes, tokens) = self.lanes[id].chain(rows, waiting, engine.context())?;
            let (before, least) = *all.get_or_insert((passes, tokens));
            if before != passes {
                return None;
            }
            all = Some((passes, least.min(tokens)));
        }
        let (passes, tokens) = all?;
        let most = self.pace.tokens().min(engine.max_passes() / passes);
        // Each token has a state until it is read.
        Some((passes, tokens.min(most.max(1)).min(1 + free / taken.len())))
    }

    /// Room for `count` tokens behind those that come next, of all that take part. Whether there is any.
    pub(super) async fn append_drawn(
        &mut self,
        engine: &mut Engine,
        taken: &[(LaneId, Vec<usize>)],
        count: usize,
    ) -> bool {
        let mut appended = Vec::new();
        for (id, _) in taken {
            let Some(sequence) = self.lanes[id].sequence else {
                continue;
            };
            if engine.append_drawn(sequence, count).await.is_err() {
                // They go on token by token, and who finds no room then is told why.
                for (sequence, length) in appended {
                    let _ = engine.truncate(sequence, length);
                }
                return false;
            }
            let length = engine.tokens(sequence).map_or(0, <[u32]>::len);
            appended.push((sequence, length - count));
        }
        true
    }
}

impl Lane {
    /// Passes from the first step of these flights to where their token is drawn for good, and how many such tokens may follow
    /// one another; `None` if something is to be decided before. `waiting` tokens may wait for others, and a sequence may have
    /// `context`.
    pub(super) fn chain(
        &self,
        flights: &[usize],
        waiting: usize,
        context: usize,
    ) -> Option<(usize, usize)> {
        let &[i] = flights else { return None };
        let steps = self.request.steps.get();
        let (passes, most) = match self.request.verify {
            Some(_) => (steps, self.drafting.tokens_without_guess()),
            None => {
                let exit = self.request.exit;
                let last = exit.last_step(steps);
                let fixed = exit.first_step(steps) == last;
                (last, if fixed { LONGEST } else { 0 })
            }
        };
        let flight = &self.flights[i];
        let others = |(j, other): (usize, &Flight)| j == i || (other.left && other.depth >= passes);
        let is_first = flight.depth == 0 && flight.draft.is_none();
        if most == 0
            || !is_first
            || self.request.kv.is_shared()
            || !self.flights.iter().enumerate().all(others)
        {
            return None;
        }
        let left = self.flights.len() - 1;
        let to_wait = if passes == steps || self.request.kv.may_stop_early() {
            LONGEST
        } else {
            waiting.saturating_sub(left)
        };
        let tokens = most
            .min(to_wait)
            // The first ones come at once.
            .min(self.released)
            .min(self.request.limit.saturating_sub(self.released))
            .min(context.saturating_sub(flight.position));
        Some((passes, tokens.max(1)))
    }

    /// Takes up the token that came last, which on the device has taken its steps already. Returns its flight; `None` if the
    /// request has ended.
    pub(super) fn follow(&mut self) -> Option<usize> {
        self.pending.take()?;
        let position = self.request.prompt.len() + self.released - 1;
        self.flights.push(Flight::new(position));
        Some(self.flights.len() - 1)
    }

    /// Takes back what of a chain was computed in vain, behind the token that ends the answer. It is in none of the figures:
    /// how much there is depends on the machine's pace, and the answer would have been the same without it.
    pub(super) fn drop_behind(&mut self, engine: &mut Engine) {
        let tokens = std::mem::take(&mut self.behind);
        let Some(id) = self.sequence.filter(|_| tokens > 0) else {
            return;
        };
        let all = engine.tokens(id).map_or(0, <[u32]>::len);
        // It fails only for a sequence that has ended.
        let _ = engine.truncate(id, all.saturating_sub(tokens));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_as_long_as_patience_lasts() {
        let mut pace = Pace::default();
        assert_eq!(pace.tokens(), 1, "nothing is known yet");
        pace.measured(1, 0.02);
        assert_eq!(pace.tokens(), 5);
        for _ in 0..20 {
            pace.measured(4, 0.004);
        }
        assert_eq!(pace.tokens(), LONGEST);
        for _ in 0..20 {
            pace.measured(1, 3.0);
        }
        assert_eq!(pace.tokens(), 1);
    }
}

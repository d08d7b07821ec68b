//! Many requests, each token at its own depth: every pass is filled with rows of whoever has one to take.
//!
//! There is no thread behind it. Whoever waits for a token moves the passes, for all requests that have room for what comes
//! of it; the others find theirs ready when they ask. A request joins and leaves between any two passes.

mod chain;
mod drafting;
mod figures;
mod flight;
mod kept;
mod lane;
mod prompt;
mod request;

use std::collections::HashMap;

use looplm_gpu::{GpuError, kernels::MAX_FEW_ROWS};
use web_time::Instant;

use crate::{
    engine::{Ask, Engine, MAX_SEQUENCES, Place},
    error::Error,
    generate::FinishReason,
    row::{Pass, Row, SequenceId},
    sampling::Sampling,
};
use chain::Pace;
use drafting::PassCost;
use kept::Kept;
use lane::{Lane, Stage};
use request::Wanted;

pub(crate) use figures::Figures;
pub use figures::{DraftCount, PassRow, PassTrace};
pub(crate) use request::{NewToken, Request, Verification};

/// Tokens that a request may be ahead of its caller before it rests.
const AHEAD: usize = 16;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LaneId(u64);

/// What there is for the caller of a request.
#[derive(Debug)]
pub(crate) enum Next {
    /// A token.
    Token(Box<NewToken>),
    /// It has ended.
    End(FinishReason),
    /// Nothing yet.
    Wait,
}

/// All requests of a model.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    lanes: HashMap<LaneId, Lane>,
    /// In the order in which their rows are taken; it turns, so that nobody is always last.
    order: Vec<LaneId>,
    begun: u64,
    cost: PassCost,
    pace: Pace,
    /// Whether the last pass was one of a prompt.
    prefilled: bool,
    /// The request whose prompt is in the middle of a chunk.
    in_chunk: Option<LaneId>,
    kept: Kept,
}

impl Batch {
    /// A new request, which begins when there is room for it.
    pub(crate) fn submit(&mut self, request: Request) -> LaneId {
        self.begun += 1;
        let id = LaneId(self.begun);
        self.lanes.insert(id, Lane::new(request));
        self.order.push(id);
        id
    }

    /// Ends a request and forgets it. Returns its figures.
    pub(crate) fn close(&mut self, engine: &mut Engine, id: LaneId) -> Option<Figures> {
        let mut lane = self.lanes.remove(&id)?;
        self.order.retain(|other| *other != id);
        if self.in_chunk == Some(id) {
            self.in_chunk = None;
        }
        lane.end(engine, Err(Error::Aborted));
        if let Some(left) = lane.left {
            self.kept.keep(engine, left, &lane.request);
        }
        Some(lane.figures)
    }

    /// Gives back what ended requests left for others, if it is in the way of a sequence of so many KV entries.
    pub(crate) fn make_way(&mut self, engine: &mut Engine, entries: usize) {
        if engine.is_crowded() || !engine.has_spare(entries) {
            self.kept.release(engine);
        }
    }

    /// What there is for the caller of a request.
    ///
    /// # Errors
    /// What ended it.
    pub(crate) fn take(&mut self, id: LaneId) -> Result<Next, Error> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(Next::End(FinishReason::Aborted));
        };
        if let Some(token) = lane.ready.pop_front() {
            return Ok(Next::Token(Box::new(token)));
        }
        match &lane.stage {
            Stage::Ended(Ok(reason)) => Ok(Next::End(*reason)),
            Stage::Ended(Err(error)) => Err(error.clone()),
            _ => Ok(Next::Wait),
        }
    }

    /// The figures of a request so far, of its timeline what came since `seen` passes.
    pub(crate) fn figures(&self, engine: &Engine, id: LaneId, seen: usize) -> Option<Figures> {
        let lane = self.lanes.get(&id)?;
        let mut figures = lane.figures.since(seen);
        if let Some(sequence) = lane.sequence {
            figures.kv_bytes = engine.kv_bytes_of(sequence);
        }
        Some(figures)
    }

    /// One submission for whoever has rows to take. What is wrong with it ends the requests that are in it, and each of
    /// their callers is told.
    pub(crate) async fn tick(&mut self, engine: &mut Engine) {
        self.admit(engine).await;
        let prefilling = self.prefilling();
        let decoding = self.decoding(engine, prefilling.is_some()).await;
        let prompt_first = prefilling.is_some() && (!self.prefilled || decoding.is_empty());
        self.prefilled = prompt_first;
        let alone = prefilling.is_none();
        let (taken, result) = match prefilling {
            Some(id) if prompt_first => (vec![id], self.prefill(engine, id).await),
            _ if decoding.is_empty() => return,
            _ => {
                let result = self.decode(engine, &decoding, alone).await;
                (decoding, result)
            }
        };
        if let Err(error) = result {
            // The engine may be ahead of what they know.
            for id in taken {
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.end(engine, Err(error.clone()));
                }
            }
        }
    }

    /// Lets requests begin, in their order, for which there is room beside those that have begun.
    async fn admit(&mut self, engine: &mut Engine) {
        for lane in self.lanes.values_mut() {
            if let Some(left) = lane.left.take() {
                self.kept.keep(engine, left, &lane.request);
            }
        }
        let context = engine.context();
        let (limit, _) = engine.kv_entries();
        let begun = |lane: &&Lane| lane.sequence.is_some();
        let mut running = self.lanes.values().filter(begun).count();
        // Others than requests take room, too.
        let others = engine.sequence_count() - running - self.kept.count();
        let mut taken: usize = {
            let lanes = self.lanes.values().filter(begun);
            lanes.map(|lane| lane.entries(context)).sum()
        };
        let mut waiting: Vec<LaneId> = self
            .lanes
            .iter()
            .filter(|(_, lane)| matches!(lane.stage, Stage::Waiting))
            .map(|(id, _)| *id)
            .collect();
        waiting.sort_unstable();
        for id in waiting {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            let needed = lane.entries(context);
            // One alone goes as far as it comes.
            let crowded = running + others >= MAX_SEQUENCES || taken + needed > limit;
            if running > 0 && crowded {
                // Those behind it wait too, or a long request might wait for ever.
                break;
            }
            self.kept.make_way(engine, &lane.request, taken + needed);
            match lane.begin(engine, &mut self.kept).await {
                Ok(()) => {
                    running += 1;
                    taken += needed;
                }
                // The device has less memory than it says.
                Err(error) if running > 0 && is_passing(&error) => {
                    lane.wait(engine);
                    break;
                }
                Err(error) => lane.end(engine, Err(error)),
            }
        }
    }

    /// The request whose prompt goes on next.
    fn prefilling(&self) -> Option<LaneId> {
        let is = |id: &&LaneId| {
            let lane = self.lanes.get(id);
            lane.is_some_and(|lane| matches!(lane.stage, Stage::Prefilling(_)))
        };
        let begun = self.in_chunk.filter(|id| is(&id));
        begun.or_else(|| self.order.iter().find(is).copied())
    }

    /// The requests that have rows to take, each after its next token was appended.
    async fn decoding(&mut self, engine: &mut Engine, prefilling: bool) -> Vec<LaneId> {
        // While somebody waits for room, nobody waits for a caller.
        let waiting = |lane: &Lane| matches!(lane.stage, Stage::Waiting);
        let crowded = self.lanes.values().any(waiting);
        let mut decoding = Vec::new();
        let mut without_room = Vec::new();
        for id in self.order.clone() {
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            if !lane.is_decoding() || (lane.ready.len() >= AHEAD && !crowded) {
                continue;
            }
            let mut advanced = lane.advance(engine).await;
            if advanced.as_ref().is_err_and(is_passing) && self.kept.release(engine) {
                advanced = lane.advance(engine).await;
            }
            match advanced {
                Ok(()) if lane.is_decoding() => decoding.push(id),
                Ok(()) => {}
                Err(error) if is_passing(&error) => without_room.push((id, error)),
                Err(error) => lane.end(engine, Err(error)),
            }
        }
        // Who finds no room for a token waits for others to end, as long as there are others that go on.
        if decoding.is_empty() && !prefilling {
            for (id, error) in without_room.drain(..).take(1) {
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.end(engine, Err(error));
                }
            }
        }
        decoding
    }

    async fn prefill(&mut self, engine: &mut Engine, id: LaneId) -> Result<(), Error> {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return Ok(());
        };
        let (Some(sequence), Stage::Prefilling(prefilling)) = (lane.sequence, &mut lane.stage)
        else {
            return Ok(());
        };
        let Some(pass) = prefilling.passes.next() else {
            return Ok(());
        };
        let ends = prefilling.passes.peek().is_none();
        let step = pass.rows.first().map_or(0, |row| row.step.get());
        let last = lane.request.prompt.len() - 1;
        let holds_last = pass.rows.last().is_some_and(|row| row.position == last);
        self.in_chunk = (step < lane.request.steps.get()).then_some(id);
        lane.figures.passes += 1;
        lane.figures.prefill_passes += 1;
        lane.figures.row_steps += pass.rows.len();
        let asked = if holds_last {
            vec![(sequence, lane.prefill_wants(step), lane.request.sampling)]
        } else {
            Vec::new()
        };
        let top_k = lane.request.top_k.unwrap_or(1).max(1);
        let answers = ask(engine, &[pass], &asked, top_k).await?;
        for answer in answers {
            lane.prefilled(answer.steps, answer.token);
        }
        if ends {
            if let Err(error) = engine.share(sequence).await {
                lane.end(engine, Err(error));
                return Ok(());
            }
            if let Some(token) = lane.ready.back().map(|token| token.id) {
                lane.end_if_over(engine, token);
            }
        }
        Ok(())
    }

    /// `alone`: nobody waits for a turn with a prompt.
    async fn decode(
        &mut self,
        engine: &mut Engine,
        lanes: &[LaneId],
        alone: bool,
    ) -> Result<(), Error> {
        // Up to so many rows, each comes to the same bits whatever shares its pass.
        let room = MAX_FEW_ROWS.min(engine.max_rows()).min(engine.max_draws());
        let begun = self.lanes.values().filter(|lane| lane.sequence.is_some());
        // States of tokens between their steps: where they run short, tokens that wait go on, and none begins.
        let held: usize = self.lanes.values().map(Lane::states).sum();
        let mut free = engine.waiting_slots().saturating_sub(held);
        let waiting = if free < lanes.len() {
            0
        } else {
            (engine.waiting_slots() / 2 / begun.count().max(1)).max(1)
        };
        let mut taken = Vec::new();
        let mut left = room;
        for id in lanes {
            if let Some(lane) = self.lanes.get(id) {
                let rows = lane.next_rows(left, waiting, &mut free);
                left -= rows.len();
                if !rows.is_empty() {
                    taken.push((*id, rows));
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let quiet = |(id, rows): &(LaneId, Vec<usize>)| self.lanes[id].quiet_passes(rows);
        let mut passes = taken.iter().map(quiet).min().unwrap_or(1);
        let mut tokens = 1;
        let chain = self.chain(engine, &taken, waiting, free);
        if let Some((whole, most)) = chain {
            passes = whole;
            if alone && most > 1 && self.append_drawn(engine, &taken, most - 1).await {
                tokens = most;
            }
        }
        let mut work = vec![Pass::default(); tokens * passes];
        let mut asked = Vec::new();
        for link in 0..tokens {
            let work = &mut work[link * passes..][..passes];
            for (id, rows) in &taken {
                let lane = &self.lanes[id];
                for &flight in rows {
                    let row = |ahead| lane.row(flight, ahead);
                    let Some(mut all) = (0..passes).map(row).collect::<Option<Vec<Row>>>() else {
                        continue;
                    };
                    let mut wanted = lane.wants(flight, all[passes - 1].step.get());
                    wanted.position += link;
                    all.iter_mut().for_each(|row| row.position += link);
                    asked.push((all[0].sequence, wanted, lane.request.sampling));
                    for (pass, row) in work.iter_mut().zip(all) {
                        pass.rows.push(row);
                    }
                }
            }
        }
        let lens = taken
            .iter()
            .filter_map(|(id, _)| self.lanes[id].request.top_k);
        let top_k = lens.max().unwrap_or(1).max(1);
        let rows = work[0].rows.len();
        engine.prepare(&work).await;
        let start = Instant::now();
        let answers = ask(engine, &work, &asked, top_k).await?;
        let seconds = start.elapsed().as_secs_f64();
        if !answers.is_empty() {
            self.cost.measured(rows, seconds / work.len() as f64);
        }
        if chain.is_some() {
            self.pace.measured(tokens, seconds);
        }
        let of_link = answers.len() / tokens;
        let mut answers = answers.into_iter();
        for link in 0..tokens {
            let place = (link, tokens - 1 - link);
            self.take_in(
                engine,
                &taken,
                place,
                passes,
                answers.by_ref().take(of_link),
            );
        }
        // Whoever came first comes last in the next pass.
        let len = self.order.len();
        self.order.rotate_left(1.min(len));
        Ok(())
    }

    /// Takes in what came of the `passes` of a token each, the `link`th of a chain, of which others are `behind`.
    fn take_in(
        &mut self,
        engine: &mut Engine,
        taken: &[(LaneId, Vec<usize>)],
        (link, behind): (usize, usize),
        passes: usize,
        answers: impl Iterator<Item = Answer>,
    ) {
        for (id, rows) in taken {
            let Some(lane) = self.lanes.get_mut(id) else {
                continue;
            };
            let followed = match link {
                0 => None,
                _ => match lane.follow() {
                    Some(flight) => Some([flight]),
                    None => continue,
                },
            };
            lane.behind = behind;
            for _ in 0..passes {
                lane.stepped(followed.as_ref().map_or(rows, |flight| flight));
            }
        }
        for answer in answers {
            let owner = |lane: &&mut Lane| lane.sequence == Some(answer.sequence);
            let Some(lane) = self.lanes.values_mut().find(owner) else {
                continue;
            };
            let Some(token) = answer.token else { continue };
            let taken = lane.absorb(engine, answer.position, answer.steps, token, &self.cost);
            if let Err(error) = taken {
                lane.end(engine, Err(error));
            }
        }
        for (id, _) in taken {
            if let Some(lane) = self.lanes.get_mut(id) {
                lane.sweep();
            }
        }
    }
}

/// Whether it may go once others have ended.
fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::Busy { .. } | Error::Gpu(GpuError::OutOfMemory { .. })
    )
}

/// What came of a row.
struct Answer {
    sequence: SequenceId,
    position: usize,
    steps: Vec<crate::trace::StepTrace>,
    token: Option<u32>,
}

/// Runs passes and finds out what is wanted of their rows.
async fn ask(
    engine: &mut Engine,
    passes: &[Pass],
    wanted: &[(SequenceId, Wanted, Sampling)],
    top_k: usize,
) -> Result<Vec<Answer>, Error> {
    let place = |(id, w, _): &(SequenceId, Wanted, Sampling)| -> Place { (*id, w.position) };
    let of = |which: fn(&Wanted) -> bool| wanted.iter().filter(move |(_, w, _)| which(w));
    let lens: Vec<Place> = of(|w| w.lens).map(place).collect();
    let report: Vec<Place> = of(|w| w.report).map(place).collect();
    let draw: Vec<(Place, Sampling)> = of(|w| w.draw)
        .map(|asked| (place(asked), asked.2))
        .collect();
    let question = Ask {
        lens: &lens,
        top_k,
        report: &report,
        draw: &draw,
    };
    let outcome = engine.submit(passes, &question).await?;
    let token = |at: &Place| {
        let drawn = draw.iter().position(|(place, _)| place == at);
        drawn.and_then(|i| outcome.tokens.get(i).copied())
    };
    Ok(report
        .iter()
        .zip(&outcome.reports)
        .map(|(place, steps)| Answer {
            sequence: place.0,
            position: place.1,
            steps: steps.clone(),
            token: token(place),
        })
        .collect())
}

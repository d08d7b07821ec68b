//! A request on its way: its prompt, its tokens between their steps, and what it has to say to its caller.

use std::collections::VecDeque;

use super::{
    drafting::{Drafting, PassCost},
    figures::{Figures, PassRow, PassTrace},
    flight::{Draft, Flight, next_pass},
    prompt::Prefilling,
    request::{NewToken, Request, Verification, Wanted},
};
use crate::{
    engine::Engine,
    error::Error,
    generate::FinishReason,
    row::{Row, SequenceId, Step},
    trace::StepTrace,
};

#[derive(Debug)]
pub(super) enum Stage {
    /// For room in the engine.
    Waiting,
    Prefilling(Box<Prefilling>),
    Decoding,
    /// With what.
    Ended(Result<FinishReason, Error>),
}

/// A request in progress.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) request: Request,
    pub(super) sequence: Option<SequenceId>,
    /// The sequence of a request that has ended, for those after it.
    pub(super) left: Option<SequenceId>,
    pub(super) stage: Stage,
    pub(super) flights: Vec<Flight>,
    pub(super) ready: VecDeque<NewToken>,
    pub(super) figures: Figures,
    pub(super) drafting: Drafting,
    /// Tokens that came of it so far.
    pub(super) released: usize,
    /// The token to be appended before the next pass.
    pub(super) pending: Option<u32>,
    /// Tokens that are on the device behind the one that is being taken in.
    pub(super) behind: usize,
}

impl Lane {
    pub(super) fn new(request: Request) -> Self {
        let steps = request.steps.get();
        let drafting = match request.verify {
            Some(v) => Drafting::new(v.rule.first_step(steps), steps, v.adaptive),
            None => Drafting::new(steps, steps, false),
        };
        Self {
            sequence: None,
            left: None,
            stage: Stage::Waiting,
            flights: Vec::new(),
            ready: VecDeque::new(),
            figures: Figures::new(request.prompt.len(), steps),
            drafting,
            released: 0,
            pending: None,
            behind: 0,
            request,
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.request.steps.get()
    }

    /// KV entries it may come to hold.
    pub(super) fn entries(&self, context: usize) -> usize {
        let (steps, prompt) = (self.steps(), self.request.prompt.len());
        let new = self.request.limit.min(context.saturating_sub(prompt));
        let kv = self.request.kv;
        let ahead = kv.entries_in_flight(steps)
            * if self.request.verify.is_some() {
                steps
            } else {
                1
            };
        (prompt * steps).max((prompt + new) * kv.entries_kept(steps) + ahead)
    }

    /// Goes back to where it has not begun.
    pub(super) fn wait(&mut self, engine: &mut Engine) {
        if let Some(id) = self.sequence.take() {
            engine.end(id);
        }
        self.stage = Stage::Waiting;
    }

    pub(super) fn is_decoding(&self) -> bool {
        matches!(self.stage, Stage::Decoding)
    }

    /// Ends it, and frees what it holds, or leaves it.
    pub(super) fn end(&mut self, engine: &mut Engine, how: Result<FinishReason, Error>) {
        self.drop_behind(engine);
        if let Some(id) = self.sequence.take() {
            self.figures.kv_bytes = engine.kv_bytes_of(id);
            if self.request.cache_prompt && matches!(how, Ok(_) | Err(Error::Aborted)) {
                self.left = Some(id);
            } else {
                engine.end(id);
            }
        }
        if let (Some(_), Ok(_), Some(first)) = (self.request.verify, &how, self.flights.first()) {
            // What was begun behind the last token.
            self.figures.discarded += self.flights.iter().map(|f| f.depth).sum::<usize>();
            if let Some(last) = self.figures.timeline.last_mut() {
                last.discarded_from = Some(first.position);
            }
        }
        self.flights.clear();
        self.pending = None;
        if !matches!(self.stage, Stage::Ended(_)) {
            self.stage = Stage::Ended(how);
        }
    }

    /// Appends the token that came last, if any, so that it can take its first step.
    pub(super) async fn advance(&mut self, engine: &mut Engine) -> Result<(), Error> {
        let (Some(id), Some(token)) = (self.sequence, self.pending.take()) else {
            return Ok(());
        };
        if self.released >= self.request.limit {
            self.end(engine, Ok(FinishReason::Length));
            return Ok(());
        }
        let position = engine.tokens(id)?.len();
        if position == engine.context() && !self.request.explicit_limit {
            self.end(engine, Ok(FinishReason::Length));
            return Ok(());
        }
        if let Err(error) = engine.append(id, &[token]).await {
            self.pending = Some(token);
            return Err(error);
        }
        self.flights.push(Flight::new(position));
        Ok(())
    }

    /// Tokens between their steps, each with a state.
    pub(super) fn states(&self) -> usize {
        self.flights.iter().filter(|f| f.depth > 0).count()
    }

    /// The flights that take a step in the next pass, at most `room` of them. `waiting` of them may wait for others, and
    /// `free` may begin, which is counted down.
    pub(super) fn next_rows(&self, room: usize, waiting: usize, free: &mut usize) -> Vec<usize> {
        let left = self.flights.iter().filter(|f| f.left).count();
        let mut rows = if self.request.kv.is_shared() && left > 0 {
            // The next token finds nothing before this one has taken all its steps.
            (0..self.flights.len())
                .filter(|&i| self.flights[i].left)
                .collect()
        } else {
            next_pass(&self.flights, left > waiting)
        };
        rows.truncate(room);
        if let Some(new) = rows.iter().position(|&i| self.flights[i].depth == 0) {
            let begin = (rows.len() - new).min(*free);
            *free -= begin;
            rows.truncate(new + begin);
        }
        rows
    }

    pub(super) fn row(&self, flight: usize, ahead: usize) -> Option<Row> {
        let flight = self.flights.get(flight)?;
        Some(Row {
            sequence: self.sequence?,
            position: flight.position,
            step: Step::new(flight.depth + 1 + ahead)?,
        })
    }

    /// Passes of these flights in which nothing has to be decided, and the one after them.
    pub(super) fn quiet_passes(&self, flights: &[usize]) -> usize {
        let next = |i: &usize| {
            let flight = &self.flights[*i];
            self.next_decision(flight).saturating_sub(flight.depth)
        };
        let passes = flights.iter().map(next).min().unwrap_or(1).max(1);
        let goes = |i: usize| flights.contains(&i);
        // Those that stay have to be deep enough for those that go, and nobody may have been left out for want of room.
        let deepest = flights.iter().map(|i| self.flights[*i].depth).max();
        let others = self.flights.iter().enumerate().filter(|(i, _)| !goes(*i));
        let needed = deepest.unwrap_or(0) + passes;
        let mut all = others.map(|(_, flight)| flight.left && flight.depth >= needed);
        let catching_up = flights.iter().any(|i| self.flights[*i].left);
        if !catching_up && all.all(|fits| fits) {
            passes
        } else {
            1
        }
    }

    /// The next step after which something may be decided of a flight.
    fn next_decision(&self, flight: &Flight) -> usize {
        let steps = self.steps();
        let first = match self.request.verify {
            // What its steps thought is known up to where it was last asked.
            None if flight.steps.len() == flight.depth => {
                self.request.exit.next_question(&flight.steps, steps)
            }
            None => self.request.exit.first_step(steps),
            Some(_) if flight.draft.is_some() => steps,
            Some(_) => self.drafting.earliest().unwrap_or(steps),
        };
        first.max(flight.depth + 1)
    }

    /// What is to be known of a flight when it has taken its step number `depth`.
    pub(super) fn wants(&self, flight: usize, depth: usize) -> Wanted {
        let flight = &self.flights[flight];
        let steps = self.steps();
        let rule = match self.request.verify {
            Some(verification) => verification.rule.rule,
            None => self.request.exit.rule,
        };
        let decides = !flight.left && depth >= self.next_decision(flight);
        let guessing = self.request.verify.is_none() || flight.draft.is_none();
        // Rules on the head look at all steps, those before the first at which they may fire included.
        let head = rule.needs_head() && guessing && !flight.left && depth < steps;
        Wanted {
            position: flight.position,
            draw: decides,
            lens: !flight.left && (self.request.top_k.is_some() || head),
            report: decides,
        }
    }

    /// Notes a pass, and that these flights took a step in it.
    pub(super) fn stepped(&mut self, flights: &[usize]) {
        let rows = |lane: &Self| -> Vec<PassRow> {
            let row = |i: &usize| PassRow {
                position: lane.flights[*i].position,
                step: lane.flights[*i].depth,
            };
            flights.iter().map(row).collect()
        };
        for &i in flights {
            self.flights[i].depth += 1;
        }
        self.figures.passes += 1;
        self.figures.row_steps += flights.len();
        self.drafting.pass(flights.len());
        if self.request.timeline {
            self.figures.timeline.push(PassTrace {
                rows: rows(self),
                discarded_from: None,
            });
        }
    }

    /// Takes in what came of a pass, of one flight after another in the order of their positions.
    pub(super) fn absorb(
        &mut self,
        engine: &mut Engine,
        position: usize,
        steps: Vec<StepTrace>,
        token: u32,
        cost: &PassCost,
    ) -> Result<(), Error> {
        // It may have been taken back by what was decided before it.
        let Some(i) = self.flights.iter().position(|f| f.position == position) else {
            return Ok(());
        };
        self.flights[i].steps = steps;
        match self.request.verify {
            Some(verification) => self.verify(engine, i, token, verification, cost),
            None => self.decide(engine, i, token),
        }
    }

    /// Whether a token leaves for good.
    fn decide(&mut self, engine: &mut Engine, i: usize, token: u32) -> Result<(), Error> {
        let total = self.steps();
        let Some(id) = self.sequence else {
            return Ok(());
        };
        let flight = &mut self.flights[i];
        if flight.left || !self.request.exit.leaves(&flight.steps, total) {
            return Ok(());
        }
        let (position, depth) = (flight.position, flight.depth);
        let steps = std::mem::take(&mut flight.steps);
        flight.left = true;
        if self.request.kv.may_stop_early() {
            engine.leave(id, position)?;
            self.flights.remove(i);
        }
        self.release(token, position + 1, depth, None, steps);
        self.pending = Some(token);
        self.end_if_over(engine, token);
        Ok(())
    }

    /// Whether a guess is made, or a token certain.
    fn verify(
        &mut self,
        engine: &mut Engine,
        i: usize,
        token: u32,
        verification: Verification,
        cost: &PassCost,
    ) -> Result<(), Error> {
        let (total, flight) = (self.steps(), &self.flights[i]);
        if flight.depth < total {
            let earliest = self.drafting.earliest();
            let may = flight.draft.is_none() && earliest.is_some_and(|e| flight.depth >= e);
            let rule = self.drafting.eased(verification.rule);
            if may && rule.leaves(&flight.steps, total) {
                self.guess(engine, i, token);
            }
            return Ok(());
        }
        let flight = self.flights.remove(i);
        let guess = flight.draft.map(|draft| draft.token == token);
        self.drafting.token(guess, cost);
        let mut exit_step = total;
        let mut draft_step = None;
        if let Some(draft) = flight.draft {
            self.figures.drafted(draft.step, draft.token == token);
            if draft.token == token {
                draft_step = Some(draft.step);
                if verification.counts_as_exit {
                    exit_step = draft.step;
                }
            } else {
                self.take_back(engine, flight.position + 1)?;
            }
        }
        let appended = draft_step.is_some() && !self.flights.is_empty();
        if !appended && self.pending.is_none() {
            self.pending = Some(token);
        }
        self.release(
            token,
            flight.position + 1,
            exit_step,
            draft_step,
            flight.steps,
        );
        self.end_if_over(engine, token);
        Ok(())
    }

    /// Lets the token that a step suggests begin, as long as it may be right.
    fn guess(&mut self, engine: &Engine, i: usize, token: u32) {
        let flight = &mut self.flights[i];
        let step = flight.depth;
        flight.draft = Some(Draft { step, token });
        let next = flight.position + 1;
        // The last token of an answer takes no step.
        let over = self.request.stop_ids.contains(&token)
            || next + 1 >= self.request.prompt.len().saturating_add(self.request.limit)
            || next >= engine.context();
        if !over {
            self.pending = Some(token);
        }
    }

    /// Takes back all tokens from a position on, which were built on a wrong guess.
    fn take_back(&mut self, engine: &mut Engine, position: usize) -> Result<(), Error> {
        let Some(id) = self.sequence else {
            return Ok(());
        };
        self.pending = None;
        let rows: usize = self
            .flights
            .iter()
            .filter(|f| f.position >= position)
            .map(|f| f.depth)
            .sum();
        self.figures.discarded += rows;
        if let Some(last) = self.figures.timeline.last_mut() {
            last.discarded_from = Some(position);
        }
        self.flights.retain(|f| f.position < position);
        engine.truncate(id, position)
    }

    pub(super) fn release(
        &mut self,
        id: u32,
        position: usize,
        exit_step: usize,
        draft_step: Option<usize>,
        mut steps: Vec<StepTrace>,
    ) {
        // Others in the pass may have asked for more of the head.
        for step in &mut steps {
            match (self.request.top_k, &mut step.lens) {
                (Some(top_k), Some(lens)) => lens.top.truncate(top_k),
                _ => step.lens = None,
            }
        }
        let guesses = self.flights.iter().filter_map(|f| f.draft);
        let drafts = guesses.map(|draft| draft.token).collect();
        self.released += 1;
        self.figures.new_tokens = self.released;
        self.ready.push_back(NewToken {
            id,
            position,
            exit_step,
            draft_step,
            steps,
            drafts,
        });
    }

    /// Ends the request if `token`, the last released, was its last.
    pub(super) fn end_if_over(&mut self, engine: &mut Engine, token: u32) {
        if self.request.stop_ids.contains(&token) {
            self.end(engine, Ok(FinishReason::Stop));
        } else if self.released >= self.request.limit {
            self.end(engine, Ok(FinishReason::Length));
        }
    }

    /// Forgets flights that have taken all their steps.
    pub(super) fn sweep(&mut self) {
        let total = self.steps();
        self.flights.retain(|f| !f.left || f.depth < total);
    }
}

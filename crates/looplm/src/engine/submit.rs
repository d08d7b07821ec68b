//! A submission: passes, each row checked against what it builds on, recorded with what is asked of them.

use std::collections::HashMap;

use looplm_gpu::{
    GpuRow,
    kernel::Op,
    kernels::{MAX_FEW_ROWS, SampleRequest},
    pipeline::compile_all,
    rows::{DRAWN, Table},
    wgpu,
};

use super::{
    Engine,
    ask::{Ask, Outcome, Place},
    find,
    sequence::{Held, Slots, UNREAD},
    unknown_sequence,
    workspace::MAX_PASSES,
};
use crate::{
    error::Error,
    row::{Pass, Row, SequenceId, Step},
};

/// The state a submission leaves, kept apart until it is certain that it can be recorded.
struct After {
    slots: Slots,
    filled: HashMap<SequenceId, Vec<usize>>,
}

/// A draw: after which of the passes it is made, and from which row.
struct Draw {
    after: usize,
    row: GpuRow,
}

/// Rows that go through the head together: the first `draws` of them are drawn from.
struct Heads {
    table: Table,
    draws: usize,
    lens: bool,
}

fn misfit(row: &Row, why: &str) -> Error {
    Error::invalid(
        "pass",
        format!("step {} of position {}: {why}", row.step, row.position),
    )
}

impl Engine {
    /// Waits until what these passes need is compiled. [`Engine::submit`] does so, too; whoever takes the time of it does so before.
    pub(crate) async fn prepare(&self, passes: &[Pass]) {
        if passes.iter().any(|pass| pass.rows.len() > MAX_FEW_ROWS) {
            compile_all(&self.plan.kernels.many_needed(), &mut |_, _| {}).await;
        }
    }

    /// Runs passes one after another in one submission, and answers what was asked of their rows.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a row has nothing to build on or the pass is too large (nothing is changed then);
    /// what the device reports.
    pub async fn submit(&mut self, passes: &[Pass], ask: &Ask<'_>) -> Result<Outcome, Error> {
        if passes.len() > MAX_PASSES {
            let message = format!(
                "{} passes, but a submission takes at most {MAX_PASSES}",
                passes.len()
            );
            return Err(Error::invalid("passes", message));
        }
        self.slots.sweep();
        let mut after = After {
            slots: self.slots.clone(),
            filled: HashMap::new(),
        };
        let mut checked = Vec::with_capacity(passes.len());
        for pass in passes {
            checked.push(self.check_pass(pass, ask, &mut after)?);
        }
        let reported = self.held(ask.report, &after.slots)?;
        let draws = self.draws(passes, ask, &after)?;
        self.check_unread(passes, ask, &draws)?;

        self.prepare(passes).await;
        self.workspace.tables.clear();
        let mut work = Vec::with_capacity(passes.len());
        for (i, checked) in checked.iter().enumerate() {
            let rows: Vec<GpuRow> = checked
                .iter()
                .map(|(row, held)| self.place_row(row, *held, ask))
                .collect::<Result<_, _>>()?;
            let table = self.workspace.tables.push(&rows)?;
            let lenses = checked
                .iter()
                .filter(|(row, _)| ask.lens.contains(&(row.sequence, row.position)))
                .map(|(_, held)| state_row(held));
            let drawn = draws.iter().filter(|draw| draw.after == i);
            let drawn: Vec<GpuRow> = drawn.map(|draw| draw.row).collect();
            work.push((table, self.heads(&drawn, lenses)?));
        }
        self.workspace.tables.upload(&self.gpu);
        if !ask.lens.is_empty() {
            self.plan
                .kernels
                .token_stats
                .set_top_k(&self.gpu, ask.top_k);
        }
        let mut encoder = self.gpu.encoder();
        let mut dispatches = 0;
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (table, heads) in &work {
                self.workspace.tables.select(&mut pass, *table);
                dispatches += self.plan.encode(&self.gpu, &mut pass, *table)?;
                for heads in heads {
                    self.workspace.tables.select(&mut pass, heads.table);
                    dispatches += self.plan.head.encode(&self.gpu, &mut pass, heads.table)?;
                    if heads.lens {
                        dispatches += self.plan.stats.encode(&self.gpu, &mut pass, heads.table)?;
                    }
                    if heads.draws > 0 {
                        dispatches += self.plan.sample.encode(&mut pass, heads.draws)?;
                    }
                }
            }
        }
        let bytes = self.copy_results(&mut encoder, ask, &reported);
        self.gpu.submit(encoder);
        self.dispatches += dispatches as u64;
        self.submissions += 1;
        for (table, heads) in &work {
            self.plan.note(table.rows, 0);
            for heads in heads {
                self.plan.note(0, heads.table.rows);
            }
        }
        self.slots = after.slots;
        for row in passes.iter().flat_map(|pass| &pass.rows) {
            if self
                .slots
                .get(row.sequence, row.position)
                .is_some_and(|held| held.done)
            {
                self.settle(row.sequence, row.position)?;
            }
        }
        if bytes == 0 {
            // One submission ahead at most: an abort between two passes has to reach somebody.
            let before = self.in_flight.replace(self.gpu.mark());
            if let Some(before) = before {
                before.done(&self.gpu).await?;
            }
            self.gpu.check()?;
            return Ok(Outcome::default());
        }
        self.in_flight = None;
        let read = self.workspace.readback.read(&self.gpu, bytes).await?;
        let outcome = self.outcome(&read, ask, &reported);
        for (((id, position), _), token) in ask.draw.iter().zip(&outcome.tokens) {
            if let Some(sequence) = find(&mut self.sequences, *id) {
                sequence.read(position + 1, *token);
            }
        }
        Ok(outcome)
    }

    /// Checks that every row of a pass finds what it builds on, and gives each a slot for its state.
    fn check_pass(
        &self,
        pass: &Pass,
        ask: &Ask<'_>,
        after: &mut After,
    ) -> Result<Vec<(Row, Held)>, Error> {
        if pass.rows.is_empty() || pass.rows.len() > self.workspace.max_rows {
            let message = format!(
                "{} rows, but a pass takes 1 to {}",
                pass.rows.len(),
                self.workspace.max_rows
            );
            return Err(Error::invalid("pass", message));
        }
        // In the order of positions, a plane grows without gaps whatever the order of the rows.
        let mut rows = pass.rows.clone();
        rows.sort_unstable();
        for pair in rows.windows(2) {
            if (pair[0].sequence, pair[0].position) == (pair[1].sequence, pair[1].position) {
                return Err(misfit(&pair[1], "a token takes one step a pass"));
            }
        }
        rows.into_iter()
            .map(|row| Ok((row, self.check_row(&row, ask, after)?)))
            .collect()
    }

    fn check_row(&self, row: &Row, ask: &Ask<'_>, after: &mut After) -> Result<Held, Error> {
        let sequence = self.sequence(row.sequence)?;
        if row.position >= sequence.ids.len() {
            return Err(misfit(row, "the sequence has no such token"));
        }
        if row.step > sequence.steps {
            return Err(misfit(row, "the sequence takes fewer steps"));
        }
        if row.step.get() == 1 && sequence.is_blocked() {
            return Err(misfit(row, "the token before it is between its steps"));
        }
        let filled = after
            .filled
            .entry(row.sequence)
            .or_insert_with(|| sequence.filled());
        let next = &mut filled[row.step.index()];
        if *next != row.position {
            return Err(misfit(
                row,
                &format!("the KV plane of this step continues at position {next}"),
            ));
        }
        *next += 1;
        let held = after.slots.get(row.sequence, row.position);
        let (slot, lenses) = match held {
            None if row.step.get() == 1 => {
                let slot = after.slots.take();
                let full = || misfit(row, "too many tokens are between their steps");
                (slot.ok_or_else(full)?, 0)
            }
            Some(held) if held.steps + 1 == row.step.get() && !held.done => {
                (held.slot, held.lenses)
            }
            Some(_) => return Err(misfit(row, "its state is at another step")),
            None => return Err(misfit(row, "its previous step was not computed")),
        };
        let looked_at = ask.lens.contains(&(row.sequence, row.position));
        let held = Held {
            slot,
            steps: row.step.get(),
            lenses: lenses | u32::from(looked_at) << row.step.index(),
            done: row.step == sequence.steps,
        };
        after.slots.hold(row.sequence, row.position, held);
        Ok(held)
    }

    /// Gives a row that was checked its KV entry.
    fn place_row(&mut self, row: &Row, held: Held, ask: &Ask<'_>) -> Result<GpuRow, Error> {
        let sequence = find(&mut self.sequences, row.sequence).ok_or_else(unknown_sequence)?;
        let entry = match sequence.entry_again() {
            Some(entry) => entry,
            None => {
                sequence.promised = sequence.promised.saturating_sub(1);
                // Appending the token promised it.
                let full = || misfit(row, "the KV cache has no entry left");
                self.kv.take().ok_or_else(full)?
            }
        };
        let (line, lines) = (sequence.line_of(row.step), sequence.lines_written(row.step));
        sequence.wrote(row.step, entry);
        let token = match sequence.ids[row.position] {
            UNREAD => DRAWN + drawn_as(row, ask).unwrap_or_default() as u32,
            token => token,
        };
        Ok(GpuRow {
            token,
            position: row.position as u32,
            entry,
            map: self.kv.line(line),
            state: held.slot,
            step: row.step.get() as u32,
            last_step: sequence.steps.get() as u32,
            lines,
            pitch: self.kv.pitch(),
        })
    }

    /// The rows to draw from, after writing how to draw.
    fn draws(&mut self, passes: &[Pass], ask: &Ask<'_>, after: &After) -> Result<Vec<Draw>, Error> {
        let places: Vec<Place> = ask.draw.iter().map(|(place, _)| *place).collect();
        let held = self.held(&places, &after.slots)?;
        let last = passes.len().saturating_sub(1);
        let draw = |(i, (place, held)): (usize, (&Place, &Held))| Draw {
            after: passes
                .iter()
                .rposition(|pass| has(pass, *place))
                .unwrap_or(last),
            row: GpuRow {
                token: i as u32,
                ..state_row(held)
            },
        };
        let draws: Vec<Draw> = places.iter().zip(&held).enumerate().map(draw).collect();
        let most = (0..passes.len())
            .map(|i| draws.iter().filter(|draw| draw.after == i).count())
            .max()
            .unwrap_or(0);
        let (limit, at_once) = (self.plan.sample.draws(), self.workspace.head_rows);
        if draws.len() > limit || most > at_once {
            let message = format!(
                "{} draws, {most} of them after one pass, but there may be {limit}, and {at_once} after a pass",
                draws.len()
            );
            return Err(Error::invalid("ask", message));
        }
        let mut requests: Vec<SampleRequest> = Vec::with_capacity(draws.len());
        for ((id, position), sampling) in ask.draw {
            let joins = self.sequence(*id)?.is_unread(position + 1);
            requests.push(sampling.request(position + 1, id.place, joins));
        }
        self.workspace
            .requests
            .write(&self.gpu, 0, bytemuck::cast_slice(&requests));
        Ok(draws)
    }

    /// Checks that what the host does not know is drawn before it is needed.
    fn check_unread(&self, passes: &[Pass], ask: &Ask<'_>, draws: &[Draw]) -> Result<(), Error> {
        for (i, pass) in passes.iter().enumerate() {
            for row in pass.rows.iter().filter(|row| row.step == Step::FIRST) {
                let drawn = || drawn_as(row, ask).is_some_and(|draw| draws[draw].after < i);
                if self.sequence(row.sequence)?.is_unread(row.position) && !drawn() {
                    return Err(misfit(row, "its token is not drawn before it"));
                }
            }
        }
        Ok(())
    }

    /// Tables for the head: rows that are drawn from come first, those that are also looked at not twice.
    fn heads(
        &mut self,
        drawn: &[GpuRow],
        looked_at: impl Iterator<Item = GpuRow>,
    ) -> Result<Vec<Heads>, Error> {
        let mut rows = drawn.to_vec();
        let mut lens = false;
        for row in looked_at {
            lens = true;
            if !drawn.iter().any(|other| other.state == row.state) {
                rows.push(row);
            }
        }
        let mut heads = Vec::new();
        for (i, chunk) in rows.chunks(self.workspace.head_rows).enumerate() {
            heads.push(Heads {
                table: self.workspace.tables.push(chunk)?,
                draws: if i == 0 { drawn.len() } else { 0 },
                lens,
            });
        }
        Ok(heads)
    }
}

fn has(pass: &Pass, place: Place) -> bool {
    let at = |row: &Row| (row.sequence, row.position) == place;
    pass.rows.iter().any(at)
}

/// Which of the draws gives the token of a row.
fn drawn_as(row: &Row, ask: &Ask<'_>) -> Option<usize> {
    let before = (row.sequence, row.position.checked_sub(1)?);
    ask.draw.iter().position(|(place, _)| *place == before)
}

/// A row that only says where its state is: for the head.
pub(super) fn state_row(held: &Held) -> GpuRow {
    GpuRow {
        state: held.slot,
        step: held.steps as u32,
        ..bytemuck::Zeroable::zeroed()
    }
}

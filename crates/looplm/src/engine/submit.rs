//! A submission: passes, and what is to be known of their rows afterwards.

use std::collections::HashMap;

use looplm_gpu::{
    GpuRow, MAX_STEPS, Readback,
    kernel::Op,
    kernels::{Record, STATS_WORDS, SampleRequest},
    rows::Table,
    stride, wgpu,
};

use super::{
    Engine,
    sequence::{Held, Slots},
};
use crate::{
    error::Error,
    row::{Pass, Row, SequenceId},
    sampling::Sampling,
    trace::{self, StepTrace},
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
    /// Report on these tokens: steps, exit, and the lenses collected for them.
    pub report: &'a [Place],
    /// Draw the token that follows each of these from the state it left the loop with. It must have taken its last step.
    pub draw: &'a [(Place, Sampling)],
}

/// What a token's steps came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The step at which it left, from 1; 0 if it has not.
    pub exit_step: usize,
    /// What each step taken so far thought.
    pub steps: Vec<StepTrace>,
}

/// The answers to an [`Ask`], in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// One for each of `report`.
    pub reports: Vec<Report>,
    /// One for each of `draw`.
    pub tokens: Vec<u32>,
}

/// The state a submission leaves, kept apart until it is certain that it can be recorded.
struct After {
    slots: Slots,
    filled: HashMap<SequenceId, Vec<usize>>,
}

const WORD: u64 = 4;
const RECORD: u64 = size_of::<Record>() as u64;
const STATS: u64 = STATS_WORDS as u64 * WORD;

fn misfit(row: &Row, why: &str) -> Error {
    Error::invalid(
        "pass",
        format!("step {} of position {}: {why}", row.step, row.position),
    )
}

impl Engine {
    /// Runs passes one after another in one submission, and answers what was asked of their rows.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a row has nothing to build on or the pass is too large (nothing is changed then);
    /// what the device reports.
    pub async fn submit(&mut self, passes: &[Pass], ask: &Ask<'_>) -> Result<Outcome, Error> {
        if passes.len() > MAX_STEPS {
            let message = format!(
                "{} passes, but a submission takes at most {MAX_STEPS}",
                passes.len()
            );
            return Err(Error::invalid("passes", message));
        }
        self.slots.sweep();
        let mut after = After {
            slots: self.slots.clone(),
            filled: HashMap::new(),
        };
        self.workspace.tables.clear();
        let mut work = Vec::with_capacity(passes.len());
        for pass in passes {
            let rows = self.resolve(pass, &mut after)?;
            let table = self.workspace.tables.push(&rows)?;
            let wanted: Vec<GpuRow> = pass
                .rows
                .iter()
                .zip(&rows)
                .filter(|(row, _)| ask.lens.contains(&(row.sequence, row.position)))
                .map(|(_, gpu_row)| *gpu_row)
                .collect();
            let mut lenses = Vec::new();
            for chunk in wanted.chunks(self.workspace.head_rows) {
                lenses.push(self.workspace.tables.push(chunk)?);
            }
            work.push((table, lenses));
        }
        let draws = self.draw_table(ask, &after)?;
        let reported = self.held(ask.report, &after.slots)?;

        self.workspace.tables.upload(&self.gpu);
        if !ask.lens.is_empty() {
            self.plan.token_stats.set_top_k(&self.gpu, ask.top_k);
        }
        let mut encoder = self.gpu.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (table, lenses) in &work {
                self.workspace.tables.select(&mut pass, *table);
                self.plan.encode(&self.gpu, &mut pass, *table)?;
                for table in lenses {
                    self.workspace.tables.select(&mut pass, *table);
                    self.plan.head.encode(&self.gpu, &mut pass, *table)?;
                    self.plan.stats.encode(&self.gpu, &mut pass, *table)?;
                }
            }
            if let Some(table) = draws {
                self.workspace.tables.select(&mut pass, table);
                self.plan.exit_head.encode(&self.gpu, &mut pass, table)?;
                self.plan.sample.encode(&mut pass, table.rows)?;
            }
        }
        let layout = self.copy_results(&mut encoder, ask, &reported);
        self.gpu.submit(encoder);
        self.commit(after);
        if layout.bytes == 0 {
            // One submission ahead at most: an abort between two passes has to reach somebody.
            let before = self.in_flight.replace(self.gpu.mark());
            if let Some(before) = before {
                before.done(&self.gpu).await?;
            }
            self.gpu.check()?;
            return Ok(Outcome::default());
        }
        self.in_flight = None;
        let bytes = self
            .workspace
            .readback
            .read(&self.gpu, layout.bytes)
            .await?;
        Ok(self.outcome(&bytes, &layout, ask, &reported))
    }

    fn commit(&mut self, after: After) {
        self.slots = after.slots;
        for (id, filled) in after.filled {
            if let Some(sequence) = super::find(&mut self.sequences, id) {
                sequence.filled = filled;
            }
        }
    }

    /// Turns rows into where their things lie, checking that each finds what it builds on.
    fn resolve(&self, pass: &Pass, after: &mut After) -> Result<Vec<GpuRow>, Error> {
        if pass.rows.is_empty() || pass.rows.len() > self.workspace.max_rows {
            let message = format!(
                "{} rows, but a pass has 1 to {}",
                pass.rows.len(),
                self.workspace.max_rows
            );
            return Err(Error::invalid("pass", message));
        }
        // In the order of positions, a plane grows without gaps whatever the order of the rows.
        let mut order: Vec<usize> = (0..pass.rows.len()).collect();
        order.sort_by_key(|&i| pass.rows[i]);
        for pair in order.windows(2) {
            let (before, row) = (&pass.rows[pair[0]], &pass.rows[pair[1]]);
            if (before.sequence, before.position) == (row.sequence, row.position) {
                return Err(misfit(row, "a token takes one step a pass"));
            }
        }
        let mut rows = vec![bytemuck::Zeroable::zeroed(); pass.rows.len()];
        for i in order {
            rows[i] = self.resolve_row(&pass.rows[i], after)?;
        }
        Ok(rows)
    }

    fn resolve_row(&self, row: &Row, after: &mut After) -> Result<GpuRow, Error> {
        let sequence = self.sequence(row.sequence)?;
        let Some(&token) = sequence.ids.get(row.position) else {
            return Err(misfit(row, "the sequence has no such token"));
        };
        if row.step > sequence.steps {
            return Err(misfit(row, "the sequence takes fewer steps"));
        }
        let filled = after
            .filled
            .entry(row.sequence)
            .or_insert_with(|| sequence.filled.clone());
        let next = &mut filled[row.step.index()];
        if *next != row.position {
            return Err(misfit(
                row,
                &format!("the KV plane of this step continues at position {next}"),
            ));
        }
        *next += 1;
        let held = after.slots.get(row.sequence, row.position);
        let slot = match held {
            None if row.step.get() == 1 => after
                .slots
                .take()
                .ok_or_else(|| misfit(row, "too many tokens are between their steps"))?,
            Some(held) if held.steps + 1 == row.step.get() => held.slot,
            Some(_) => return Err(misfit(row, "its state is at another step")),
            None => return Err(misfit(row, "its previous step was not computed")),
        };
        let held = Held {
            slot,
            steps: row.step.get(),
            done: row.step == sequence.steps,
        };
        after.slots.hold(row.sequence, row.position, held);
        let (exit_at, threshold) = sequence.exit.for_device(sequence.steps);
        Ok(GpuRow {
            token,
            position: row.position as u32,
            key_base: self.kv.base(sequence.planes[row.step.index()]),
            state: slot,
            step: row.step.get() as u32,
            last_step: sequence.steps.get() as u32,
            exit_at,
            threshold,
        })
    }

    fn held(&self, places: &[Place], slots: &Slots) -> Result<Vec<Held>, Error> {
        let find = |place: &Place| slots.get(place.0, place.1);
        let missing = |place: &Place| {
            Error::invalid(
                "ask",
                format!("position {} was not computed just now", place.1),
            )
        };
        places
            .iter()
            .map(|place| find(place).ok_or_else(|| missing(place)))
            .collect()
    }

    /// A table of the rows to draw from, after writing how to draw.
    fn draw_table(&mut self, ask: &Ask<'_>, after: &After) -> Result<Option<Table>, Error> {
        if ask.draw.is_empty() {
            return Ok(None);
        }
        if ask.draw.len() > self.workspace.head_rows {
            let message = format!(
                "{} draws, but the head takes {} rows at once",
                ask.draw.len(),
                self.workspace.head_rows
            );
            return Err(Error::invalid("ask", message));
        }
        let places: Vec<Place> = ask.draw.iter().map(|(place, _)| *place).collect();
        let held = self.held(&places, &after.slots)?;
        if let Some(i) = held.iter().position(|held| !held.done) {
            let message = format!("position {} has not taken its last step", places[i].1);
            return Err(Error::invalid("ask.draw", message));
        }
        let rows: Vec<GpuRow> = held.iter().map(state_row).collect();
        let requests: Vec<SampleRequest> = ask
            .draw
            .iter()
            .map(|((id, position), sampling)| sampling.request(position + 1, id.place))
            .collect();
        self.workspace
            .requests
            .write(&self.gpu, 0, bytemuck::cast_slice(&requests));
        Ok(Some(self.workspace.tables.push(&rows)?))
    }

    /// Records the copies of what was asked. A single token's words alone, or whole buffers for many.
    fn copy_results(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        ask: &Ask<'_>,
        reported: &[Held],
    ) -> Layout {
        let ws = &self.workspace;
        let mut layout = Layout {
            single: reported.len() == 1,
            lens: !ask.lens.is_empty(),
            ..Layout::default()
        };
        let tokens = ask.draw.len() as u64 * WORD;
        if tokens > 0 {
            ws.readback.copy(encoder, &ws.tokens, 0, 0, tokens);
        }
        layout.records = tokens;
        layout.stats = tokens;
        let steps = reported.iter().map(|h| h.steps).max().unwrap_or(0) as u64;
        let slots = ws.max_rows as u64;
        if let [held] = reported {
            let slot = u64::from(held.slot);
            ws.readback
                .copy(encoder, &ws.records, slot * RECORD, layout.records, RECORD);
            layout.stats = layout.records + RECORD;
            if layout.lens {
                for t in 0..steps {
                    ws.readback.copy(
                        encoder,
                        &ws.stats,
                        (t * slots + slot) * STATS,
                        layout.stats + t * STATS,
                        STATS,
                    );
                }
            }
        } else if !reported.is_empty() {
            ws.readback
                .copy(encoder, &ws.records, 0, layout.records, slots * RECORD);
            layout.stats = layout.records + slots * RECORD;
            if layout.lens {
                ws.readback
                    .copy(encoder, &ws.stats, 0, layout.stats, steps * slots * STATS);
            }
        }
        let stats = match (layout.lens, layout.single) {
            (false, _) => 0,
            (true, true) => steps * STATS,
            (true, false) => steps * slots * STATS,
        };
        layout.bytes = layout.stats + if reported.is_empty() { 0 } else { stats };
        layout
    }

    fn outcome(&self, bytes: &[u8], layout: &Layout, ask: &Ask<'_>, reported: &[Held]) -> Outcome {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let at = |byte: u64| (byte / WORD) as usize;
        let tokens = words[..ask.draw.len()].to_vec();
        let slots = self.workspace.max_rows as u64;
        let report = |(place, held): (&Place, &Held)| {
            let slot = if layout.single {
                0
            } else {
                u64::from(held.slot)
            };
            let pitch = if layout.single { 1 } else { slots };
            let record = &words[at(layout.records + slot * RECORD)..][..RECORD as usize / 4];
            let record: Record = bytemuck::pod_read_unaligned(bytemuck::cast_slice(record));
            let mut lenses = Vec::new();
            if layout.lens && ask.lens.contains(place) {
                for t in 0..held.steps.min(MAX_STEPS) as u64 {
                    let entry =
                        &words[at(layout.stats + (t * pitch + slot) * STATS)..][..STATS_WORDS];
                    lenses.push(trace::lens(
                        bytemuck::cast_slice(entry),
                        ask.top_k,
                        self.config.vocab_size,
                    ));
                }
            }
            Report {
                exit_step: record.exit_step as usize,
                steps: trace::steps(&record, lenses),
            }
        };
        Outcome {
            reports: ask.report.iter().zip(reported).map(report).collect(),
            tokens,
        }
    }

    /// The hidden states of tokens just computed, after the final norm: [tokens, hidden_size].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if one is not between its steps; what the device reports.
    pub async fn read_states(&mut self, places: &[Place]) -> Result<Vec<f32>, Error> {
        let held = self.held(places, &self.slots)?;
        let row = stride(self.config.hidden_size);
        let bytes = (self.workspace.max_rows * row) as u64 * WORD;
        let mut encoder = self.gpu.encoder();
        self.workspace
            .readback
            .copy(&mut encoder, &self.workspace.state, 0, 0, bytes);
        self.gpu.submit(encoder);
        let states: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.workspace.readback.read(&self.gpu, bytes).await?);
        Ok(held
            .iter()
            .flat_map(|h| &states[h.slot as usize * row..][..self.config.hidden_size])
            .copied()
            .collect())
    }

    /// The logits of tokens just computed, from the state of their last step so far: [tokens, vocab_size].
    ///
    /// # Errors
    /// As [`Engine::read_states`].
    pub async fn read_logits(&mut self, places: &[Place]) -> Result<Vec<f32>, Error> {
        let held = self.held(places, &self.slots)?;
        let row = stride(self.config.vocab_size);
        let mut logits = Vec::with_capacity(places.len() * self.config.vocab_size);
        for chunk in held.chunks(self.workspace.head_rows) {
            let rows: Vec<GpuRow> = chunk.iter().map(state_row).collect();
            self.workspace.tables.clear();
            let table = self.workspace.tables.push(&rows)?;
            self.workspace.tables.upload(&self.gpu);
            let mut encoder = self.gpu.encoder();
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.workspace.tables.select(&mut pass, table);
                self.plan.head.encode(&self.gpu, &mut pass, table)?;
            }
            let bytes = (chunk.len() * row) as u64 * WORD;
            let readback: &Readback = &self.workspace.readback;
            readback.copy(&mut encoder, &self.workspace.logits, 0, 0, bytes);
            self.gpu.submit(encoder);
            let read: Vec<f32> =
                bytemuck::pod_collect_to_vec(&readback.read(&self.gpu, bytes).await?);
            for values in read.chunks_exact(row) {
                logits.extend_from_slice(&values[..self.config.vocab_size]);
            }
        }
        Ok(logits)
    }
}

/// A row that only says where its state is: for the head.
fn state_row(held: &Held) -> GpuRow {
    GpuRow {
        state: held.slot,
        step: held.steps as u32,
        ..bytemuck::Zeroable::zeroed()
    }
}

/// Where in the readback things lie, in bytes.
#[derive(Debug, Default)]
struct Layout {
    records: u64,
    stats: u64,
    bytes: u64,
    single: bool,
    lens: bool,
}

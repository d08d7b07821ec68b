//! Stage II: the gate alone, on cached states of the frozen language model, so it takes seconds.

use looplm_gpu::{
    Bound, Buffer, Gpu, GpuError, Readback,
    kernels::{
        AdamWHyper, ExitGate, ExitGateBackward, ExitGateGradients, ExitObjective, ObjectiveBuffers,
        ObjectiveParams,
    },
    stride,
};

use super::{Trainer, evaluation::Looked};
use crate::{
    batch::NO_DIFFICULTY,
    config::GateConfig,
    engine::{
        Inputs, TOTALS_BYTES, Totals,
        parameters::{Optimizer, Parameters},
        record,
    },
    error::TrainError,
    metrics::{Gate, SweepPoint},
    objective::Objective,
    task::Split,
};

/// Thresholds of the sweep: this many from 1 / `SWEEP` to 1.
const SWEEP: usize = 50;

/// Share of the full depth's accuracy that the chosen threshold keeps.
const KEPT: f32 = 0.995;

/// One batch whose states and losses stay on the device.
#[derive(Debug)]
struct Cached {
    targets: Buffer,
    losses: Buffer,
    states: Vec<Buffer>,
    objective: Buffer,
    count: usize,
}

/// What the gate's passes over the cached batches share.
#[derive(Debug)]
struct Scratch {
    gate: Buffer,
    gate_gradient: Buffer,
    row_stats: Buffer,
    partials: Buffer,
    totals: Buffer,
    /// The states' gradient, which nobody asks for.
    states: Buffer,
}

struct GateKernels {
    gate: ExitGate,
    backward: ExitGateBackward,
    objective: ExitObjective,
}

impl Scratch {
    async fn new(gpu: &Gpu, rows: usize, steps: usize, width: usize) -> Result<Self, GpuError> {
        let of = |what, elements: usize| Buffer::storage(gpu, what, 4 * elements as u64);
        Ok(Self {
            gate: of("gate", steps * rows).await?,
            gate_gradient: of("gate gradient", steps * rows).await?,
            row_stats: of("row statistics", 4 * rows).await?,
            partials: of("partial sums", ExitGateBackward::partials(rows, width)).await?,
            totals: of("totals", ExitObjective::totals(rows)).await?,
            states: of("state gradient", rows * stride(width)).await?,
        })
    }
}

/// The dispatches of one cached batch.
fn program(
    gpu: &Gpu,
    kernels: &GateKernels,
    parameters: &Parameters,
    cached: &Cached,
    scratch: &Scratch,
    rows: usize,
) -> Result<Vec<Bound>, GpuError> {
    let gate = parameters.layout.gate;
    let of_step = |step: usize| (4 * step * rows) as u64;
    let bytes = 4 * rows as u64;
    let mut program = Vec::new();
    for (step, state) in cached.states.iter().enumerate() {
        program.push(kernels.gate.bind(
            gpu,
            state.view(),
            parameters.value(gate)?,
            scratch.gate.part(of_step(step), bytes)?,
        )?);
    }
    program.push(kernels.objective.bind(
        gpu,
        ObjectiveBuffers {
            params: cached.objective.view(),
            targets: cached.targets.view(),
            z: scratch.gate.view(),
            losses: cached.losses.view(),
            dz: scratch.gate_gradient.view(),
            row_stats: scratch.row_stats.view(),
            totals: scratch.totals.view(),
        },
    )?);
    for (step, state) in cached.states.iter().enumerate() {
        program.push(kernels.backward.bind(
            gpu,
            ExitGateGradients {
                y: state.view(),
                gate: parameters.value(gate)?,
                dz: scratch.gate_gradient.part(of_step(step), bytes)?,
                dy: scratch.states.view(),
                dgate: parameters.gradient(gate)?,
                partials: scratch.partials.view(),
            },
        )?);
    }
    Ok(program)
}

impl Trainer {
    /// Trains the gate with these settings from now on, instead of the configuration's.
    pub fn set_gate(&mut self, settings: GateConfig) {
        self.config.gate = settings;
    }

    /// Trains the gate (Stage II, eqs. 5 and 6) with the language model frozen, as the configuration says, and measures
    /// what its thresholds give on held-out samples. `progress` is told the updates done and all there are; where it
    /// returns false, the training stops and the gate is as it was.
    ///
    /// # Errors
    /// [`TrainError::Aborted`], [`TrainError::NonFinite`], [`TrainError::Gpu`].
    pub async fn train_gate(
        &mut self,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Gate, TrainError> {
        let settings = self.config.gate.clone();
        let before = self.engine.parameters.read_values(&self.engine.gpu).await?;
        let trained = self.fit_gate(&settings, progress).await;
        let (loss_before, loss_after) = match trained {
            Ok(losses) => losses,
            Err(error) => {
                let bytes = bytemuck::cast_slice(&before);
                self.engine
                    .parameters
                    .values
                    .write(&self.engine.gpu, 0, bytes);
                return Err(error);
            }
        };
        let mut gate = self.sweep(settings.samples as u64).await?;
        gate.update = settings.updates;
        gate.loss_before = loss_before as f32;
        gate.loss_after = loss_after as f32;
        Ok(gate)
    }

    /// Full-batch AdamW on the gate; the Stage II loss before and after.
    async fn fit_gate(
        &mut self,
        settings: &GateConfig,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(f64, f64), TrainError> {
        let steps = self.steps();
        let width = self.engine.config.hidden_size;
        let batches = self.batches_for(settings.samples as u64);
        let mut cached = Vec::new();
        let mut rows = 0;
        for index in 0..batches {
            // Batches that Stage I never came to, at full difficulty.
            let number = self.config.run.updates * self.config.run.accumulate as u64 + index;
            let looked = self.look(Split::Train, number).await?;
            rows = looked.rows;
            cached.push(self.cache(&looked).await?);
            if !progress(0, settings.updates) {
                return Err(TrainError::Aborted);
            }
        }
        let gpu = self.engine.gpu.clone();
        let count: usize = cached.iter().map(|batch| batch.count).sum();
        let params = Objective::of_gate(settings).params(count);
        for batch in &cached {
            batch.objective.write(&gpu, 0, bytemuck::bytes_of(&params));
        }
        let kernels = GateKernels {
            gate: ExitGate::new(&gpu, rows, width),
            backward: ExitGateBackward::new(&gpu, rows, width),
            objective: ExitObjective::new(&gpu, rows, steps)?,
        };
        let scratch = Scratch::new(&gpu, rows, steps, width).await?;
        let parameters = &self.engine.parameters;
        let programs = cached
            .iter()
            .map(|batch| program(&gpu, &kernels, parameters, batch, &scratch, rows))
            .collect::<Result<Vec<_>, _>>()?;
        let block = parameters.layout.gate;
        let optimizer = Optimizer::new(&gpu, parameters, block, f32::INFINITY).await?;
        let bytes = TOTALS_BYTES * batches + 16;
        let readback = Readback::new(&gpu, bytes).await?;
        let mut losses = (f64::NAN, f64::NAN);
        // One more pass than updates: the last only looks.
        for update in 0..=settings.updates {
            optimizer.set(
                &gpu,
                AdamWHyper::new(
                    settings.learning_rate as f32,
                    [0.9, 0.99],
                    1e-8,
                    0.0,
                    update + 1,
                ),
            );
            let mut encoder = gpu.encoder();
            parameters.clear_gradient(&mut encoder)?;
            for (i, program) in programs.iter().enumerate() {
                record(&mut encoder, program)?;
                let at = 16 + i as u64 * TOTALS_BYTES;
                readback.copy(&mut encoder, &scratch.totals, 0, at, TOTALS_BYTES);
            }
            if update < settings.updates {
                record(&mut encoder, &optimizer.program)?;
            }
            readback.copy(&mut encoder, &optimizer.stats, 0, 0, 16);
            gpu.submit(encoder);
            let data = readback.read(&gpu, bytes).await?;
            let mut sum = Totals::default();
            for totals in data[16..].chunks_exact(TOTALS_BYTES as usize) {
                sum.add(&Totals::from_bytes(totals));
            }
            let loss = sum.objective / sum.targets.max(1.0);
            if !loss.is_finite() {
                return Err(TrainError::NonFinite {
                    update: update + 1,
                    what: "gate loss",
                });
            }
            if update == 0 {
                losses.0 = loss;
            }
            losses.1 = loss;
            if !progress(update.min(settings.updates), settings.updates) {
                return Err(TrainError::Aborted);
            }
        }
        Ok(losses)
    }

    /// Keeps what the last batch looked at left on the device.
    async fn cache(&self, looked: &Looked) -> Result<Cached, TrainError> {
        let gpu = &self.engine.gpu;
        let inputs = Inputs::new(&looked.batch, &self.engine.config)?;
        let Some((states, losses)) = self.engine.looked_at(looked.rows, self.steps()) else {
            return Err(GpuError::Internal("the states of a batch are gone".into()).into());
        };
        let mut encoder = gpu.encoder();
        let mut copies = Vec::new();
        for (what, source) in states
            .into_iter()
            .map(|state| ("cached states", state))
            .chain([("cached losses", losses)])
        {
            let copy = Buffer::storage(gpu, what, source.size()).await?;
            encoder.copy_buffer_to_buffer(source.raw(), 0, copy.raw(), 0, source.size());
            copies.push(copy);
        }
        gpu.submit(encoder);
        let Some(losses) = copies.pop() else {
            return Err(GpuError::Internal("the losses of a batch are gone".into()).into());
        };
        Ok(Cached {
            targets: Buffer::storage_with(gpu, "targets", &inputs.targets).await?,
            losses,
            states: copies,
            objective: Buffer::storage(gpu, "objective", 4 * ObjectiveParams::WORDS as u64).await?,
            count: inputs.targets_count,
        })
    }

    /// Accuracy against mean exit step for every threshold, on `samples` held-out samples.
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub async fn sweep(&mut self, samples: u64) -> Result<Gate, TrainError> {
        let steps = self.steps();
        let difficulties = self.task.difficulties().len();
        let mut rows = Vec::new();
        for index in 0..self.batches_for(samples) {
            let looked = self.look(Split::Held, index).await?;
            rows.extend(looked.targets().map(|(row, target, difficulty)| {
                let at = |step: usize| step * looked.rows + row;
                Exits {
                    difficulty,
                    right: (0..steps)
                        .map(|step| looked.results.predictions[at(step)] == target)
                        .collect(),
                    cumulated: (0..steps)
                        .scan(0.0, |sum, step| {
                            *sum += looked.results.probabilities[at(step)];
                            Some(*sum)
                        })
                        .collect(),
                }
            }));
        }
        let mean = |sum: usize, of: usize| sum as f32 / of.max(1) as f32;
        let right_at_end = rows.iter().filter(|row| row.right[steps - 1]).count();
        let full_accuracy = mean(right_at_end, rows.len());
        let sweep: Vec<SweepPoint> = (1..=SWEEP)
            .map(|i| {
                let q = i as f32 / SWEEP as f32;
                let exits = rows.iter().map(|row| (row, row.exit(q)));
                let (depth, right) = exits.fold((0, 0), |(depth, right), (row, step)| {
                    (depth + step, right + usize::from(row.right[step - 1]))
                });
                SweepPoint {
                    q,
                    mean_steps: mean(depth, rows.len()),
                    accuracy: mean(right, rows.len()),
                }
            })
            .collect();
        let q = sweep
            .iter()
            .find(|point| point.accuracy >= KEPT * full_accuracy)
            .map_or(1.0, |point| point.q);
        let ranked: Vec<(f64, f64)> = rows
            .iter()
            .filter(|row| row.difficulty != NO_DIFFICULTY)
            .map(|row| (f64::from(row.difficulty), row.exit(q) as f64))
            .collect();
        let exit_steps = (0..difficulties)
            .map(|difficulty| {
                let of = rows.iter().filter(|r| r.difficulty as usize == difficulty);
                let steps: Vec<usize> = of.map(|row| row.exit(q)).collect();
                mean(steps.iter().sum(), steps.len())
            })
            .collect();
        Ok(Gate {
            full_accuracy,
            sweep,
            rank_correlation: rank_correlation(&ranked) as f32,
            q,
            exit_steps,
            ..Gate::default()
        })
    }
}

/// Where a target would be left, and whether that would be right.
struct Exits {
    difficulty: u16,
    right: Vec<bool>,
    cumulated: Vec<f32>,
}

impl Exits {
    /// The first step, from 1, whose cumulated probability reaches `q`; never early for a q of 1.
    fn exit(&self, q: f32) -> usize {
        let last = self.cumulated.len();
        if q >= 1.0 {
            return last;
        }
        self.cumulated
            .iter()
            .position(|&sum| sum >= q)
            .map_or(last, |step| step + 1)
    }
}

/// Ranks from 1, ties sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&at| ranks[at] = rank);
        before += tie.len();
    }
    ranks
}

/// Spearman's rank correlation of pairs; 0 where one side does not vary.
fn rank_correlation(pairs: &[(f64, f64)]) -> f64 {
    let (first, second): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (first, second) = (ranks(&first), ranks(&second));
    let mean = (pairs.len() as f64 + 1.0) / 2.0;
    let covariance = |a: &[f64], b: &[f64]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - mean) * (b - mean))
            .sum::<f64>()
    };
    let scale = (covariance(&first, &first) * covariance(&second, &second)).sqrt();
    if scale > 0.0 {
        covariance(&first, &second) / scale
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_leaves_where_its_threshold_is_reached() {
        let row = Exits {
            difficulty: 0,
            right: vec![false, true, true],
            cumulated: vec![0.2, 0.7, 1.0],
        };
        assert_eq!([0.1, 0.2, 0.5, 0.99].map(|q| row.exit(q)), [1, 1, 2, 3]);
        let sure = Exits {
            cumulated: vec![1.0, 1.0, 1.0],
            ..row
        };
        assert_eq!(sure.exit(1.0), 3, "a threshold of 1 never leaves early");
    }

    #[test]
    fn rank_correlation_is_that_of_the_textbook() {
        let pairs = |second: [f64; 4]| -> Vec<(f64, f64)> {
            [1.0, 2.0, 3.0, 4.0].into_iter().zip(second).collect()
        };
        assert!((rank_correlation(&pairs([1.0, 4.0, 9.0, 100.0])) - 1.0).abs() < 1e-12);
        assert!((rank_correlation(&pairs([4.0, 3.0, 2.0, 1.0])) + 1.0).abs() < 1e-12);
        assert_eq!(rank_correlation(&pairs([2.0; 4])), 0.0);
        // Ranks 1, 2.5, 2.5, 4 against 1 to 4.
        let tied = rank_correlation(&pairs([0.0, 5.0, 5.0, 6.0]));
        assert!((tied - 4.5 / (5.0f64 * 4.5).sqrt()).abs() < 1e-12, "{tied}");
    }
}

//! Every position of a prompt at every step: logits, states, exit probabilities, traces.

use looplm_gpu::GpuError;

use crate::{
    engine::{Ask, Place},
    error::Error,
    exit::Exit,
    kv_policy::KvPolicy,
    model::{LoopLm, let_others_run},
    row::Step,
    schedule::Prefill,
    trace::{MAX_TOP_K, StepTrace},
};

/// What to compute.
#[derive(Debug, Clone, Default)]
pub struct ForwardOptions {
    /// Recurrent steps; more than the model was trained with is extrapolation.
    pub steps: Option<usize>,
    /// Read the logits of all steps and positions back.
    pub logits: bool,
    /// Read the hidden states back.
    pub hidden: bool,
    /// List this many of the head's best tokens for every step and position.
    pub trace_top_k: Option<usize>,
    /// Where each position leaves, for the exit steps.
    pub exit: Exit,
}

/// What was computed. T steps, M positions, D hidden_size, V vocab_size; the step comes first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forward {
    /// Steps T.
    pub steps: usize,
    /// [T, M]: instantaneous exit probability.
    pub exit_lambda: Vec<f32>,
    /// [T, M]: probability of leaving first at each step; the last takes what remains.
    pub exit_pdf: Vec<f32>,
    /// [T, M, V] if asked for.
    pub logits: Option<Vec<f32>>,
    /// [T, M, D] after the final norm, if asked for.
    pub hidden: Option<Vec<f32>>,
    /// For each position the step at which the rule leaves, from 1.
    pub exit_steps: Vec<usize>,
    /// For each position what its steps thought.
    pub positions: Vec<Vec<StepTrace>>,
}

impl LoopLm {
    /// Runs all steps of all positions of `ids` at once. `aborted` is asked before every pass.
    ///
    /// # Errors
    /// As [`crate::generate::Generation::new`] and [`crate::generate::Generation::next`].
    pub async fn forward(
        &self,
        ids: &[u32],
        options: &ForwardOptions,
        aborted: &dyn Fn() -> bool,
    ) -> Result<Forward, Error> {
        let steps = self.steps(options.steps)?;
        options.exit.check(steps)?;
        if ids.is_empty() {
            return Err(Error::invalid("ids", "is empty; give at least one token"));
        }
        if options.trace_top_k.is_some_and(|k| k > MAX_TOP_K) {
            return Err(Error::invalid(
                "trace.topK",
                format!("must be at most {MAX_TOP_K}"),
            ));
        }
        let c = self.config();
        let mut collect = Collect::new(options, steps, ids.len(), c.hidden_size, c.vocab_size)?;
        let mut engine = self.engine().await?;
        let (running, batch) = engine.parts();
        batch.make_way(running, ids.len() * steps.get());
        let id = engine.begin(steps, KvPolicy::Full).await?;
        let sequence = Ending { model: self, id };
        engine.append(id, ids).await?;
        for pass in Prefill::new(sequence.id, 0, ids.len(), steps, engine.max_rows()) {
            if aborted() {
                return Err(Error::Aborted);
            }
            let places: Vec<Place> = pass
                .rows
                .iter()
                .map(|row| (row.sequence, row.position))
                .collect();
            let step = pass.rows.first().map_or(Step::FIRST, |row| row.step);
            let ask = Ask {
                lens: if options.trace_top_k.is_some() || options.exit.rule.needs_head() {
                    &places
                } else {
                    &[]
                },
                top_k: options.trace_top_k.unwrap_or(1).max(1),
                report: if step == steps { &places } else { &[] },
                draw: &[],
            };
            let outcome = engine.submit(std::slice::from_ref(&pass), &ask).await?;
            if options.hidden {
                collect.hidden(step, places[0].1, &engine.read_states(&places).await?);
            }
            if options.logits {
                collect.logits(step, places[0].1, &engine.read_logits(&places).await?);
            }
            for (place, report) in places.iter().zip(outcome.reports) {
                let exit_step = options.exit.exit_step(&report);
                collect.report(place.1, exit_step, report);
            }
            // Others may have the engine between chunks, as in a generation.
            if step == steps {
                drop(engine);
                let_others_run().await;
                engine = self.engine().await?;
            }
        }
        Ok(collect.result)
    }
}

/// Ends the sequence whichever way the function is left.
struct Ending<'a> {
    model: &'a LoopLm,
    id: crate::row::SequenceId,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.model.end(self.id);
    }
}

struct Collect {
    result: Forward,
    positions: usize,
    width: usize,
    vocab: usize,
}

impl Collect {
    /// Room for the results. They can be larger than a browser's memory, so running out is an error and not the end.
    fn new(
        options: &ForwardOptions,
        steps: Step,
        positions: usize,
        width: usize,
        vocab: usize,
    ) -> Result<Self, Error> {
        let steps = steps.get();
        let zeros = |wanted: bool, what: &str, size: usize| -> Result<Option<Vec<f32>>, Error> {
            if !wanted {
                return Ok(None);
            }
            let needed = (steps as u64 * positions as u64).saturating_mul(size as u64);
            let full = || GpuError::OutOfMemory {
                what: format!("reading back the {what} of {positions} positions"),
                needed: needed.saturating_mul(4),
                // Of the host's memory.
                available: 0,
            };
            let count = usize::try_from(needed).map_err(|_| full())?;
            let mut values = Vec::new();
            values.try_reserve_exact(count).map_err(|_| full())?;
            values.resize(count, 0.0);
            Ok(Some(values))
        };
        let result = Forward {
            steps,
            exit_lambda: vec![0.0; steps * positions],
            exit_pdf: vec![0.0; steps * positions],
            logits: zeros(options.logits, "logits", vocab)?,
            hidden: zeros(options.hidden, "hidden states", width)?,
            exit_steps: vec![0; positions],
            positions: vec![Vec::new(); positions],
        };
        Ok(Self {
            result,
            positions,
            width,
            vocab,
        })
    }

    fn hidden(&mut self, step: Step, first: usize, values: &[f32]) {
        let at = (step.index() * self.positions + first) * self.width;
        if let Some(hidden) = &mut self.result.hidden {
            hidden[at..at + values.len()].copy_from_slice(values);
        }
    }

    fn logits(&mut self, step: Step, first: usize, values: &[f32]) {
        let at = (step.index() * self.positions + first) * self.vocab;
        if let Some(logits) = &mut self.result.logits {
            logits[at..at + values.len()].copy_from_slice(values);
        }
    }

    fn report(&mut self, position: usize, exit_step: usize, steps: Vec<StepTrace>) {
        self.result.exit_steps[position] = exit_step;
        for (t, step) in steps.iter().enumerate() {
            self.result.exit_lambda[t * self.positions + position] = step.lambda;
            self.result.exit_pdf[t * self.positions + position] = step.probability;
        }
        self.result.positions[position] = steps;
    }
}

//! What a model takes of a device's memory, before it is there, and what of it would fit where it does not.

mod advice;

use looplm_gpu::{Gpu, GpuError, stride};

use crate::{
    checkpoint::Dtype,
    config::Config,
    engine::{EngineOptions, FIRST_PITCH, Layout, MOVE_BYTES, cache_bytes},
    error::Error,
    precision::{Precision, WeightFormat},
    weights::{PlannedMatrix, plan_alike},
};

pub use advice::{OutOfMemory, Suggestion};

/// The shortest context that is worth a suggestion, where more was asked for.
const USEFUL: usize = 512;

/// Bytes for the uniforms of kernels and of parts of matrices: a few dozen each.
const UNIFORMS: u64 = 64;

/// Bytes on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The weights.
    pub weights: u64,
    /// Keys and values of one sequence, with the map of them.
    pub kv: u64,
    /// Activations, states and staging.
    pub workspace: u64,
    /// Row tables, gains and uniforms. At most this.
    pub rest: u64,
}

impl Needs {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.kv + self.workspace + self.rest
    }
}

/// A model, and how it is to be held.
#[derive(Debug, Clone)]
pub struct Fit {
    config: Config,
    options: EngineOptions,
    precision: Precision,
    /// What the layers' matrices are stored as, once that is known.
    stored: Option<Dtype>,
}

impl Fit {
    /// A model of this configuration.
    pub fn new(config: &Config, options: &EngineOptions, precision: Precision) -> Self {
        Self {
            config: config.clone(),
            options: options.clone(),
            precision,
            stored: None,
        }
    }

    /// The same, of weights that are stored like this.
    pub fn stored(mut self, stored: Option<Dtype>) -> Self {
        self.stored = stored;
        self
    }

    /// The same, of weights that are stored as these of its matrices are.
    pub(crate) fn of_planned(self, planned: &[PlannedMatrix]) -> Self {
        self.stored(planned.iter().find_map(PlannedMatrix::stored_layer))
    }

    /// What it takes with a sequence of `tokens` tokens, where kernels bind up to `max_binding`. Weights that nothing is
    /// known of are taken for halves.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`] if something of it cannot be bound, [`GpuError::OutOfMemory`] if
    /// [`EngineOptions::kv_bytes`] are not enough for a token.
    pub fn needs(&self, tokens: usize, max_binding: u64) -> Result<Needs, GpuError> {
        let stored = self.stored.unwrap_or(Dtype::F16);
        let planned = plan_alike(&self.config, self.precision, stored);
        self.needs_of(&planned, tokens, max_binding)
    }

    fn needs_of(
        &self,
        planned: &[PlannedMatrix],
        tokens: usize,
        max_binding: u64,
    ) -> Result<Needs, GpuError> {
        let c = &self.config;
        let mut weights = 0;
        for PlannedMatrix { slot, shape, .. } in planned {
            weights += shape.held_bytes(slot.name(), max_binding)?;
        }
        let context = self.options.context(c);
        let layout = Layout::new(c, context, self.options.max_rows(), max_binding);
        let gains = (4 * c.num_hidden_layers + 4) * (stride(c.hidden_size) + 4) * size_of::<f32>();
        let uniforms = (planned.len() as u64 + weights / max_binding.max(1) + 64) * UNIFORMS;
        Ok(Needs {
            weights,
            kv: cache_bytes(c, &self.options, tokens.min(context), max_binding)?,
            workspace: layout.bytes(max_binding)?,
            rest: layout.table_bytes(max_binding) + MOVE_BYTES + gains as u64 + uniforms,
        })
    }

    /// Fails where a device's limits already prove that the model cannot be loaded. `planned` are matrices of it, as far as
    /// they are known; of none of them the least is taken that they can be.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`], [`Error::OutOfMemory`]; [`Error::InvalidArgument`] for a context of no tokens.
    pub(crate) fn check(&self, gpu: &Gpu, planned: &[PlannedMatrix]) -> Result<(), Error> {
        let least;
        let planned = if planned.is_empty() {
            least = plan_alike(&self.config, self.precision, Dtype::Q4);
            &least
        } else {
            planned
        };
        let context = self.options.context(&self.config);
        if context == 0 {
            return Err(Error::invalid("context_length", "must be at least 1"));
        }
        let first = FIRST_PITCH.min(context);
        let binding = gpu.max_binding();
        let needs = self.needs_of(planned, first, binding)?;
        // What else there is on the device is as small as what `rest` may be too large by.
        let needed = needs.weights + needs.kv + needs.workspace;
        match gpu.memory_limit() {
            Some(available) if needed > available => {
                let error = GpuError::OutOfMemory {
                    what: format!("the model with its weights in {}", self.held_as()),
                    needed,
                    available,
                };
                Err(self.explain(error, binding, 0))
            }
            _ => Ok(()),
        }
    }

    /// What the weights are to be held as, in a word.
    fn held_as(&self) -> &'static str {
        match (self.precision.format, self.stored) {
            (WeightFormat::Stored, Some(stored)) => stored.name(),
            (format, _) => format.name(),
        }
    }

    /// An error with what would have fitted, if it is one of memory. `reached` tokens have fitted as the model is held now.
    pub(crate) fn explain(&self, error: GpuError, max_binding: u64, reached: usize) -> Error {
        match error {
            GpuError::OutOfMemory {
                what,
                needed,
                available,
            } => Error::OutOfMemory(Box::new(OutOfMemory {
                what,
                needed,
                available,
                suggestion: self.suggest(available, max_binding, reached),
            })),
            other => Error::Gpu(other),
        }
    }

    /// The widest way to hold the model that fits into `available` bytes with a context worth having, and the longest
    /// context that does.
    fn suggest(&self, available: u64, max_binding: u64, reached: usize) -> Option<Suggestion> {
        let wanted = self.options.context(&self.config);
        let mut best: Option<(usize, Fit)> = None;
        for way in self.ways(max_binding) {
            let mut tokens = way.longest(available, max_binding);
            if way.precision == self.precision {
                tokens = tokens.max(reached.min(wanted));
            }
            if tokens > best.as_ref().map_or(0, |(most, _)| *most) {
                best = Some((tokens, way));
            }
            if tokens >= USEFUL.min(wanted) {
                break;
            }
        }
        let (tokens, way) = best?;
        let before = self.needs(wanted, max_binding).ok()?;
        let after = way.needs(tokens, max_binding).ok()?;
        let format = (way.precision != self.precision).then_some(way.precision.format);
        let suggestion = Suggestion {
            format,
            context_length: (tokens < wanted).then_some(tokens),
            context: wanted,
            before,
            after,
        };
        (format.is_some() || tokens < wanted).then_some(suggestion)
    }

    /// The model as it is, and held in every format that takes less, widest first. What is stored in a format and was not
    /// asked for in it stays so.
    fn ways(&self, max_binding: u64) -> Vec<Self> {
        let mut ways = vec![self.clone()];
        let asked = self.precision.format.name();
        let quantised = self.stored.filter(|stored| stored.element().is_none());
        let weights = |fit: &Self| fit.needs(0, max_binding).map(|needs| needs.weights);
        let (Ok(present), true) = (
            weights(self),
            quantised.is_none_or(|stored| stored.name().eq_ignore_ascii_case(asked)),
        ) else {
            return ways;
        };
        for format in [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4] {
            let way = Self {
                precision: Precision {
                    format,
                    ..self.precision
                },
                // What was quantised as asked for is quantised from its source again.
                stored: self.stored.filter(|_| quantised.is_none()),
                ..self.clone()
            };
            if weights(&way).is_ok_and(|bytes| bytes < present) {
                ways.push(way);
            }
        }
        ways
    }

    /// The longest context that fits into `available` bytes; 0 if none does.
    fn longest(&self, available: u64, max_binding: u64) -> usize {
        let Ok(bare) = self.needs(0, max_binding) else {
            return 0;
        };
        let room = available.saturating_sub(bare.weights + bare.workspace + bare.rest);
        let fits = |tokens: usize| {
            // While a cache grows, the smaller one before it is there as well: half as large as a rule, never larger.
            let copies = if tokens > FIRST_PITCH { 2 } else { 1 };
            cache_bytes(&self.config, &self.options, tokens, max_binding)
                .is_ok_and(|bytes| copies * bytes <= room)
        };
        let (mut fit, mut too_long) = (0, self.options.context(&self.config) + 1);
        while fit + 1 < too_long {
            let tokens = fit.midpoint(too_long);
            if fits(tokens) {
                fit = tokens;
            } else {
                too_long = tokens;
            }
        }
        fit
    }
}

#[cfg(test)]
mod tests;

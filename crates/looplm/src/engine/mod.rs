//! The engine: sequences, their KV planes and hidden states, and the passes that move them.
//!
//! [`Engine::submit`] takes passes (any mixture of rows) and records them, with what is to be known of them, into one
//! submission. Everything a pass needs is made once, when the model is loaded: pipelines, bind groups and buffers. A
//! submission writes a row table, and reads back a hundred bytes or so for each row that was asked about.

mod kv;
mod plan;
mod sequence;
mod submit;
mod workspace;

use looplm_gpu::{Gpu, GpuError, Submitted};

use crate::{
    config::Config,
    error::Error,
    exit::ExitRule,
    row::{SequenceId, Step},
    weights::Weights,
};

use kv::KvCache;
use plan::Plan;
use sequence::{Sequence, Slots};
use workspace::Workspace;

pub use kv::bytes_per_position;
pub use submit::{Ask, Outcome, Place, Report};

/// Most sequences at once.
pub const MAX_SEQUENCES: usize = 64;

/// How much an engine makes room for.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Longest sequence in tokens; the model's own limit if absent or larger than it.
    pub context_length: Option<usize>,
    /// Most rows of a pass, which is also the chunk of a prefill; 128 if absent.
    pub max_rows: Option<usize>,
}

/// A loaded model's state on the device.
#[derive(Debug)]
pub struct Engine {
    gpu: Gpu,
    config: Config,
    context: usize,
    weights: Weights,
    workspace: Workspace,
    kv: KvCache,
    plan: Plan,
    sequences: Vec<Option<Sequence>>,
    /// Sequences begun so far.
    begun: u32,
    /// The last submission that nothing was read back from.
    in_flight: Option<Submitted>,
    slots: Slots,
}

/// Bytes on the device, by what they are for. Row tables, gains and uniforms, which are small, are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Weights.
    pub weights: u64,
    /// KV planes allocated at present.
    pub kv: u64,
    /// Activations, states and staging.
    pub workspace: u64,
}

impl Engine {
    pub(crate) async fn new(
        gpu: Gpu,
        config: Config,
        weights: Weights,
        options: &EngineOptions,
    ) -> Result<Self, Error> {
        let context = options
            .context_length
            .unwrap_or(usize::MAX)
            .min(config.max_position_embeddings);
        if context == 0 {
            return Err(Error::invalid("context_length", "must be at least 1"));
        }
        let max_rows = options.max_rows.unwrap_or(128).clamp(1, 1024);
        let workspace = Workspace::new(&gpu, &config, max_rows).await?;
        let kv = KvCache::new(&gpu, &config, context).await?;
        let plan = Plan::new(&gpu, &config, &weights, &workspace, &kv).await?;
        gpu.check()?;
        let slots = Slots::new(max_rows);
        let sequences = (0..MAX_SEQUENCES).map(|_| None).collect();
        Ok(Self {
            gpu,
            config,
            context,
            weights,
            workspace,
            kv,
            plan,
            sequences,
            begun: 0,
            in_flight: None,
            slots,
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Longest sequence, in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Most rows of a pass.
    pub fn max_rows(&self) -> usize {
        self.workspace.max_rows
    }

    /// Bytes in use on the device.
    pub fn memory(&self) -> Memory {
        let mut weights =
            self.weights.embedding.bytes() + self.weights.head.as_ref().map_or(0, |h| h.bytes());
        for l in &self.weights.layers {
            weights += l.qkv.bytes() + l.output.bytes() + l.gate_up.bytes() + l.down.bytes();
        }
        Memory {
            weights,
            kv: self.kv.bytes(),
            workspace: self.workspace.bytes(),
        }
    }

    /// Dispatches of one pass.
    pub fn dispatches_per_pass(&self) -> usize {
        self.plan.dispatches(&self.weights)
    }

    /// Begins a sequence whose rows will take `steps` steps.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::InvalidArgument`] for a rule that does not fit, [`Error::ContextFull`] or
    /// [`GpuError::OutOfMemory`] if there is no room for its KV planes.
    pub async fn begin(&mut self, steps: Step, exit: ExitRule) -> Result<SequenceId, Error> {
        exit.check(steps)?;
        let Some(free) = self.sequences.iter().position(Option::is_none) else {
            return Err(Error::Busy {
                limit: MAX_SEQUENCES,
            });
        };
        let (planes, grown) = self
            .kv
            .take_planes(&self.gpu, &self.config, steps.get())
            .await?;
        if grown
            && let Err(error) =
                self.plan
                    .rebind_kv(&self.gpu, &self.weights, &self.workspace, &self.kv)
        {
            self.kv.give_back(planes);
            return Err(error);
        }
        self.begun = self.begun.wrapping_add(1);
        let id = SequenceId {
            place: free as u32,
            serial: self.begun,
        };
        let sequence = Sequence::new(id, steps, exit, planes, self.workspace.seen_words());
        self.workspace
            .write_seen(&self.gpu, free, 0, &sequence.seen);
        self.sequences[free] = Some(sequence);
        Ok(id)
    }

    /// Adds tokens to the end of a sequence. They are computed by the passes that follow.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for ids outside the vocabulary, [`Error::ContextFull`] (the sequence stays as it was).
    pub async fn append(&mut self, id: SequenceId, ids: &[u32]) -> Result<(), Error> {
        if let Some(bad) = ids
            .iter()
            .find(|id| **id as usize >= self.config.vocab_size)
        {
            let message = format!(
                "token id {bad} is outside the vocabulary of {}",
                self.config.vocab_size
            );
            return Err(Error::invalid("ids", message));
        }
        let needed = self.sequence(id)?.ids.len() + ids.len();
        if needed > self.context {
            let reason = "the longest context of this model".to_owned();
            return Err(Error::ContextFull {
                limit: self.context,
                needed,
                reason,
            });
        }
        if self.kv.reserve(&self.gpu, &self.config, needed).await? {
            self.plan
                .rebind_kv(&self.gpu, &self.weights, &self.workspace, &self.kv)?;
        }
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        let changed = sequence.extend(ids);
        if !changed.is_empty() {
            self.workspace.write_seen(
                &self.gpu,
                id.place as usize,
                changed.start,
                &sequence.seen[changed],
            );
        }
        Ok(())
    }

    /// Ends a sequence and gives its planes to others.
    pub fn end(&mut self, id: SequenceId) {
        if find(&mut self.sequences, id).is_none() {
            return;
        }
        if let Some(sequence) = self.sequences[id.place as usize].take() {
            self.kv.give_back(sequence.planes);
            self.slots.drop_sequence(id);
        }
    }

    /// Tokens of a sequence.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it has ended.
    pub fn tokens(&self, id: SequenceId) -> Result<&[u32], Error> {
        Ok(&self.sequence(id)?.ids)
    }

    fn sequence(&self, id: SequenceId) -> Result<&Sequence, Error> {
        self.sequences
            .get(id.place as usize)
            .and_then(Option::as_ref)
            .filter(|sequence| sequence.id == id)
            .ok_or_else(unknown_sequence)
    }

    /// Compiles what a first token needs now rather than then.
    ///
    /// # Errors
    /// What the driver says of the shaders.
    pub fn warm_up(&self) -> Result<(), GpuError> {
        self.plan.warm_up(&self.gpu, self.workspace.max_rows);
        self.gpu.check()
    }
}

/// The sequence itself, not another that took its place.
fn find(sequences: &mut [Option<Sequence>], id: SequenceId) -> Option<&mut Sequence> {
    let sequence = sequences.get_mut(id.place as usize)?.as_mut()?;
    (sequence.id == id).then_some(sequence)
}

fn unknown_sequence() -> Error {
    Error::invalid("sequence", "has ended")
}

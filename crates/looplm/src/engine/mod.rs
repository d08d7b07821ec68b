//! The engine: sequences, their keys, values and hidden states, and the passes that move them.
//!
//! [`Engine::submit`] takes passes (any mixture of rows) and records them, with what is to be known of them, into one
//! submission. Everything a pass needs is made once, when the model is loaded: pipelines, bind groups and buffers. A
//! submission writes a row table, and reads back a hundred bytes or so for each row that was asked about.

mod ask;
mod kernels;
mod kv;
mod plan;
mod read;
mod room;
mod sequence;
mod submit;
mod wishes;
mod workspace;

pub use looplm_gpu::KvFormat;
use looplm_gpu::{Gpu, GpuError, Submitted, kernels::MAX_FEW_ROWS};

use crate::{
    config::Config,
    error::Error,
    fit::Fit,
    kv_policy::KvPolicy,
    precision::WeightFormat,
    row::{SequenceId, Step},
    weights::Weights,
};

use kv::KvCache;
use plan::Plan;
use sequence::{Sequence, Slots};
use workspace::{MAX_PASSES, Workspace};

pub use ask::{Ask, Outcome, Place};
pub(crate) use kernels::Kernels;
pub use kv::bytes_per_position;
pub(crate) use kv::{FIRST_PITCH, MOVE_BYTES, cache_bytes};
pub(crate) use workspace::Layout;

/// Most sequences at once.
pub const MAX_SEQUENCES: usize = 64;

/// How much an engine makes room for.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Longest sequence in tokens; the model's own limit if absent or larger than it.
    pub context_length: Option<usize>,
    /// Most rows of a pass, which is also the chunk of a prefill. If absent 128, and on a discrete GPU, which many more keep
    /// busy, 512.
    pub max_rows: Option<usize>,
    /// Most bytes of keys and values, all sequences and layers together; what the device binds at once if absent.
    pub kv_bytes: Option<u64>,
    /// How keys and values are kept.
    pub kv_format: KvFormat,
}

impl EngineOptions {
    pub(crate) fn context(&self, config: &Config) -> usize {
        let wanted = self.context_length.unwrap_or(usize::MAX);
        wanted.min(config.max_position_embeddings)
    }

    pub(crate) fn max_rows(&self) -> usize {
        self.max_rows.unwrap_or(128).clamp(1, 1024)
    }

    /// The same, with what suits the device where nothing was said.
    pub(crate) fn on(&self, gpu: &Gpu) -> Self {
        let max_rows = gpu.is_discrete().then_some(512);
        Self {
            max_rows: self.max_rows.or(max_rows),
            ..self.clone()
        }
    }
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
    /// Dispatches recorded so far.
    dispatches: u64,
    /// Submissions of passes so far.
    submissions: u64,
    /// The last submission that nothing was read back from.
    in_flight: Option<Submitted>,
    slots: Slots,
    fit: Fit,
}

/// Bytes on the device, by what they are for. Row tables, gains and uniforms, which are small, are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Weights.
    pub weights: u64,
    /// Keys and values allocated at present, with the map of them.
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
        kernels: Kernels,
        fit: Fit,
    ) -> Result<Self, Error> {
        let context = options.context(&config);
        let workspace = Workspace::new(&gpu, &config, context, options.max_rows()).await?;
        let kv = KvCache::new(&gpu, &config, context, options.kv_format, options.kv_bytes).await?;
        let plan = Plan::new(&gpu, &config, &weights, &workspace, &kv, kernels).await?;
        gpu.check()?;
        let slots = Slots::new(workspace.slots);
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
            dispatches: 0,
            submissions: 0,
            in_flight: None,
            slots,
            fit,
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

    /// What the layers' matrices are held as.
    pub fn weight_format(&self) -> WeightFormat {
        self.weights.layer_format()
    }

    /// Bytes in use on the device.
    pub fn memory(&self) -> Memory {
        let head = self.weights.head.as_ref().map_or(0, |head| head.bytes());
        Memory {
            weights: self.weights.embedding.bytes() + head + self.weights.layer_bytes(),
            kv: self.kv.bytes(),
            workspace: self.workspace.bytes(),
        }
    }

    /// Dispatches of one pass of few rows, the longest of which sees `keys` keys.
    pub fn dispatches_per_pass(&self, keys: usize) -> usize {
        self.plan.dispatches(&self.weights, keys)
    }

    /// Dispatches of all passes so far, and of the heads behind them.
    pub fn dispatches(&self) -> u64 {
        self.dispatches
    }

    /// Submissions of passes so far.
    pub fn submissions(&self) -> u64 {
        self.submissions
    }

    /// Bytes of weights that a pass of few rows reads, which is all of the layers, and that the head reads.
    pub fn weight_bytes_read(&self) -> (u64, u64) {
        let head = self.weights.head.as_ref();
        (
            self.weights.layer_bytes(),
            head.unwrap_or(&self.weights.embedding).bytes(),
        )
    }

    /// Bytes of keys and values that sequences hold at present, out of those allocated.
    pub fn kv_used(&self) -> u64 {
        self.kv.bytes_of_entries(self.kv.used())
    }

    /// Bytes of keys and values that a sequence holds; 0 if it has ended.
    pub fn kv_bytes_of(&self, id: SequenceId) -> u64 {
        let held = self.sequence(id).map_or(0, Sequence::entries_held);
        self.kv.bytes_of_entries(held)
    }

    /// KV entries there can be at most, and those in use. An entry is one token at one recurrent step.
    pub fn kv_entries(&self) -> (usize, usize) {
        (self.kv.limit(), self.kv.used())
    }

    /// Tokens at the beginning of a sequence that have taken all their steps; 0 if it has ended.
    pub(crate) fn complete_tokens(&self, id: SequenceId) -> usize {
        let filled = self.sequence(id).map(Sequence::filled);
        filled.ok().and_then(|of| of.into_iter().min()).unwrap_or(0)
    }

    /// Whether a sequence is there whose rows take up to `steps` steps, under this policy.
    pub(crate) fn is_made_for(&self, id: SequenceId, steps: Step, policy: KvPolicy) -> bool {
        self.sequence(id)
            .is_ok_and(|sequence| (sequence.steps, sequence.policy) == (steps, policy))
    }

    /// Whether there is room for so many KV entries beside those of a sequence without the cache growing.
    pub(crate) fn holds_beside(&self, id: SequenceId, entries: usize) -> bool {
        let held = self.sequence(id).map_or(0, Sequence::entries_held);
        held + entries <= self.kv.capacity()
    }

    /// Whether there is room for so many KV entries more without the cache growing.
    pub(crate) fn has_spare(&self, entries: usize) -> bool {
        self.kv.has_spare(entries)
    }

    /// Whether there is a place for one more sequence.
    pub(crate) fn is_crowded(&self) -> bool {
        self.sequence_count() >= MAX_SEQUENCES
    }

    /// Sequences in progress.
    pub(crate) fn sequence_count(&self) -> usize {
        self.sequences.iter().flatten().count()
    }

    /// Passes of few rows that fit into one submission, whatever is asked of them.
    pub(crate) fn max_passes(&self) -> usize {
        let tables = self
            .workspace
            .tables
            .room(MAX_FEW_ROWS.min(self.max_rows()));
        // That of the pass, and that of the head behind it.
        (tables / 2).min(MAX_PASSES)
    }

    /// Tokens that can be drawn after a pass.
    pub(crate) fn max_draws(&self) -> usize {
        self.workspace.head_rows
    }

    /// Tokens of decoding sequences that can be between their steps at once.
    pub(crate) fn waiting_slots(&self) -> usize {
        self.workspace.slots - 2 * self.workspace.max_rows
    }

    /// Begins a sequence whose rows will take up to `steps` steps.
    ///
    /// # Errors
    /// [`Error::Busy`], [`GpuError::OutOfMemory`] if there is no room for the map of its keys and values.
    pub async fn begin(&mut self, steps: Step, policy: KvPolicy) -> Result<SequenceId, Error> {
        let Some(free) = self.sequences.iter().position(Option::is_none) else {
            return Err(Error::Busy {
                limit: MAX_SEQUENCES,
            });
        };
        self.reserve_map(free, 0).await?;
        self.begun = self.begun.wrapping_add(1);
        let id = SequenceId {
            place: free as u32,
            serial: self.begun,
        };
        let sequence = Sequence::new(id, steps, policy, self.workspace.seen_words());
        self.workspace
            .write_seen(&self.gpu, free, 0, &sequence.seen);
        self.sequences[free] = Some(sequence);
        Ok(id)
    }

    /// Adds tokens to the end of a sequence. They are computed by the passes that follow, for which there is room then.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for ids outside the vocabulary, [`Error::ContextFull`], [`GpuError::OutOfMemory`] (the
    /// sequence stays as it was).
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
        self.make_room(id, ids.len()).await?;
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        let changed = sequence.extend(ids);
        self.upload_seen(id, changed);
        Ok(())
    }

    /// Adds tokens to the end of a sequence that the host does not know yet. Each is what is drawn from the token before it, and
    /// takes its first step in the same submission, after the draw.
    ///
    /// # Errors
    /// As [`Engine::append`].
    pub async fn append_drawn(&mut self, id: SequenceId, count: usize) -> Result<(), Error> {
        self.make_room(id, count).await?;
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        sequence.extend_unread(count);
        Ok(())
    }

    fn upload_seen(&self, id: SequenceId, changed: std::ops::Range<usize>) {
        if let (false, Ok(sequence)) = (changed.is_empty(), self.sequence(id)) {
            let words = &sequence.seen[changed.clone()];
            self.workspace
                .write_seen(&self.gpu, id.place as usize, changed.start, words);
        }
    }

    /// A token takes no more steps although it has not taken all: later tokens find what its policy leaves them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the policy wants all steps, or the token is not between its steps.
    pub fn leave(&mut self, id: SequenceId, position: usize) -> Result<(), Error> {
        let sequence = self.sequence(id)?;
        if !sequence.policy.may_stop_early() {
            let message = format!(
                "the KV policy {} wants all steps of a token",
                sequence.policy
            );
            return Err(Error::invalid("leave", message));
        }
        let Some(held) = self.slots.get(id, position) else {
            let message = format!("position {position} is not between its steps");
            return Err(Error::invalid("leave", message));
        };
        if !held.done {
            self.slots.done(id, position);
            self.settle(id, position)?;
        }
        Ok(())
    }

    /// What is left to do for a token that takes no more steps.
    fn settle(&mut self, id: SequenceId, position: usize) -> Result<(), Error> {
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        let (freed, mean) = sequence.leave(position);
        self.kv.forget(sequence.promised_too_much());
        // Before its sources are written again by others.
        self.kv.merge(&self.gpu, mean.as_slice())?;
        self.kv.give_back(freed);
        Ok(())
    }

    /// The prompt is done: from here on the tokens of a sequence keep one entry of keys and values each, if that is its
    /// policy. What becomes free is given back to the device.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a token is between its steps; what the device reports.
    pub async fn share(&mut self, id: SequenceId) -> Result<(), Error> {
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        let filled = sequence.filled();
        if filled.iter().any(|n| *n != sequence.ids.len()) {
            return Err(Error::invalid(
                "share",
                "a token has not taken all its steps",
            ));
        }
        let (freed, moves) = sequence.share();
        if freed.is_empty() {
            return Ok(());
        }
        self.kv.merge(&self.gpu, &moves)?;
        self.kv.give_back(freed);
        let sequence = self.sequence(id)?;
        for entries in sequence.map_lines().iter().take(1) {
            self.kv
                .write_line(&self.gpu, sequence.first_line(), entries);
        }
        let trimmed = self.kv.trim(&self.gpu, &mut self.sequences).await;
        self.rebind_replaced()?;
        trimmed
    }

    /// Takes back all tokens from position `length` on, whatever steps they have taken.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the sequence has ended.
    pub fn truncate(&mut self, id: SequenceId, length: usize) -> Result<(), Error> {
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        let (entries, changed) = sequence.truncate(length);
        self.kv.give_back(entries);
        self.slots.drop_from(id, length);
        self.kv.forget(sequence.promised_too_much());
        self.upload_seen(id, changed);
        Ok(())
    }

    /// Ends a sequence and gives its memory to others.
    pub fn end(&mut self, id: SequenceId) {
        let Some(sequence) = find(&mut self.sequences, id) else {
            return;
        };
        let (entries, _) = sequence.truncate(0);
        self.kv.forget(sequence.promised);
        self.kv.give_back(entries);
        self.slots.drop_from(id, 0);
        self.sequences[id.place as usize] = None;
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

    /// Compiles what of a first token's needs is not compiled yet, and reports after each pipeline how many of how many are.
    ///
    /// # Errors
    /// What the driver says of the shaders.
    pub(crate) async fn warm_up(
        &self,
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<(), GpuError> {
        self.plan.kernels.compile(report).await;
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

//! What the engine knows of a sequence, and which hidden state lies where.

use std::collections::HashMap;

use crate::{
    exit::ExitRule,
    row::{SequenceId, Step},
};

/// A sequence in progress.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) id: SequenceId,
    pub(super) ids: Vec<u32>,
    pub(super) steps: Step,
    pub(super) exit: ExitRule,
    /// Its KV planes, one a step.
    pub(super) planes: Vec<u32>,
    /// For each step, how many positions from the start are in the plane.
    pub(super) filled: Vec<usize>,
    /// The set of its tokens, a bit each: what the device has for the repetition penalty.
    pub(super) seen: Vec<u32>,
}

impl Sequence {
    pub(super) fn new(
        id: SequenceId,
        steps: Step,
        exit: ExitRule,
        planes: Vec<u32>,
        seen_words: usize,
    ) -> Self {
        Self {
            id,
            ids: Vec::new(),
            steps,
            exit,
            filled: vec![0; planes.len()],
            planes,
            seen: vec![0; seen_words],
        }
    }

    /// Adds tokens to the end, and returns the range of words of `seen` that changed.
    pub(super) fn extend(&mut self, ids: &[u32]) -> std::ops::Range<usize> {
        self.ids.extend_from_slice(ids);
        let mut changed = self.seen.len()..0;
        for id in ids {
            let word = *id as usize / 32;
            self.seen[word] |= 1 << (id % 32);
            changed = changed.start.min(word)..changed.end.max(word + 1);
        }
        changed
    }
}

/// The hidden states of rows between their steps: which slot holds which token's, and after how many steps.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    free: Vec<u32>,
    held: HashMap<(SequenceId, usize), Held>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) slot: u32,
    pub(super) steps: usize,
    /// Its last step was computed: the slot may be taken once the results are read.
    pub(super) done: bool,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: (0..count as u32).rev().collect(),
            held: HashMap::new(),
        }
    }

    pub(super) fn get(&self, sequence: SequenceId, position: usize) -> Option<Held> {
        self.held.get(&(sequence, position)).copied()
    }

    /// A free slot for a token at its first step.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.pop()
    }

    pub(super) fn hold(&mut self, sequence: SequenceId, position: usize, held: Held) {
        self.held.insert((sequence, position), held);
    }

    /// Frees the slots of tokens that have taken all their steps.
    pub(super) fn sweep(&mut self) {
        self.release(|_, held| held.done);
    }

    pub(super) fn drop_sequence(&mut self, sequence: SequenceId) {
        self.release(|key, _| key.0 == sequence);
    }

    fn release(&mut self, leaves: impl Fn(&(SequenceId, usize), &Held) -> bool) {
        let free = &mut self.free;
        self.held.retain(|key, held| {
            let stays = !leaves(key, held);
            if !stays {
                free.push(held.slot);
            }
            stays
        });
    }
}

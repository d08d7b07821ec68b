//! What the engine knows of a sequence, and which hidden state lies where.

use std::collections::HashMap;

use looplm_gpu::kernels::KvMove;

use crate::{
    kv_policy::KvPolicy,
    row::{MAX_STEPS, SequenceId, Step},
};

/// In the place of a token that is drawn on the device, as long as nothing is read back.
pub(super) const UNREAD: u32 = u32::MAX;

/// A sequence in progress.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) id: SequenceId,
    pub(super) ids: Vec<u32>,
    pub(super) steps: Step,
    pub(super) policy: KvPolicy,
    /// The set of its tokens, a bit each: what the device has for the repetition penalty.
    pub(super) seen: Vec<u32>,
    /// Entries promised to tokens that are still to be computed.
    pub(super) promised: usize,
    /// KV entry of every position: a line for each step; one line for all steps once `shared`.
    lines: Vec<Vec<u32>>,
    /// Whether positions have one entry for all steps.
    shared: bool,
    /// While shared, the entries of the one token that is between its steps, one for each step taken.
    flight: Vec<u32>,
}

impl Sequence {
    pub(super) fn new(id: SequenceId, steps: Step, policy: KvPolicy, seen_words: usize) -> Self {
        Self {
            id,
            ids: Vec::new(),
            steps,
            policy,
            seen: vec![0; seen_words],
            promised: 0,
            lines: vec![Vec::new(); steps.get()],
            shared: false,
            flight: Vec::new(),
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

    /// Adds tokens to the end that are still to be drawn.
    pub(super) fn extend_unread(&mut self, count: usize) {
        self.ids.resize(self.ids.len() + count, UNREAD);
    }

    /// Whether a token is there that is still to be drawn.
    pub(super) fn is_unread(&self, position: usize) -> bool {
        self.ids.get(position) == Some(&UNREAD)
    }

    /// Notes the token that was drawn, as the device has done already.
    pub(super) fn read(&mut self, position: usize, token: u32) {
        if self.is_unread(position) {
            self.ids[position] = token;
            self.seen[token as usize / 32] |= 1 << (token % 32);
        }
    }

    /// Entries that a token takes at most.
    pub(super) fn entries_a_token(&self) -> usize {
        let steps = self.steps.get();
        if self.shared {
            self.policy.entries_in_flight(steps)
        } else {
            steps
        }
    }

    /// Entries promised that no token needs any more; they are no longer promised then.
    pub(super) fn promised_too_much(&mut self) -> usize {
        let tokens = self.ids.len();
        let owed = if self.shared {
            let mut own = self.flight.clone();
            own.dedup();
            ((tokens - self.lines[0].len()) * self.entries_a_token()).saturating_sub(own.len())
        } else {
            self.lines.iter().map(|line| tokens - line.len()).sum()
        };
        let less = self.promised.saturating_sub(owed);
        self.promised -= less;
        less
    }

    /// Entries it holds: those that several steps share count once.
    pub(super) fn entries_held(&self) -> usize {
        let of_step = |(step, line): (usize, &Vec<u32>)| match step.checked_sub(1) {
            None => line.len(),
            Some(before) => {
                let own = |(i, entry): (usize, &u32)| self.lines[before].get(i) != Some(entry);
                line.iter().enumerate().filter(|at| own(*at)).count()
            }
        };
        let mut own = self.flight.clone();
        own.dedup();
        own.len() + self.lines.iter().enumerate().map(of_step).sum::<usize>()
    }

    /// Line of the KV map of step 1; those of the other steps follow.
    pub(super) fn first_line(&self) -> usize {
        self.id.place as usize * MAX_STEPS
    }

    /// Line of the KV map in which a step finds its keys.
    pub(super) fn line_of(&self, step: Step) -> usize {
        let own = if self.shared { 0 } else { step.index() };
        self.first_line() + own
    }

    /// Lines of the map that a row of `step` writes its entry into.
    pub(super) fn lines_written(&self, step: Step) -> u32 {
        match (self.shared, self.policy) {
            // The first step's entry is where the mean will be, or what stays.
            (true, KvPolicy::Last) => 1,
            (true, _) => u32::from(step == Step::FIRST),
            // A token that leaves now leaves this for all deeper steps.
            (false, KvPolicy::LastExited) => (self.steps.get() - step.index()) as u32,
            (false, _) => 1,
        }
    }

    /// What the lines of the map hold, tokens between their steps included.
    pub(super) fn map_lines(&self) -> Vec<Vec<u32>> {
        let mut lines = self.lines.clone();
        if self.shared {
            lines[0].extend(self.flight.first());
        } else if self.policy == KvPolicy::LastExited {
            for step in 1..lines.len() {
                let (before, line) = lines.split_at_mut(step);
                let own = line[0].len();
                line[0].extend_from_slice(&before[step - 1][own..]);
            }
        }
        lines
    }

    /// For each step, how many positions from the start it finds in the cache.
    pub(super) fn filled(&self) -> Vec<usize> {
        let line = |step: usize| if self.shared { 0 } else { step };
        (0..self.steps.get())
            .map(|step| self.lines[line(step)].len() + usize::from(self.flight.len() > step))
            .collect()
    }

    /// Whether a token is between its steps that has to be done before the next may begin.
    pub(super) fn is_blocked(&self) -> bool {
        !self.flight.is_empty()
    }

    /// The entry that the token between its steps writes once more, or `None` for a new one.
    pub(super) fn entry_again(&self) -> Option<u32> {
        match self.policy {
            _ if !self.shared => None,
            KvPolicy::Last => self.flight.first().copied(),
            // The first stays for others; the deeper ones are for the token itself.
            KvPolicy::First => self.flight.get(1).copied(),
            _ => None,
        }
    }

    /// Notes the entry that a row writes.
    pub(super) fn wrote(&mut self, step: Step, entry: u32) {
        if self.shared {
            self.flight.push(entry);
        } else {
            self.lines[step.index()].push(entry);
        }
    }

    /// The token at the next position takes no more steps: what it leaves for others. Returns entries that are free now,
    /// and what has to be computed before the next pass.
    pub(super) fn leave(&mut self, position: usize) -> (Vec<u32>, Option<KvMove>) {
        if !self.shared {
            if self.policy == KvPolicy::LastExited {
                let last = self.lines.iter().rev().find_map(|line| line.get(position));
                let Some(&entry) = last else {
                    return (Vec::new(), None);
                };
                for line in &mut self.lines {
                    if line.len() == position {
                        line.push(entry);
                    }
                }
            }
            return (Vec::new(), None);
        }
        let flight = std::mem::take(&mut self.flight);
        let Some(&kept) = flight.first() else {
            return (Vec::new(), None);
        };
        self.lines[0].push(kept);
        let mut freed = flight[1..].to_vec();
        freed.dedup();
        freed.retain(|entry| *entry != kept);
        let mean = (self.policy == KvPolicy::Mean).then(|| mean_of(&flight));
        (freed, mean)
    }

    /// From here on positions have one entry for all steps. Returns the entries that are free now, and the means to be
    /// computed first.
    pub(super) fn share(&mut self) -> (Vec<u32>, Vec<KvMove>) {
        if self.shared || !self.policy.is_shared() {
            return (Vec::new(), Vec::new());
        }
        self.shared = true;
        let mut lines = std::mem::take(&mut self.lines);
        let kept = match self.policy {
            KvPolicy::Last => lines.len() - 1,
            _ => 0,
        };
        let moves = match self.policy {
            KvPolicy::Mean => (0..lines[0].len())
                .map(|position| {
                    mean_of(&lines.iter().map(|line| line[position]).collect::<Vec<_>>())
                })
                .collect(),
            _ => Vec::new(),
        };
        let keep = lines.swap_remove(kept);
        let freed = lines.into_iter().flatten().collect();
        self.lines = vec![keep];
        (freed, moves)
    }

    /// Takes back all tokens from position `length` on. Returns their entries, and the range of words of `seen` that
    /// changed.
    pub(super) fn truncate(&mut self, length: usize) -> (Vec<u32>, std::ops::Range<usize>) {
        let removed = self.ids.split_off(length.min(self.ids.len()));
        let mut entries: Vec<u32> = Vec::new();
        for line in &mut self.lines {
            if line.len() > length {
                entries.extend(line.drain(length..));
            }
        }
        if self.lines[0].len() >= length {
            entries.append(&mut self.flight);
        }
        // Steps that a token did not take share the entry of its last.
        entries.sort_unstable();
        entries.dedup();
        let mut changed = self.seen.len()..0;
        for id in removed.into_iter().filter(|id| *id != UNREAD) {
            if !self.ids.contains(&id) {
                let word = id as usize / 32;
                self.seen[word] &= !(1 << (id % 32));
                changed = changed.start.min(word)..changed.end.max(word + 1);
            }
        }
        (entries, changed)
    }

    /// Gives entries other numbers.
    pub(super) fn renumber(&mut self, mut number: impl FnMut(u32) -> u32) {
        let lines = self.lines.iter_mut().flatten();
        lines
            .chain(&mut self.flight)
            .for_each(|entry| *entry = number(*entry));
    }
}

fn mean_of(entries: &[u32]) -> KvMove {
    let mut source = [0; MAX_STEPS];
    source[..entries.len()].copy_from_slice(entries);
    KvMove {
        target: entries[0],
        count: entries.len() as u32,
        source,
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
    /// Steps whose head was looked at, a bit each.
    pub(super) lenses: u32,
    /// It takes no more steps: the slot may be taken once the results are read.
    pub(super) done: bool,
}

impl Held {
    /// Steps whose head was looked at, counted from 0.
    pub(super) fn looked_at(self) -> impl Iterator<Item = usize> {
        (0..self.steps).filter(move |step| self.lenses & (1 << step) != 0)
    }
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

    /// The token takes no more steps.
    pub(super) fn done(&mut self, sequence: SequenceId, position: usize) {
        if let Some(held) = self.held.get_mut(&(sequence, position)) {
            held.done = true;
        }
    }

    /// Frees the slots of tokens that take no more steps.
    pub(super) fn sweep(&mut self) {
        self.release(|_, held| held.done);
    }

    /// Frees the slots of a sequence from a position on.
    pub(super) fn drop_from(&mut self, sequence: SequenceId, position: usize) {
        self.release(|key, _| key.0 == sequence && key.1 >= position);
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

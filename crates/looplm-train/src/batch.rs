//! What a model is trained on: token ids, targets, and how hard each target is.

/// The target of a position that has none (as in PyTorch's cross-entropy).
pub const IGNORED: i32 = -100;

/// The difficulty of a position that has no target.
pub const NO_DIFFICULTY: u16 = u16::MAX;

/// Sequences of one length. All vectors have `sequences * length` elements, sequence after sequence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Number of sequences, B.
    pub sequences: usize,
    /// Tokens in each, M.
    pub length: usize,
    /// Token ids.
    pub ids: Vec<u32>,
    /// The id to predict at each position, or [`IGNORED`].
    pub targets: Vec<i32>,
    /// Documents packed into one sequence: positions restart and attention stays inside a run of equal numbers.
    /// Empty: every sequence is one document.
    pub segments: Vec<u32>,
    /// Index into [`crate::Task::difficulties`] of each target, [`NO_DIFFICULTY`] where there is none. Empty: not known.
    pub difficulty: Vec<u16>,
}

impl Batch {
    /// Rows of a pass over the batch, B * M.
    pub fn rows(&self) -> usize {
        self.sequences * self.length
    }

    /// Positions with a target.
    pub fn target_count(&self) -> usize {
        self.targets.iter().filter(|&&t| t >= 0).count()
    }
}

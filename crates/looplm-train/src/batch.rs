//! What a model is trained on: token ids, targets, and how hard each target is.

use std::ops::Range;

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

    /// The documents with a target, each as its rows, in their order. What fills a sequence up is none.
    pub fn documents(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let begins = |&row: &usize| {
            row.is_multiple_of(self.length.max(1))
                || self.segments.get(row) != self.segments.get(row - 1)
        };
        let end = move |first: usize| (first + 1..self.rows()).find(begins).unwrap_or(self.rows());
        let starts = (0..self.rows()).filter(begins);
        starts
            .map(move |first| first..end(first))
            .filter(|rows| self.targets[rows.clone()].iter().any(|&t| t >= 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_with_their_segment_and_their_sequence() {
        let mut batch = Batch {
            sequences: 2,
            length: 4,
            ids: (0..8).collect(),
            targets: vec![1, IGNORED, 2, IGNORED, IGNORED, 3, IGNORED, IGNORED],
            ..Batch::default()
        };
        let of = |batch: &Batch| batch.documents().collect::<Vec<Range<usize>>>();
        assert_eq!(of(&batch), [0..4, 4..8], "a sequence is a document");
        batch.segments = vec![0, 0, 1, 1, 1, 1, 2, 2];
        assert_eq!(of(&batch), [0..2, 2..4, 4..6], "the last has no target");
        assert!(of(&Batch::default()).is_empty());
    }
}

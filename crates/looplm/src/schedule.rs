//! The rows of a prompt: an iterator over passes. Which rows tokens take that are being generated is decided from pass to
//! pass, in `batch/`.

use crate::row::{Pass, Row, SequenceId, Step};

/// Prefill: many positions of one sequence, one step a pass, in chunks of positions. All steps of a chunk come before
/// the next chunk, since a row of step t attends to step t of earlier positions only.
#[derive(Debug, Clone)]
pub struct Prefill {
    sequence: SequenceId,
    steps: Step,
    end: usize,
    chunk: usize,
    position: usize,
    step: usize,
}

impl Prefill {
    /// Positions `start .. end` in chunks of at most `chunk` rows (at least 1).
    pub fn new(sequence: SequenceId, start: usize, end: usize, steps: Step, chunk: usize) -> Self {
        Self {
            sequence,
            steps,
            end,
            chunk: chunk.max(1),
            position: start,
            step: 1,
        }
    }
}

impl Iterator for Prefill {
    type Item = Pass;

    fn next(&mut self) -> Option<Pass> {
        if self.position >= self.end {
            return None;
        }
        let stop = self.end.min(self.position + self.chunk);
        let step = Step::new(self.step)?;
        let rows = (self.position..stop)
            .map(|position| Row {
                sequence: self.sequence,
                position,
                step,
            })
            .collect();
        if step == self.steps {
            self.position = stop;
            self.step = 1;
        } else {
            self.step += 1;
        }
        Some(Pass { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SequenceId = SequenceId {
        place: 0,
        serial: 0,
    };

    fn shape(passes: impl Iterator<Item = Pass>) -> Vec<(usize, Vec<usize>)> {
        passes
            .map(|p| {
                (
                    p.rows[0].step.get(),
                    p.rows.iter().map(|r| r.position).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn prefill_takes_all_steps_of_a_chunk_before_the_next() {
        let steps = Step::new(2).expect("2 is a step");
        let passes = shape(Prefill::new(ONE, 1, 6, steps, 3));
        let expected = [
            (1, vec![1, 2, 3]),
            (2, vec![1, 2, 3]),
            (1, vec![4, 5]),
            (2, vec![4, 5]),
        ];
        assert_eq!(passes, expected);
    }
}

//! Which rows go through the stack, and when. A schedule is an iterator over passes.

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

/// Plain decode: one position, steps 1 to T one pass after another. Every step is computed, whenever the row's exit rule
/// fires, so that later tokens find all planes of the KV cache. Rules that save the deeper passes are other schedules.
#[derive(Debug, Clone)]
pub struct Decode(Prefill);

impl Decode {
    /// All steps of one position.
    pub fn new(sequence: SequenceId, position: usize, steps: Step) -> Self {
        Self(Prefill::new(sequence, position, position + 1, steps, 1))
    }
}

impl Iterator for Decode {
    type Item = Pass;

    fn next(&mut self) -> Option<Pass> {
        self.0.next()
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

    #[test]
    fn decode_takes_one_row_through_all_steps() {
        let steps = Step::new(3).expect("3 is a step");
        assert_eq!(
            shape(Decode::new(ONE, 7, steps)),
            [(1, vec![7]), (2, vec![7]), (3, vec![7])]
        );
    }
}

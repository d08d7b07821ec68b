//! A token on its way through the loop, and which tokens of a sequence take their next step in the next pass.

use crate::trace::StepTrace;

/// What was read from a token before it had taken all its steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Draft {
    /// The step it was read from.
    pub(super) step: usize,
    /// The token that came of it.
    pub(super) token: u32,
}

/// A token between its steps.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    /// Its place in the sequence.
    pub(super) position: usize,
    /// Steps it has taken.
    pub(super) depth: usize,
    /// What they thought, as far as it was asked.
    pub(super) steps: Vec<StepTrace>,
    /// The token after it was read from one of its steps, for good: what is left of it is only for the KV cache.
    pub(super) left: bool,
    /// The token after it, as it was guessed early.
    pub(super) draft: Option<Draft>,
}

impl Flight {
    pub(super) fn new(position: usize) -> Self {
        Self {
            position,
            depth: 0,
            steps: Vec::new(),
            left: false,
            draft: None,
        }
    }
}

/// Which flights, in the order of their positions, take their next step in the next pass. Those that have left wait until a
/// later one needs their step, or until `flush`: then they go on together.
///
/// A row of step t needs step t of all positions before it, from earlier passes or from its own.
pub(super) fn next_pass(flights: &[Flight], flush: bool) -> Vec<usize> {
    let current = flights.iter().find(|f| !f.left).map(|f| f.depth + 1);
    let needed = if flush {
        usize::MAX
    } else {
        current.unwrap_or(0)
    };
    // Steps that all positions so far will have taken after this pass.
    let mut reached = usize::MAX;
    let mut rows = Vec::new();
    for (i, flight) in flights.iter().enumerate() {
        let wants = !flight.left || flight.depth < needed;
        let mut depth = flight.depth;
        if wants && depth < reached {
            rows.push(i);
            depth += 1;
        }
        reached = reached.min(depth);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flights at positions 0, 1, ... by their depth and whether they have left.
    fn flights(of: &[(usize, bool)]) -> Vec<Flight> {
        of.iter()
            .enumerate()
            .map(|(position, &(depth, left))| Flight {
                depth,
                left,
                ..Flight::new(position)
            })
            .collect()
    }

    #[test]
    fn a_wavefront_moves_as_a_whole() {
        let wave = flights(&[(3, false), (2, false), (1, false), (0, false)]);
        assert_eq!(next_pass(&wave, false), [0, 1, 2, 3]);
    }

    #[test]
    fn tokens_that_left_wait_until_their_step_is_needed() {
        let waiting = flights(&[(1, true), (2, true), (0, false)]);
        assert_eq!(next_pass(&waiting, false), [2], "step 1 is there already");
        let waiting = flights(&[(1, true), (2, true), (1, false)]);
        assert_eq!(
            next_pass(&waiting, false),
            [0, 2],
            "one catches up in the same pass"
        );
        let waiting = flights(&[(1, true), (1, true), (3, true), (2, false)]);
        assert_eq!(
            next_pass(&waiting, false),
            [0, 1],
            "step 3 has to wait for step 2 of two others"
        );
    }

    #[test]
    fn all_go_on_when_they_must() {
        let waiting = flights(&[(1, true), (2, true), (1, false)]);
        assert_eq!(next_pass(&waiting, true), [0, 2]);
        let waiting = flights(&[(2, true), (2, true), (1, false)]);
        assert_eq!(next_pass(&waiting, true), [0, 1, 2]);
    }
}

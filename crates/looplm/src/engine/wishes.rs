//! Which numbers of rows come often enough to compile products made for them.

use std::collections::HashMap;

use looplm_gpu::kernels::RowVariant;

/// Passes of a kind before what is best for them is compiled: more than a first token takes for the end of its prompt.
const OFTEN: u32 = 16;

/// Where rows are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// In the layers.
    Layers,
    /// In the head.
    Head,
}

/// Counts passes by the variant that is best for their rows.
#[derive(Debug, Default)]
pub(super) struct Wishes(HashMap<(Place, RowVariant), u32>);

impl Wishes {
    /// Counts a pass of `rows` rows; true the time that makes it often.
    pub(super) fn note(&mut self, place: Place, rows: usize) -> bool {
        if rows == 0 {
            return false;
        }
        let count = self
            .0
            .entry((place, RowVariant::for_rows(rows)))
            .or_default();
        *count = count.saturating_add(1);
        *count == OFTEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_wished_for_once() {
        let mut wishes = Wishes::default();
        let mut wished = Vec::new();
        for _ in 0..2 * OFTEN {
            for rows in [3, 4] {
                wished.push(wishes.note(Place::Layers, rows));
            }
            assert!(!wishes.note(Place::Head, 0));
        }
        assert_eq!(wished.iter().filter(|wish| **wish).count(), 1);
        assert!(
            wished[OFTEN as usize - 1],
            "three rows are computed as four"
        );
        assert!(!wishes.note(Place::Head, 3), "the head is another place");
    }
}

//! Which multi-hop questions are held out.

/// A share of all questions, chosen by their number alone: no list is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldOut {
    seed: u64,
    /// Questions whose hash is below this are held out.
    below: u64,
}

impl HeldOut {
    /// A share from 0 to 1.
    pub(crate) fn new(seed: u64, share: f64) -> Self {
        // 2^53 hashes, so that the share is exact in 64-bit floats.
        HeldOut {
            seed,
            below: (share * (1u64 << 53) as f64) as u64,
        }
    }

    /// Whether anything is held out.
    pub(crate) fn any(self) -> bool {
        self.below > 0
    }

    /// Whether a question is, by whom it starts from and the relations that follow.
    pub(crate) fn holds(self, start: usize, relations: &[usize]) -> bool {
        let hash = relations
            .iter()
            .fold(mix(self.seed ^ mix(start as u64)), |h, &r| {
                mix(h ^ (r as u64 + 1))
            });
        hash >> 11 < self.below
    }
}

/// SplitMix64: every bit of the result depends on every bit of the number.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

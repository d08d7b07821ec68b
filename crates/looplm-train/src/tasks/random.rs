//! Randomness that is the same on every machine: ChaCha8 keyed by (seed, what it is for, number).

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::task::Split;

/// What a stream of random numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The samples of a batch of a split.
    Batch(Split),
    /// What the task's samples are about: its people, its tables.
    World,
    /// One sample for people.
    Example,
}

/// A stream of random numbers of its own.
pub(crate) fn stream(seed: u64, purpose: Purpose, number: u64) -> ChaCha8Rng {
    let purpose: u64 = match purpose {
        Purpose::Batch(Split::Train) => 0,
        Purpose::Batch(Split::Held) => 1,
        Purpose::World => 2,
        Purpose::Example => 3,
    };
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose, number, 0]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number from 0 to less than `n`, which is above 0. Drawn as 32 bits, so that wasm draws the same.
pub(crate) fn below(rng: &mut impl Rng, n: usize) -> usize {
    rng.random_range(0..n as u32) as usize
}

/// Puts items in a random order (Fisher and Yates).
pub(crate) fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i + 1));
    }
}

/// A random permutation of 0..n.
pub(crate) fn permutation(rng: &mut impl Rng, n: usize) -> Vec<usize> {
    let mut p: Vec<usize> = (0..n).collect();
    shuffle(rng, &mut p);
    p
}

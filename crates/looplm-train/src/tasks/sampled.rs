//! What tasks made of whole words have in common: samples become documents, and documents become batches.

use std::fmt::Debug;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::random::{Purpose, stream};
use super::words::Words;
use crate::batch::{Batch, IGNORED, NO_DIFFICULTY};
use crate::metrics::Evaluation;
use crate::task::{Example, Split, Task};

/// One sample: tokens, and the target and difficulty of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) ids: Vec<u32>,
    pub(crate) targets: Vec<i32>,
    pub(crate) difficulty: Vec<u16>,
}

impl Document {
    /// Appends a token without a target.
    pub(crate) fn push(&mut self, id: u32) {
        self.ids.push(id);
        self.targets.push(IGNORED);
        self.difficulty.push(NO_DIFFICULTY);
    }

    /// Gives the last token a target.
    pub(crate) fn expect(&mut self, target: u32, difficulty: u16) {
        if let (Some(t), Some(d)) = (self.targets.last_mut(), self.difficulty.last_mut()) {
            (*t, *d) = (target as i32, difficulty);
        }
    }

    /// Makes a token the target of the last one, and appends it.
    pub(crate) fn predict(&mut self, id: u32, difficulty: u16) {
        self.expect(id, difficulty);
        self.push(id);
    }

    fn len(&self) -> usize {
        self.ids.len()
    }
}

/// A generator of samples in whole words. Its batches are made by [`Sampled`].
pub(crate) trait Sampler: Debug + Send + Sync {
    fn words(&self) -> &Words;

    /// Tokens of a sequence, which no sample exceeds.
    fn length(&self) -> usize;

    /// A sample. All have [`Self::length`] tokens, or several are packed into a sequence.
    fn sample(&self, rng: &mut ChaCha8Rng, split: Split) -> Document;

    fn difficulties(&self) -> Vec<String>;

    fn description(&self) -> Option<Value>;

    /// A sample in words: everything up to the first target, and all targets.
    fn example(&self, rng: &mut ChaCha8Rng) -> Example {
        let d = self.sample(rng, Split::Held);
        let first = d.targets.iter().position(|&t| t >= 0).unwrap_or(0);
        let answer: Vec<u32> = d
            .targets
            .iter()
            .filter_map(|&t| t.try_into().ok())
            .collect();
        Example {
            input: self.words().text(&d.ids[..d.len().min(first + 1)]),
            answer: self.words().text(&answer),
        }
    }

    fn figures(&self, evaluation: &Evaluation, parameters: u64) -> Vec<(String, f64)> {
        let _ = (evaluation, parameters);
        Vec::new()
    }
}

/// The task of a sampler: a batch is a pure function of (seed, split, index).
#[derive(Debug)]
pub(crate) struct Sampled<S> {
    pub(crate) seed: u64,
    pub(crate) sampler: S,
}

impl<S: Sampler> Task for Sampled<S> {
    fn vocab_size(&self) -> usize {
        self.sampler.words().len()
    }

    fn max_length(&self) -> usize {
        self.sampler.length()
    }

    fn batch(&self, split: Split, index: u64, sequences: usize) -> Batch {
        let mut rng = stream(self.seed, Purpose::Batch(split), index);
        pack(sequences, self.sampler.length(), || {
            self.sampler.sample(&mut rng, split)
        })
    }

    fn difficulties(&self) -> Vec<String> {
        self.sampler.difficulties()
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.sampler.words().files(self.max_length())
    }

    fn bos(&self) -> Option<u32> {
        self.sampler.words().bos()
    }

    fn eos(&self) -> Option<u32> {
        self.sampler.words().eos()
    }

    fn description(&self) -> Option<Value> {
        self.sampler.description()
    }

    fn example(&self, index: u64) -> Example {
        self.sampler
            .example(&mut stream(self.seed, Purpose::Example, index))
    }

    fn figures(&self, evaluation: &Evaluation, parameters: u64) -> Vec<(String, f64)> {
        self.sampler.figures(evaluation, parameters)
    }
}

/// Fills sequences of `length` tokens with documents in the order they come. A document that no longer fits begins the
/// next sequence, so that long ones are not rarer than drawn; what stays free is a document of its own without targets.
pub(crate) fn pack(sequences: usize, length: usize, mut next: impl FnMut() -> Document) -> Batch {
    let mut batch = Batch {
        sequences,
        length,
        ..Batch::default()
    };
    let mut waiting: Option<Document> = None;
    for row in 1..=sequences {
        let end = row * length;
        let mut segment = 0;
        loop {
            let document = waiting.take().unwrap_or_else(&mut next);
            if batch.ids.len() + document.len() > end {
                waiting = Some(document);
                break;
            }
            batch
                .segments
                .resize(batch.ids.len() + document.len(), segment);
            batch.ids.extend(document.ids);
            batch.targets.extend(document.targets);
            batch.difficulty.extend(document.difficulty);
            segment += 1;
            if batch.ids.len() == end {
                break;
            }
        }
        batch.ids.resize(end, 0);
        batch.targets.resize(end, IGNORED);
        batch.difficulty.resize(end, NO_DIFFICULTY);
        batch.segments.resize(end, segment);
    }
    if batch.segments.iter().all(|&s| s == 0) {
        batch.segments.clear();
    }
    batch
}

/// `1 hop`, `2 hops`, ...
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

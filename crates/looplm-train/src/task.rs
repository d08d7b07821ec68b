//! What every task can do: make batches, say what is hard, and describe itself to a checkpoint and to a page.

use serde::Serialize;

use crate::{batch::Batch, metrics::Evaluation};

/// Which samples: those trained on, or those held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Samples of the updates.
    Train,
    /// Samples that evaluation uses, at full difficulty; where the task can, none of them is ever trained on.
    Held,
}

/// One sample for people to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// What goes in.
    pub input: String,
    /// What should come out, at the places that have a target.
    pub answer: String,
}

/// A seeded generator of tokens, targets and difficulties.
pub trait Task: std::fmt::Debug + Send + Sync {
    /// Number of token ids.
    fn vocab_size(&self) -> usize;

    /// Tokens of the longest sequence it makes.
    fn max_length(&self) -> usize;

    /// Batch number `index` (from 0) of a split. The same numbers give the same batch on every machine, whatever was
    /// asked for before: resuming needs no state. Early training batches may be shorter (a curriculum).
    fn batch(&self, split: Split, index: u64, sequences: usize) -> Batch;

    /// Names of the difficulties, from easy to hard; a batch's `difficulty` indexes them.
    fn difficulties(&self) -> Vec<String>;

    /// Files beside the weights that make them usable: `tokenizer.json`, `tokenizer_config.json` and so on.
    fn files(&self) -> Vec<(String, Vec<u8>)>;

    /// Special tokens for `config.json`.
    fn bos(&self) -> Option<u32>;

    /// The token at which generation ends.
    fn eos(&self) -> Option<u32>;

    /// The `looplm_task` object of `config.json`: what a page may offer to do with the model.
    fn description(&self) -> Option<serde_json::Value>;

    /// One held-out sample in words.
    fn example(&self, index: u64) -> Example;

    /// The task's own figures beside the accuracy table (such as bits per parameter), with a name for each.
    fn figures(&self, evaluation: &Evaluation, parameters: u64) -> Vec<(String, f64)> {
        let _ = (evaluation, parameters);
        Vec::new()
    }
}

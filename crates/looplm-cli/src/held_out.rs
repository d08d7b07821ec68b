//! Samples that a model was not trained on.

use looplm_train::{Batch, Split, Task};

/// The held-out batches that `looplm eval` looks at for this many samples.
pub(crate) fn held_out(task: &dyn Task, samples: u64, batch_size: usize) -> Vec<Batch> {
    let batches = samples.div_ceil(batch_size as u64).max(1);
    (0..batches)
        .map(|index| task.batch(Split::Held, index, batch_size))
        .collect()
}

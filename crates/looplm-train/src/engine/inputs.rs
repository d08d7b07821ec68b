//! A batch as the kernels read it: rows padded to whole blocks, each with its position and its document.

use looplm::Config;
use looplm_gpu::kernels::Takers;

use crate::{
    batch::{Batch, IGNORED},
    error::TrainError,
};

/// Rows come in multiples of this, so that every part of a [T, R] buffer begins where one can be bound.
pub(crate) const ROW_BLOCK: usize = 64;

/// What is uploaded for a batch. All but the two index lists have one element a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub(crate) ids: Vec<u32>,
    pub(crate) targets: Vec<i32>,
    /// Position within the document.
    pub(crate) positions: Vec<u32>,
    /// First row of the document.
    pub(crate) first: Vec<u32>,
    /// Last row of the document.
    pub(crate) last: Vec<u32>,
    /// The rows of every token id; padding rows are not among them.
    pub(crate) takers: Takers,
    /// Rows with a target.
    pub(crate) targets_count: usize,
}

/// Rows of a batch with the padding.
pub(crate) fn padded_rows(sequences: usize, length: usize) -> usize {
    (sequences * length).next_multiple_of(ROW_BLOCK)
}

fn wrong(field: &'static str, message: String) -> TrainError {
    TrainError::Batch { field, message }
}

impl Inputs {
    /// Checks a batch and lays it out.
    ///
    /// # Errors
    /// [`TrainError::Batch`] naming what does not fit the model.
    pub(crate) fn new(batch: &Batch, config: &Config) -> Result<Self, TrainError> {
        let rows = batch.rows();
        if rows == 0 {
            return Err(wrong("ids", "there are none".into()));
        }
        let lengths = [
            ("ids", batch.ids.len(), false),
            ("targets", batch.targets.len(), false),
            ("segments", batch.segments.len(), true),
        ];
        for (field, found, optional) in lengths {
            if found != rows && !(optional && found == 0) {
                return Err(wrong(
                    field,
                    format!(
                        "{found} elements, but {} sequences of {} tokens have {rows}",
                        batch.sequences, batch.length
                    ),
                ));
            }
        }
        let vocabulary = config.vocab_size;
        if let Some(at) = batch.ids.iter().position(|&id| id as usize >= vocabulary) {
            return Err(wrong(
                "ids",
                format!(
                    "id {} at {at}, but the vocabulary has {vocabulary}",
                    batch.ids[at]
                ),
            ));
        }
        if let Some(at) = batch
            .targets
            .iter()
            .position(|&t| t != IGNORED && !(0..vocabulary as i64).contains(&i64::from(t)))
        {
            return Err(wrong(
                "targets",
                format!(
                    "target {} at {at}, but it must be below {vocabulary}, or {IGNORED} where there is none",
                    batch.targets[at]
                ),
            ));
        }
        let padded = rows.next_multiple_of(ROW_BLOCK);
        let mut inputs = Self {
            ids: batch.ids.clone(),
            targets: batch.targets.clone(),
            positions: Vec::with_capacity(padded),
            first: Vec::with_capacity(padded),
            last: vec![0; rows],
            takers: Takers::of(&batch.ids, vocabulary),
            targets_count: batch.target_count(),
        };
        inputs.ids.resize(padded, 0);
        inputs.targets.resize(padded, IGNORED);
        inputs.place_documents(batch);
        for row in rows..padded {
            inputs.positions.push(0);
            inputs.first.push(row as u32);
            inputs.last.push(row as u32);
        }
        if let Some(&position) = inputs
            .positions
            .iter()
            .find(|&&p| p as usize >= config.max_position_embeddings)
        {
            return Err(wrong(
                "ids",
                format!(
                    "a document of more than {position} tokens, but max_position_embeddings is {}",
                    config.max_position_embeddings
                ),
            ));
        }
        Ok(inputs)
    }

    fn place_documents(&mut self, batch: &Batch) {
        for sequence in 0..batch.sequences {
            let begin = sequence * batch.length;
            let mut start = begin;
            for row in begin..begin + batch.length {
                if row > start
                    && !batch.segments.is_empty()
                    && batch.segments[row] != batch.segments[row - 1]
                {
                    self.last[start..row].fill(row as u32 - 1);
                    start = row;
                }
                self.positions.push((row - start) as u32);
                self.first.push(start as u32);
            }
            let end = begin + batch.length;
            self.last[start..end].fill(end as u32 - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            vocab_size: 5,
            hidden_size: 8,
            intermediate_size: 8,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            num_key_value_heads: 1,
            head_dim: 8,
            total_ut_steps: 2,
            rms_norm_eps: 1e-6,
            rope_theta: 1e4,
            max_position_embeddings: 4,
            tie_word_embeddings: false,
            early_exit_threshold: 1.0,
            looplm_task: None,
        }
    }

    fn batch() -> Batch {
        Batch {
            sequences: 2,
            length: 4,
            ids: vec![1, 2, 1, 0, 4, 1, 0, 2],
            targets: vec![2, 1, -100, -100, 1, 0, 2, -100],
            segments: vec![0, 0, 1, 1, 1, 2, 2, 2],
            difficulty: Vec::new(),
        }
    }

    #[test]
    fn documents_restart_and_never_reach_into_the_next_sequence() {
        let inputs = Inputs::new(&batch(), &config()).expect("the batch is right");
        assert_eq!(inputs.positions[..8], [0, 1, 0, 1, 0, 0, 1, 2]);
        assert_eq!(inputs.first[..8], [0, 0, 2, 2, 4, 5, 5, 5]);
        assert_eq!(inputs.last[..9], [1, 1, 3, 3, 4, 7, 7, 7, 8]);
        assert_eq!(inputs.ids.len(), ROW_BLOCK);
        assert_eq!(inputs.targets_count, 5);
    }

    #[test]
    fn rows_are_sorted_by_token() {
        let inputs = Inputs::new(&batch(), &config()).expect("the batch is right");
        assert_eq!(inputs.takers.starts, [0, 2, 5, 7, 7, 8]);
        assert_eq!(inputs.takers.rows, [3, 6, 0, 2, 5, 1, 7, 4]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let field = |change: &dyn Fn(&mut Batch)| {
            let mut batch = batch();
            change(&mut batch);
            match Inputs::new(&batch, &config()) {
                Err(TrainError::Batch { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(field(&|b| b.ids[3] = 5), "ids");
        assert_eq!(field(&|b| b.targets[3] = 5), "targets");
        assert_eq!(field(&|b| b.targets[3] = -1), "targets");
        assert_eq!(field(&|b| b.segments = vec![0; 3]), "segments");
        assert_eq!(field(&|b| b.sequences = 0), "ids");
        let long = Batch {
            sequences: 1,
            length: 8,
            segments: Vec::new(),
            ..batch()
        };
        assert!(Inputs::new(&long, &config()).is_err(), "five positions");
    }
}

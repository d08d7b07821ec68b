//! A task of random tokens: only its shape matters here.

use looplm_train::{
    batch::Batch,
    task::{Example, Split, Task},
};

#[derive(Debug)]
pub(crate) struct RandomTokens {
    pub(crate) vocabulary: usize,
    pub(crate) length: usize,
}

impl Task for RandomTokens {
    fn vocab_size(&self) -> usize {
        self.vocabulary
    }

    fn max_length(&self) -> usize {
        self.length
    }

    fn batch(&self, _split: Split, index: u64, sequences: usize) -> Batch {
        let rows = sequences * self.length;
        // A multiplicative hash of the place: no two batches alike.
        let token = |i: usize| {
            let place = index * rows as u64 + i as u64;
            (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % self.vocabulary as u64
        };
        Batch {
            sequences,
            length: self.length,
            ids: (0..rows).map(|i| token(i) as u32).collect(),
            targets: (0..rows).map(|i| token(i + 1) as i32).collect(),
            ..Batch::default()
        }
    }

    fn difficulties(&self) -> Vec<String> {
        Vec::new()
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn bos(&self) -> Option<u32> {
        None
    }

    fn eos(&self) -> Option<u32> {
        None
    }

    fn description(&self) -> Option<serde_json::Value> {
        None
    }

    fn example(&self, _index: u64) -> Example {
        Example {
            input: String::new(),
            answer: String::new(),
        }
    }
}

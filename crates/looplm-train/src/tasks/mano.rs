//! Mano: arithmetic modulo p in prefix notation, done in the head (Physics of Language Models 4.1; arXiv 2510.25741,
//! Appendix B.2). `<bos> <len_l> expression <ans>` with l operations out of + - *, and the value as the target at
//! `<ans>`. The tables of p * p results live in the weights; composing them takes depth. The difficulty is l.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::random::below;
use super::sampled::{Document, Sampler};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Split;

const OPERATORS: [&str; 3] = ["+", "-", "*"];

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManoConfig {
    /// Numbers are taken modulo this.
    pub modulus: usize,
    /// Most operations, L; the number of a sample is uniform from 1 to L.
    pub operations: usize,
    /// Tokens of a sequence, into which as many samples are packed as fit; a sample has up to 2 L + 4.
    pub length: usize,
}

impl ManoConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let operations = s.size_or("operations", 1..=64, 3)?;
        let longest = 2 * operations + 4;
        Ok(ManoConfig {
            modulus: s.size_or("modulus", 2..=1000, 7)?,
            operations,
            length: s.size_or("length", longest as u64..=65_536, longest)?,
        })
    }
}

/// The generator. Tokens: `<unk> <bos> <ans>`, `<len_1>` to `<len_L>`, the operators, the numbers.
#[derive(Debug)]
pub(crate) struct Mano {
    config: ManoConfig,
    words: Words,
}

impl Mano {
    pub(super) fn new(config: ManoConfig) -> Self {
        let lengths = (1..=config.operations).map(|l| format!("<len_{l}>"));
        let words = Words::new(
            true,
            false,
            std::iter::once("<ans>".to_owned())
                .chain(lengths)
                .chain(OPERATORS.map(str::to_owned))
                .chain((0..config.modulus).map(|n| n.to_string())),
        );
        Mano { config, words }
    }

    fn operator(&self, operator: usize) -> u32 {
        self.words.first() + (1 + self.config.operations + operator) as u32
    }

    fn number(&self, n: usize) -> u32 {
        self.operator(OPERATORS.len()) + n as u32
    }

    /// Appends an expression of so many operations, and returns its value.
    fn expression(&self, rng: &mut ChaCha8Rng, operations: usize, d: &mut Document) -> usize {
        let p = self.config.modulus;
        if operations == 0 {
            let n = below(rng, p);
            d.push(self.number(n));
            return n;
        }
        let operator = below(rng, OPERATORS.len());
        let left = below(rng, operations);
        d.push(self.operator(operator));
        let a = self.expression(rng, left, d);
        let b = self.expression(rng, operations - 1 - left, d);
        match OPERATORS[operator] {
            "+" => (a + b) % p,
            "-" => (a + p - b) % p,
            _ => a * b % p,
        }
    }
}

impl Sampler for Mano {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        self.config.length
    }

    fn sample(&self, rng: &mut ChaCha8Rng, _: Split) -> Document {
        let operations = 1 + below(rng, self.config.operations);
        let mut d = Document::default();
        d.push(1);
        d.push(self.words.first() + operations as u32);
        let value = self.expression(rng, operations, &mut d);
        d.push(self.words.first());
        d.expect(self.number(value), operations as u16 - 1);
        d
    }

    fn difficulties(&self) -> Vec<String> {
        (1..=self.config.operations)
            .map(|l| super::sampled::counted(l, "operation", "operations"))
            .collect()
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "mano", "answers": "last-position", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "modulus": self.config.modulus, "operations": self.config.operations, "operators": OPERATORS,
            "format": "<len_l> expression <ans>",
        }))
    }
}

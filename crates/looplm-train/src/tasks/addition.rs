//! Addition with the digits reversed: `<bos>`, the digits of both numbers from the units up, aligned, and the sum in the
//! same order. A carry runs in the order of the tokens. The difficulty of a digit is how far the carry into it came.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::random::below;
use super::sampled::{Document, Sampler};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Split;

/// How the sum is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerStyle {
    /// Every digit at once, at blanks: a carry has to ripple inside the model, which is what loops are for.
    AtOnce,
    /// One digit after another, each seeing those before it, which tell whether there was a carry.
    DigitByDigit,
}

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdditionConfig {
    /// Digits of each number; a sequence has 3 digits + 3 tokens.
    pub digits: usize,
    /// How the sum is asked for.
    pub answer: AnswerStyle,
}

impl AdditionConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        Ok(AdditionConfig {
            digits: s.size_or("digits", 1..=128, 6)?,
            answer: s.choice_or(
                "answer",
                &[
                    ("at-once", AnswerStyle::AtOnce),
                    ("digit-by-digit", AnswerStyle::DigitByDigit),
                ],
                AnswerStyle::AtOnce,
            )?,
        })
    }
}

/// The generator. Tokens: `<unk> <bos> + = _ 0 .. 9`.
#[derive(Debug)]
pub(crate) struct Addition {
    config: AdditionConfig,
    words: Words,
}

impl Addition {
    pub(super) fn new(config: AdditionConfig) -> Self {
        let marks = ["+", "=", "_"].map(str::to_owned);
        let words = Words::new(
            true,
            false,
            marks.into_iter().chain((0..10).map(|n| n.to_string())),
        );
        Addition { config, words }
    }

    /// The digits of both numbers, units first. Long carries are rare among random numbers, so half of the samples have
    /// one put in: digits that overflow at a random place, and above them some that add up to nine.
    fn digits(&self, rng: &mut ChaCha8Rng) -> (Vec<usize>, Vec<usize>) {
        let n = self.config.digits;
        let mut pairs: Vec<(usize, usize)> =
            (0..n).map(|_| (below(rng, 10), below(rng, 10))).collect();
        if below(rng, 2) == 0 {
            let from = below(rng, n);
            let through = below(rng, n - from);
            let a = 1 + below(rng, 9);
            pairs[from] = (a, 10 - a + below(rng, a));
            for pair in &mut pairs[from + 1..=from + through] {
                pair.1 = 9 - pair.0;
            }
        }
        pairs.into_iter().unzip()
    }
}

/// Difficulty by the number of places a carry came through: none, 1, 2, 3-4, 5-8, ...
fn difficulty(run: usize) -> u16 {
    match run {
        0 => 0,
        n => 1 + n.next_power_of_two().trailing_zeros() as u16,
    }
}

impl Sampler for Addition {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        3 * self.config.digits + 3
    }

    fn sample(&self, rng: &mut ChaCha8Rng, _: Split) -> Document {
        let (a, b) = self.digits(rng);
        let [plus, equals, blank, zero] = [0, 1, 2, 3].map(|i| self.words.first() + i);
        let mut d = Document::default();
        d.push(1);
        for &digit in &a {
            d.push(zero + digit as u32);
        }
        d.push(plus);
        for &digit in &b {
            d.push(zero + digit as u32);
        }
        d.push(equals);
        let (mut carry, mut run) = (0, 0);
        for place in 0..=self.config.digits {
            let of = |n: &[usize]| n.get(place).copied().unwrap_or(0);
            let sum = of(&a) + of(&b) + carry;
            d.expect(zero + (sum % 10) as u32, difficulty(run));
            if place < self.config.digits {
                d.push(match self.config.answer {
                    AnswerStyle::AtOnce => blank,
                    AnswerStyle::DigitByDigit => zero + (sum % 10) as u32,
                });
            }
            // A carry that is made here begins anew; one that only passes through has come one place further.
            run = match (sum >= 10, of(&a) + of(&b) >= 10) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => run + 1,
            };
            carry = sum / 10;
        }
        d
    }

    fn difficulties(&self) -> Vec<String> {
        let mut names = vec!["no carry".to_owned()];
        let mut least = 1;
        while least <= self.config.digits {
            let most = least.next_power_of_two().min(self.config.digits);
            names.push(if least == most {
                super::sampled::counted(least, "place", "places")
            } else {
                format!("{least}-{most} places")
            });
            least = most + 1;
        }
        names
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "addition", "answers": self.config.answer, "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "digits": self.config.digits, "format": "digits + digits =, units first",
        }))
    }
}

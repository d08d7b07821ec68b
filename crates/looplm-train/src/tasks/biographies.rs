//! Capo: how many bits of knowledge a parameter holds (bioS(N) of arXiv 2404.05405; arXiv 2510.25741, Appendix B.1).
//! N people with random attributes, each told in six sentences in random order with random wording. Evaluation is over
//! the same people, in other words: this is about memory, and looping is not expected to help. The figures are the
//! bits per parameter of Definition 1.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::names::invented;
use super::random::{Purpose, below, stream};
use super::sampled::{Document, Sampler};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::metrics::Evaluation;
use crate::task::{Example, Split};

/// Name tokens of a biography, each with its own loss.
const NAME_TOKENS: f64 = 3.0;
/// Value tokens of a biography: gender (at its first pronoun), month, day, year, city, university, major, employer.
const VALUE_TOKENS: f64 = 8.0;
/// Difficulties.
const TEMPLATE: u16 = 0;
const VALUE: u16 = 1;
const NAME: u16 = 2;

/// From how many each attribute is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pools {
    /// 400 x 400 x 1,000 names; 200 years, 200 cities, 300 universities, 100 majors, 263 employers.
    Paper,
    /// About a tenth of each, so that the embedding does not outweigh a small model.
    Small,
}

impl Pools {
    fn sizes(self) -> [usize; POOLS] {
        match self {
            Pools::Paper => [400, 400, 1000, 2, 12, 28, 200, 200, 300, 100, 263],
            Pools::Small => [40, 40, 100, 2, 12, 28, 20, 20, 30, 10, 26],
        }
    }
}

/// First, middle and last name; gender; month, day and year of birth; city, university, major, employer.
const POOLS: usize = 11;
const NAMES: usize = 3;

/// Wordings of a sentence after its pronoun or name; `{}` is the attribute, and `{} {} {}` the date.
const WORDINGS: [(&[usize], &[&str]); 5] = [
    (
        &[4, 5, 6],
        &[
            "was born on {} .",
            "has a birthday on {} .",
            "came into the world on {} .",
        ],
    ),
    (
        &[7],
        &[
            "spent the early years in {} .",
            "grew up in {} .",
            "calls {} home .",
        ],
    ),
    (
        &[8],
        &[
            "studied at {} .",
            "got a degree from {} .",
            "learned from teachers at {} .",
        ],
    ),
    (
        &[9],
        &[
            "focused on {} .",
            "has a degree in {} .",
            "wrote a thesis on {} .",
        ],
    ),
    (
        &[10],
        &[
            "works at {} .",
            "has a job at {} .",
            "earns a living at {} .",
        ],
    ),
];

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BiographiesConfig {
    /// People, N.
    pub people: usize,
    /// From how many each attribute is drawn.
    pub pools: Pools,
    /// Tokens of a sequence, into which as many biographies are packed as fit.
    pub length: usize,
}

impl BiographiesConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let pools = s.choice_or(
            "pools",
            &[("paper", Pools::Paper), ("small", Pools::Small)],
            Pools::Paper,
        )?;
        let [first, middle, last, ..] = pools.sizes();
        Ok(BiographiesConfig {
            // At most half of the names there are, so that a free one is soon drawn.
            people: s.size_or(
                "people",
                1..=(first * middle * last / 2).min(1 << 22) as u64,
                1000,
            )?,
            pools,
            length: s.size_or("length", LONGEST as u64..=65_536, LONGEST)?,
        })
    }
}

/// Tokens that no biography exceeds.
const LONGEST: usize = 42;

/// The generator. Tokens: `<unk> <bos> <eos>`, pronouns and wording, then the pools one after another.
#[derive(Debug)]
pub(crate) struct Biographies {
    config: BiographiesConfig,
    words: Words,
    /// The words of [`WORDINGS`], which come before the pools.
    frame: Vec<String>,
    /// `people[i][a]`: the number of attribute a of person i in its pool.
    people: Vec<[u16; POOLS]>,
}

impl Biographies {
    pub(super) fn new(config: BiographiesConfig, seed: u64) -> Self {
        let mut frame: Vec<String> = Vec::new();
        for text in WORDINGS.iter().flat_map(|(_, texts)| texts.iter()) {
            for word in text.split(' ').filter(|w| *w != "{}") {
                if !frame.iter().any(|w| w == word) {
                    frame.push(word.to_owned());
                }
            }
        }
        let sizes = config.pools.sizes();
        let pools = sizes
            .iter()
            .enumerate()
            .flat_map(|(a, &n)| (0..n).map(move |i| value(a, i)));
        let words = Words::new(true, true, frame.iter().cloned().chain(pools));
        let mut rng = stream(seed, Purpose::World, 0);
        let mut taken = std::collections::HashSet::new();
        let mut people = Vec::with_capacity(config.people);
        while people.len() < config.people {
            let person = sizes.map(|n| below(&mut rng, n) as u16);
            let [first, middle, last, ..] = person;
            if taken.insert([first, middle, last]) {
                people.push(person);
            }
        }
        Biographies {
            config,
            words,
            frame,
            people,
        }
    }

    fn frame(&self, word: &str) -> u32 {
        let place = self.frame.iter().position(|w| w == word).unwrap_or(0);
        self.words.first() + place as u32
    }

    fn value(&self, attribute: usize, number: u16) -> u32 {
        let before: usize = self.config.pools.sizes()[..attribute].iter().sum();
        self.words.first() + (self.frame.len() + before) as u32 + u32::from(number)
    }

    /// Log2 of the number of possible names, N0, and of the possible sets of attributes, S0.
    fn log2_sizes(&self) -> (f64, f64) {
        let log2 = |sizes: &[usize]| sizes.iter().map(|&n| (n as f64).log2()).sum();
        let sizes = self.config.pools.sizes();
        (log2(&sizes[..NAMES]), log2(&sizes[NAMES..]))
    }
}

/// The word for number `i` of an attribute's pool.
fn value(attribute: usize, i: usize) -> String {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    match attribute {
        0 => invented(i, "ra"),
        1 => invented(i, "n"),
        2 => invented(i, "son"),
        3 => ["he", "she"][i % 2].to_owned(),
        4 => MONTHS[i % 12].to_owned(),
        5 => (i + 1).to_string(),
        6 => (1900 + i).to_string(),
        7 => invented(i, "ville"),
        8 => invented(i, "-university"),
        9 => invented(i, "ology"),
        _ => invented(i, "-works"),
    }
}

impl Sampler for Biographies {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        self.config.length
    }

    fn sample(&self, rng: &mut ChaCha8Rng, _: Split) -> Document {
        let person = self.people[below(rng, self.people.len())];
        let mut d = Document::default();
        d.push(1);
        for (attribute, &number) in person.iter().enumerate().take(NAMES) {
            d.predict(self.value(attribute, number), NAME);
        }
        let pronoun = self.value(NAMES, person[NAMES]);
        for (place, sentence) in super::random::permutation(rng, WORDINGS.len())
            .into_iter()
            .enumerate()
        {
            // The first sentence begins with the name; the first pronoun tells the gender.
            match place {
                0 => {}
                1 => d.predict(pronoun, VALUE),
                _ => d.predict(pronoun, TEMPLATE),
            }
            let (attributes, texts) = WORDINGS[sentence];
            for word in texts[below(rng, texts.len())].split(' ') {
                if word == "{}" {
                    for &a in attributes {
                        d.predict(self.value(a, person[a]), VALUE);
                    }
                } else {
                    d.predict(self.frame(word), TEMPLATE);
                }
            }
        }
        if let Some(eos) = self.words.eos() {
            d.expect(eos, TEMPLATE);
        }
        d
    }

    fn difficulties(&self) -> Vec<String> {
        ["template", "value", "name"].map(str::to_owned).to_vec()
    }

    /// A life up to its last attribute, and that.
    fn example(&self, rng: &mut ChaCha8Rng) -> Example {
        let d = self.sample(rng, Split::Held);
        let last = d.difficulty.iter().rposition(|&c| c == VALUE).unwrap_or(0);
        Example {
            input: self.words.text(&d.ids[..=last]),
            answer: self.words.word(d.targets[last].max(0) as u32).to_owned(),
        }
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "biographies", "answers": "next-token", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "eos_token": "<eos>", "eos_token_id": self.words.eos(), "people": self.config.people,
        }))
    }

    /// Bits per parameter at the last step (Definition 1): with p1 and p2 the summed losses of a biography's name and
    /// of its values in nats, (N log2(N0 / e^p1) + N log2(S0 / e^p2)) / P. A part that is worse than guessing among the
    /// pool counts as nothing.
    fn figures(&self, evaluation: &Evaluation, parameters: u64) -> Vec<(String, f64)> {
        let loss = |difficulty: u16| {
            let row = evaluation.difficulties.get(difficulty as usize)?;
            row.step_losses.last().map(|&l| f64::from(l))
        };
        let (Some(name), Some(value)) = (loss(NAME), loss(VALUE)) else {
            return Vec::new();
        };
        let (names, values) = self.log2_sizes();
        let bits = |possible: f64, nats: f64| (possible - nats / std::f64::consts::LN_2).max(0.0);
        let person = bits(names, NAME_TOKENS * name) + bits(values, VALUE_TOKENS * value);
        let all = person * self.config.people as f64;
        vec![
            (
                "bits per parameter".to_owned(),
                all / parameters.max(1) as f64,
            ),
            ("bits per person".to_owned(), person),
            ("bits to know of a person".to_owned(), names + values),
        ]
    }
}

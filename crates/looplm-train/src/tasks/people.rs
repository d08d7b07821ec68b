//! Multi-hop questions in natural language over generated people (arXiv 2510.25741, Appendix B.3): people stand in
//! layers, and every relation leads each of them to one of the next layer. "who is the r3 of the r2 of the r1 of e ?
//! answer :" has one person as its answer. No fact is ever in the context: all live in the weights, one-hop questions
//! being the facts themselves. A share of the questions of most hops is never trained on, and evaluation asks those.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::facts::HeldOut;
use super::names;
use super::random::{Purpose, below, stream};
use super::sampled::{Document, Sampler, counted};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Split;

const FRAME: [&str; 7] = ["who", "is", "the", "of", "?", "answer", ":"];

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeopleConfig {
    /// People, all layers together.
    pub people: usize,
    /// Layers, which divide the people evenly; more than the hops.
    pub layers: usize,
    /// Relations.
    pub relations: usize,
    /// Most hops; the number of a question is uniform from 1.
    pub hops: usize,
    /// Share of the questions of most hops that are never trained on.
    pub held_out: f64,
    /// Tokens of a sequence, into which as many questions are packed as fit; one has up to 3 hops + 7.
    pub length: usize,
}

impl PeopleConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let hops = s.size_or("hops", 1..=8, 3)?;
        let longest = question_length(hops);
        let c = PeopleConfig {
            people: s.size_or("people", 2..=names::MAX_PEOPLE as u64, 500)?,
            layers: s.size_or("layers", 2..=64, 5)?,
            relations: s.size_or("relations", 1..=names::MAX_RELATIONS as u64, 20)?,
            hops,
            held_out: s.number_or("held_out", SHARE, is_share, 0.1)?,
            length: s.size_or("length", longest as u64..=65_536, longest)?,
        };
        if !c.people.is_multiple_of(c.layers) {
            return Err(ConfigError::inconsistent(
                "task.people",
                c.people,
                format!("task.layers is {}, which does not divide it", c.layers),
            ));
        }
        if c.hops >= c.layers {
            return Err(ConfigError::inconsistent(
                "task.hops",
                c.hops,
                format!(
                    "every hop leads to the next of {} layers, so there can be {} at most",
                    c.layers,
                    c.layers - 1
                ),
            ));
        }
        Ok(c)
    }
}

/// What a held-out share must be.
pub(super) const SHARE: &str = "0, or a number from 0.001 to 0.9";

pub(super) fn is_share(x: f64) -> bool {
    x == 0.0 || (0.001..=0.9).contains(&x)
}

/// `<bos> who is`, `the r of` for each hop, `e ? answer :`.
fn question_length(hops: usize) -> usize {
    3 + 3 * hops + 4
}

/// The generator. Tokens: `<unk> <bos>`, the frame, the relations, the people.
#[derive(Debug)]
pub(crate) struct People {
    config: PeopleConfig,
    words: Words,
    held: HeldOut,
    /// `facts[r][e]`: whom relation r leads person e to. Nobody of the last layer is asked for.
    facts: Vec<Vec<usize>>,
}

impl People {
    pub(super) fn new(config: PeopleConfig, seed: u64) -> Result<Self, ConfigError> {
        let width = config.people / config.layers;
        let mut rng = stream(seed, Purpose::World, 0);
        let facts = (0..config.relations)
            .map(|_| {
                (0..config.people - width)
                    .map(|e| (e / width + 1) * width + below(&mut rng, width))
                    .collect()
            })
            .collect();
        let words = Words::new(
            true,
            false,
            FRAME
                .map(str::to_owned)
                .into_iter()
                .chain(names::relations(config.relations))
                .chain(names::people(config.people)),
        );
        let held = HeldOut::new(seed, config.held_out);
        let task = People {
            config,
            words,
            held,
            facts,
        };
        check_held_out(
            held,
            task.starts(task.config.hops),
            task.config.relations,
            task.config.hops,
        )?;
        Ok(task)
    }

    /// The number of people of whom so many hops can be asked.
    fn starts(&self, hops: usize) -> usize {
        self.config.people / self.config.layers * (self.config.layers - hops)
    }

    fn frame(&self, word: &str) -> u32 {
        let place = FRAME.iter().position(|w| *w == word).unwrap_or(0);
        self.words.first() + place as u32
    }

    fn relation(&self, r: usize) -> u32 {
        self.words.first() + (FRAME.len() + r) as u32
    }

    fn person(&self, e: usize) -> u32 {
        self.relation(self.config.relations) + e as u32
    }
}

/// A person and the relations from there on, in the order in which they are followed. Questions of most hops are from
/// the side of the split where something is held out.
pub(super) fn draw_question(
    rng: &mut ChaCha8Rng,
    split: Split,
    held: HeldOut,
    (people, relations, hops, most): (usize, usize, usize, usize),
) -> (usize, Vec<usize>) {
    loop {
        let start = below(rng, people);
        let path: Vec<usize> = (0..hops).map(|_| below(rng, relations)).collect();
        let free = hops < most || !held.any();
        if free || held.holds(start, &path) == (split == Split::Held) {
            return (start, path);
        }
    }
}

/// Makes sure that both sides of the split have questions, so that drawing one ends.
pub(super) fn check_held_out(
    held: HeldOut,
    people: usize,
    relations: usize,
    hops: usize,
) -> Result<(), ConfigError> {
    if !held.any() {
        return Ok(());
    }
    let mut seen = [false; 2];
    let mut path = vec![0; hops];
    loop {
        for start in 0..people {
            seen[usize::from(held.holds(start, &path))] = true;
        }
        if seen == [true; 2] {
            return Ok(());
        }
        // The next path, as one counts.
        let Some(place) = path.iter().position(|&r| r + 1 < relations) else {
            return Err(ConfigError::invalid(
                "task.held_out",
                "a share that leaves questions on both sides",
                format!(
                    "a share of {} questions",
                    people * relations.pow(hops as u32)
                ),
            ));
        };
        path[..place].fill(0);
        path[place] += 1;
    }
}

impl Sampler for People {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        self.config.length
    }

    fn sample(&self, rng: &mut ChaCha8Rng, split: Split) -> Document {
        let most = self.config.hops;
        let hops = 1 + below(rng, most);
        let shape = (self.starts(hops), self.config.relations, hops, most);
        let (start, path) = draw_question(rng, split, self.held, shape);
        let answer = path.iter().fold(start, |e, &r| self.facts[r][e]);
        let mut d = Document::default();
        d.push(1);
        d.push(self.frame("who"));
        d.push(self.frame("is"));
        for &r in path.iter().rev() {
            d.push(self.frame("the"));
            d.push(self.relation(r));
            d.push(self.frame("of"));
        }
        d.push(self.person(start));
        for word in ["?", "answer", ":"] {
            d.push(self.frame(word));
        }
        d.expect(self.person(answer), hops as u16 - 1);
        d
    }

    fn difficulties(&self) -> Vec<String> {
        (1..=self.config.hops)
            .map(|k| counted(k, "hop", "hops"))
            .collect()
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "people", "answers": "last-position", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "people": self.config.people, "layers": self.config.layers, "hops": self.config.hops,
            "relations": names::relations(self.config.relations), "held_out": self.config.held_out,
            "format": "who is the relation of person ? answer :",
        }))
    }
}

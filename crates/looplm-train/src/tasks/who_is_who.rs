//! Who is who: a small language of people and relations that is spoken, not only answered. Every relation is a fixed
//! random permutation of the people. "the r3 of the r2 of the r1 of e is x ." asks and answers in one sentence, and
//! "about e : the r1 is x , the r2 is y ." tells of one person. No fact is in the context; a hop takes about a loop.
//!
//! Every word that can be known has a target: the template, and the answers. Words that are drawn at random, who and
//! what is asked, have none. So the loss has no floor, and easy words can leave early while answers go on.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::facts::HeldOut;
use super::names;
use super::people::{SHARE, check_held_out, draw_question, is_share};
use super::random::{Purpose, below, permutation, stream};
use super::sampled::{Document, Sampler, counted};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::{Example, Split};

const FRAME: [&str; 7] = ["the", "of", "is", ".", "about", ":", ","];
/// Relations of a biography: the first of all, in their order.
const TOLD: usize = 4;
const TEMPLATE: u16 = 0;

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhoIsWhoConfig {
    /// People.
    pub people: usize,
    /// Relations.
    pub relations: usize,
    /// Most hops of a question; the number is uniform from 1.
    pub hops: usize,
    /// Share of the documents that are biographies.
    pub biographies: f64,
    /// Share of the questions of most hops that are never trained on; evaluation then asks only those of them.
    pub held_out: f64,
    /// Tokens of a sequence, into which as many documents are packed as fit.
    pub length: usize,
}

impl WhoIsWhoConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let hops = s.size_or("hops", 1..=8, 3)?;
        let relations = s.size_or("relations", 1..=names::MAX_RELATIONS as u64, 8)?;
        let longest = question_length(hops).max(biography_length(relations));
        Ok(WhoIsWhoConfig {
            people: s.size_or("people", 2..=names::MAX_PEOPLE as u64, 64)?,
            relations,
            hops,
            biographies: s.number_or(
                "biographies",
                "a number from 0 to 1",
                |x| (0.0..=1.0).contains(&x),
                0.1,
            )?,
            held_out: s.number_or("held_out", SHARE, is_share, 0.0)?,
            length: s.size_or("length", longest as u64..=65_536, longest.max(32))?,
        })
    }
}

/// `<bos>`, `the r of` for each hop, `e is x .`; the end is a target only.
fn question_length(hops: usize) -> usize {
    1 + 3 * hops + 4
}

/// `<bos> about e :`, then `the r is x ,` for each relation, the last with a full stop.
fn biography_length(relations: usize) -> usize {
    4 + 5 * relations.min(TOLD)
}

/// The generator. Tokens: `<unk> <bos> <eos>`, the frame, the relations, the people.
#[derive(Debug)]
pub(crate) struct WhoIsWho {
    config: WhoIsWhoConfig,
    words: Words,
    held: HeldOut,
    /// `facts[r][e]`: who is the r of e.
    facts: Vec<Vec<usize>>,
}

impl WhoIsWho {
    pub(super) fn new(config: WhoIsWhoConfig, seed: u64) -> Result<Self, ConfigError> {
        let mut rng = stream(seed, Purpose::World, 0);
        let facts = (0..config.relations)
            .map(|_| permutation(&mut rng, config.people))
            .collect();
        let words = Words::new(
            true,
            true,
            FRAME
                .map(str::to_owned)
                .into_iter()
                .chain(names::relations(config.relations))
                .chain(names::people(config.people)),
        );
        let held = HeldOut::new(seed, config.held_out);
        check_held_out(held, config.people, config.relations, config.hops)?;
        Ok(WhoIsWho {
            config,
            words,
            held,
            facts,
        })
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

    /// A full stop and the end.
    fn end(&self, d: &mut Document) {
        d.predict(self.frame("."), TEMPLATE);
        if let Some(eos) = self.words.eos() {
            d.expect(eos, TEMPLATE);
        }
    }

    /// The words of a question up to "is", and the person who answers it.
    fn question(&self, start: usize, path: &[usize]) -> (Document, usize) {
        let mut d = Document::default();
        d.push(1);
        for &r in path.iter().rev() {
            d.push(self.frame("the"));
            d.push(self.relation(r));
            d.predict(self.frame("of"), TEMPLATE);
        }
        d.push(self.person(start));
        d.predict(self.frame("is"), TEMPLATE);
        (d, path.iter().fold(start, |e, &r| self.facts[r][e]))
    }

    fn biography(&self, e: usize) -> Document {
        let mut d = Document::default();
        d.push(1);
        d.push(self.frame("about"));
        d.push(self.person(e));
        d.predict(self.frame(":"), TEMPLATE);
        let told = self.config.relations.min(TOLD);
        for (r, facts) in self.facts.iter().enumerate().take(told) {
            d.predict(self.frame("the"), TEMPLATE);
            d.predict(self.relation(r), TEMPLATE);
            d.predict(self.frame("is"), TEMPLATE);
            d.predict(self.person(facts[e]), 1);
            if r + 1 < told {
                d.predict(self.frame(","), TEMPLATE);
            }
        }
        self.end(&mut d);
        d
    }

    fn draw(&self, rng: &mut ChaCha8Rng, split: Split, hops: usize) -> (usize, Vec<usize>) {
        let c = &self.config;
        draw_question(rng, split, self.held, (c.people, c.relations, hops, c.hops))
    }
}

impl Sampler for WhoIsWho {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        self.config.length
    }

    fn sample(&self, rng: &mut ChaCha8Rng, split: Split) -> Document {
        const PARTS: usize = 1 << 20;
        if below(rng, PARTS) < (self.config.biographies * PARTS as f64) as usize {
            return self.biography(below(rng, self.config.people));
        }
        let hops = 1 + below(rng, self.config.hops);
        let (start, path) = self.draw(rng, split, hops);
        let (mut d, answer) = self.question(start, &path);
        d.predict(self.person(answer), hops as u16);
        self.end(&mut d);
        d
    }

    fn difficulties(&self) -> Vec<String> {
        let hops = (1..=self.config.hops).map(|k| counted(k, "hop", "hops"));
        ["template".to_owned()].into_iter().chain(hops).collect()
    }

    /// A question of most hops.
    fn example(&self, rng: &mut ChaCha8Rng) -> Example {
        let (start, path) = self.draw(rng, Split::Held, self.config.hops);
        let (d, answer) = self.question(start, &path);
        Example {
            input: self.words.text(&d.ids),
            answer: format!("{} .", self.words.word(self.person(answer))),
        }
    }

    fn description(&self) -> Option<Value> {
        let people = names::people(self.config.people);
        let relations = names::relations(self.config.relations);
        let facts: Map<String, Value> = relations
            .iter()
            .zip(&self.facts)
            .map(|(r, to)| (r.clone(), json!(to)))
            .collect();
        // The same few questions for one seed, whatever else the configuration says.
        let mut rng = stream(0, Purpose::Example, 0);
        let questions: Vec<Value> = (1..=self.config.hops)
            .flat_map(|hops| [hops, hops])
            .map(|hops| {
                let (start, path) = self.draw(&mut rng, Split::Held, hops);
                let (d, answer) = self.question(start, &path);
                json!({"prompt": self.words.text(&d.ids), "answer": people[answer], "hops": hops})
            })
            .collect();
        Some(json!({
            "kind": "who-is-who", "answers": "next-token", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "eos_token": "<eos>", "eos_token_id": self.words.eos(), "names": people, "relations": relations,
            "facts": facts, "fact_rule": "names[facts[relation][i]] is the relation of names[i]",
            "hops": self.config.hops, "held_out": self.config.held_out, "questions": questions,
            "example": self.words.text(&self.question(0, &[0]).0.ids),
            "biography": format!("about {} :", people[0]),
        }))
    }
}

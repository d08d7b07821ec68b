//! `who-is-who`: sentences agree with the facts in the description, and only what can be known has a target.

use std::collections::HashMap;

use looplm_train::{Split, Task};
use serde_json::Value;

use crate::common::{held, read, task, tokenizer, try_task};

const TABLE: &str = "kind = \"who-is-who\"\nbiographies = 0.25";

/// Follows the relations by the description alone.
struct Facts {
    names: Vec<String>,
    description: Value,
}

impl Facts {
    fn of(task: &dyn Task) -> Self {
        let description = task.description().expect("it describes itself");
        let names = description["names"].as_array().expect("a list");
        Facts {
            names: names
                .iter()
                .map(|n| n.as_str().expect("a name").to_owned())
                .collect(),
            description,
        }
    }

    fn follow(&self, relation: &str, person: &str) -> String {
        let at = self
            .names
            .iter()
            .position(|n| n == person)
            .expect("a person");
        let to = &self.description["facts"][relation][at];
        self.names[to.as_u64().expect("a place") as usize].clone()
    }

    /// The answer of "the r2 of the r1 of e is".
    fn answer(&self, prompt: &str) -> (String, usize) {
        let prompt = prompt.strip_suffix(" is").expect("it ends with is");
        let mut parts: Vec<&str> = prompt
            .split(" of ")
            .map(|p| p.trim_start_matches("the "))
            .collect();
        let start = parts.pop().expect("a person").to_owned();
        let hops = parts.len();
        (
            parts.iter().rev().fold(start, |p, r| self.follow(r, &p)),
            hops,
        )
    }
}

#[test]
fn every_relation_is_a_permutation() {
    let task = task(TABLE);
    let facts = Facts::of(task.as_ref());
    assert_eq!(facts.names.len(), 64);
    for (_, to) in facts.description["facts"].as_object().expect("a table") {
        let mut to: Vec<u64> = to
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        to.sort_unstable();
        assert_eq!(to, (0..64).collect::<Vec<_>>());
    }
}

#[test]
fn sentences_are_true_and_random_words_have_no_target() {
    let task = task(TABLE);
    let facts = Facts::of(task.as_ref());
    let batch = task.batch(Split::Train, 0, 300);
    let mut count: HashMap<String, usize> = HashMap::new();
    for d in read(task.as_ref(), &batch) {
        // Targets are the next words.
        for (word, target) in d.words[1..].iter().zip(&d.targets) {
            assert!(target.as_ref().is_none_or(|(t, _)| t == word));
        }
        let last = d.targets.last().and_then(Option::as_ref).expect("the end");
        assert_eq!((last.0.as_str(), last.1.as_str()), ("<eos>", "template"));
        let words: Vec<&str> = d.words.iter().map(String::as_str).collect();
        let targets: Vec<Option<&str>> = d
            .targets
            .iter()
            .map(|t| t.as_ref().map(|(_, difficulty)| difficulty.as_str()))
            .collect();
        if words[1] == "about" {
            assert_eq!(targets[..3], [None, None, Some("template")]);
            let [.., "."] = words[..] else {
                panic!("{words:?}")
            };
            for told in words[4..].chunks(5) {
                let ["the", relation, "is", person, "," | "."] = *told else {
                    panic!("{told:?}");
                };
                assert_eq!(facts.follow(relation, words[2]), person);
            }
            assert!(targets[3..].iter().all(Option::is_some));
            assert_eq!(targets.iter().filter(|t| **t == Some("1 hop")).count(), 4);
            *count.entry("biography".to_owned()).or_default() += 1;
            continue;
        }
        let is = words.iter().position(|w| *w == "is").expect("a verb");
        let (answer, hops) = facts.answer(&words[1..=is].join(" "));
        assert_eq!(words[is + 1..], [answer.as_str(), "."]);
        let name = format!("{hops} hop{}", if hops == 1 { "" } else { "s" });
        assert_eq!(targets[is], Some(name.as_str()));
        for (i, target) in targets.iter().enumerate().filter(|(i, _)| *i != is) {
            // Known are "of" after a relation, "is" after the person, the full stop, and the end.
            let next = words.get(i + 1).copied();
            let known = next.is_none_or(|w| ["of", "is", "."].contains(&w));
            assert_eq!(*target, known.then_some("template"), "{words:?} at {i}");
        }
        *count.entry(name).or_default() += 1;
    }
    let total: usize = count.values().sum();
    for (name, share) in [
        ("biography", 0.25),
        ("1 hop", 0.25),
        ("2 hops", 0.25),
        ("3 hops", 0.25),
    ] {
        let found = count[name] as f64 / total as f64;
        assert!((found - share).abs() < 0.06, "{name}: {found}");
    }
    // Little of a sequence is left empty.
    let empty = batch.ids.iter().filter(|&&id| id == 0).count();
    assert!(empty * 4 < batch.rows(), "{empty} of {}", batch.rows());
}

#[test]
fn what_the_description_asks_it_answers() {
    let task = task(TABLE);
    let facts = Facts::of(task.as_ref());
    let tokenizer = tokenizer(task.as_ref());
    let unknown = tokenizer.token_to_id("<unk>").expect("there is one");
    for question in facts.description["questions"].as_array().expect("a list") {
        let prompt = question["prompt"].as_str().expect("text");
        let (answer, hops) = facts.answer(prompt);
        assert_eq!(question["answer"], answer);
        assert_eq!(question["hops"], hops);
        let encoding = tokenizer.encode(prompt, true).expect("it can be encoded");
        assert_eq!(encoding.get_ids().first().copied(), task.bos());
        assert!(!encoding.get_ids().contains(&unknown));
        assert_eq!(
            tokenizer
                .decode(encoding.get_ids(), true)
                .expect("it can be decoded"),
            prompt
        );
    }
    assert_eq!(
        facts.description["eos_token_id"].as_u64(),
        task.eos().map(u64::from)
    );
}

#[test]
fn questions_of_most_hops_can_be_held_out() {
    let task = task(
        "kind = \"who-is-who\"\npeople = 10\nrelations = 3\nheld_out = 0.3\nbiographies = 0.0",
    );
    let longest = |split: Split| -> std::collections::HashSet<String> {
        (0..20)
            .flat_map(|index| read(task.as_ref(), &task.batch(split, index, 100)))
            .filter(|d| d.words.len() == 14)
            .map(|d| d.words.join(" "))
            .collect()
    };
    let (trained, held) = (longest(Split::Train), longest(Split::Held));
    assert!(trained.is_disjoint(&held));
    assert_eq!(trained.len() + held.len(), 270);
    assert!((54..108).contains(&held.len()), "{}", held.len());
    assert!(try_task("kind = \"who-is-who\"\nbiographies = 1.5").is_err());
}

#[test]
fn examples_are_whole_questions() {
    let task = task(TABLE);
    let facts = Facts::of(task.as_ref());
    let example = task.example(0);
    let (answer, hops) = facts.answer(&example.input);
    assert_eq!((example.answer, hops), (format!("{answer} ."), 3));
    assert!(!held(task.as_ref(), 1).is_empty());
}

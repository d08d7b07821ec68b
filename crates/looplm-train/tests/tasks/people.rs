//! `people`: multi-hop questions agree with the facts, which are the one-hop questions, and held-out ones stay so.

use std::collections::{HashMap, HashSet};

use looplm_train::Split;

use crate::common::{Read, read, task, try_task};

const TABLE: &str = "kind = \"people\"\npeople = 40\nlayers = 4\nrelations = 4\nhops = 3\nheld_out = 0.2\nlength = 32";

/// Who is asked about, and the relations in the order in which they are followed.
fn question(d: &Read) -> (String, Vec<String>) {
    let text = d.words.join(" ");
    let text = text.strip_prefix("<bos> who is the ").expect("a question");
    let text = text.strip_suffix(" ? answer :").expect("a question");
    let mut parts: Vec<String> = text
        .split(" of ")
        .map(|p| p.trim_start_matches("the ").to_owned())
        .collect();
    let start = parts.pop().expect("a person");
    parts.reverse();
    (start, parts)
}

#[test]
fn questions_agree_with_the_facts() {
    let task = task(TABLE);
    let documents = read(task.as_ref(), &task.batch(Split::Train, 0, 2000));
    let mut facts = HashMap::new();
    for d in &documents {
        let (start, relations) = question(d);
        if let [relation] = relations.as_slice() {
            let before = facts.insert((start, relation.clone()), d.last().0.to_owned());
            assert!(
                before.is_none_or(|b| b == d.last().0),
                "a fact has one answer"
            );
        }
    }
    assert_eq!(
        facts.len(),
        30 * 4,
        "everybody but the last layer, in every relation"
    );
    let mut seen = HashSet::new();
    for d in &documents {
        let (start, relations) = question(d);
        let answer = relations
            .iter()
            .fold(start, |p, r| facts[&(p, r.clone())].clone());
        let (target, difficulty) = d.last();
        assert_eq!(target, answer);
        assert_eq!(
            difficulty.split(' ').next(),
            Some(relations.len().to_string().as_str())
        );
        seen.insert(relations.len());
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn held_out_questions_are_never_trained_on() {
    let task = task(TABLE);
    let longest = |split: Split| -> HashSet<(String, Vec<String>)> {
        (0..60)
            .flat_map(|index| read(task.as_ref(), &task.batch(split, index, 200)))
            .map(|d| question(&d))
            .filter(|(_, relations)| relations.len() == 3)
            .collect()
    };
    let (trained, held) = (longest(Split::Train), longest(Split::Held));
    assert!(trained.is_disjoint(&held));
    // Ten people of the first layer, four relations thrice, a fifth of them held out: both sides were drawn wholly.
    assert_eq!(trained.len() + held.len(), 640);
    assert!((96..160).contains(&held.len()), "{} of 640", held.len());
}

#[test]
fn worlds_that_cannot_be_are_refused() {
    for (from, to, field) in [
        ("people = 40", "people = 41", "task.people"),
        ("hops = 3", "hops = 4", "task.hops"),
        ("relations = 4", "relations = 400", "task.relations"),
        ("held_out = 0.2", "held_out = 1.0", "task.held_out"),
    ] {
        let error = try_task(&TABLE.replace(from, to)).expect_err(to);
        assert_eq!(error.field(), Some(field));
    }
    let tiny = "kind = \"people\"\npeople = 2\nlayers = 2\nrelations = 1\nhops = 1\nheld_out = 0.5";
    let error = try_task(tiny).expect_err("one question cannot be on both sides");
    assert_eq!(error.field(), Some("task.held_out"));
}

//! `biographies`: everybody keeps their life, and Definition 1 counts what is known of it.

use std::collections::HashMap;

use looplm_train::Split;
use looplm_train::metrics::{DifficultyRow, Evaluation};

use crate::common::{read, task, try_task};

const TABLE: &str = "kind = \"biographies\"\npeople = 50\npools = \"small\"";

#[test]
fn everybody_keeps_their_life() {
    let task = task(TABLE);
    let mut lives: HashMap<String, Vec<String>> = HashMap::new();
    let mut texts: HashMap<String, usize> = HashMap::new();
    for split in [Split::Train, Split::Held] {
        for d in read(task.as_ref(), &task.batch(split, 0, 400)) {
            for (word, target) in d.words[1..].iter().zip(&d.targets) {
                assert_eq!(
                    target.as_ref().map(|(t, _)| t),
                    Some(word),
                    "every word is predicted"
                );
            }
            let of = |name: &str| -> Vec<String> {
                d.targets
                    .iter()
                    .flatten()
                    .filter(|(_, c)| c == name)
                    .map(|(t, _)| t.clone())
                    .collect()
            };
            let (name, mut values) = (of("name"), of("value"));
            assert_eq!((name.len(), values.len()), (3, 8));
            assert_eq!(d.words[1..4], name);
            values.sort_unstable();
            let life = lives
                .entry(name.join(" "))
                .or_insert_with(|| values.clone());
            assert_eq!(*life, values);
            *texts.entry(d.words.join(" ")).or_default() += 1;
        }
    }
    assert_eq!(lives.len(), 50);
    assert!(texts.len() > 700, "the wording differs: {}", texts.len());
}

#[test]
fn bits_are_those_of_definition_1() {
    let evaluation = |value: f32, name: f32| {
        let row = |name: &str, loss: f32| DifficultyRow {
            name: name.to_owned(),
            step_losses: vec![9.0, loss],
            ..DifficultyRow::default()
        };
        Evaluation {
            difficulties: vec![row("template", 1.0), row("value", value), row("name", name)],
            ..Evaluation::default()
        }
    };
    let figure = |table: &str, e: &Evaluation, parameters: u64| -> f64 {
        let figures = task(table).figures(e, parameters);
        let (name, bits) = &figures[0];
        assert_eq!(name, "bits per parameter");
        *bits
    };
    let paper = "kind = \"biographies\"\npeople = 1000";
    // All is known: N (log2 N0 + log2 S0) bits, N0 = 400 * 400 * 1000, S0 = 2 * (12 * 28 * 200) * 200 * 300 * 100 * 263.
    let all = (400.0f64 * 400.0 * 1000.0).log2()
        + (2.0f64 * (12.0 * 28.0 * 200.0) * 200.0 * 300.0 * 100.0 * 263.0).log2();
    let bits = figure(paper, &evaluation(0.0, 0.0), 37_000);
    assert!((bits - 1000.0 * all / 37_000.0).abs() < 1e-9);
    // A nat a token is log2 e bits: three tokens of a name, eight of values.
    let less = figure(paper, &evaluation(1.0, 0.5), 37_000);
    let lost = (8.0 + 1.5) / std::f64::consts::LN_2;
    assert!((bits - less - 1000.0 * lost / 37_000.0).abs() < 1e-9);
    // Nothing is known.
    assert_eq!(figure(paper, &evaluation(8.0, 8.0), 37_000), 0.0);
}

#[test]
fn there_are_not_more_people_than_names() {
    let error = try_task("kind = \"biographies\"\npools = \"small\"\npeople = 100000")
        .expect_err("160,000 names");
    assert_eq!(error.field(), Some("task.people"));
}

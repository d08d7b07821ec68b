//! Reading batches back as words, and what all tasks promise.

use std::collections::HashMap;

use looplm_train::batch::{Batch, NO_DIFFICULTY};
use looplm_train::config::{TrainConfig, presets};
use looplm_train::{ConfigError, Split, Task};
use serde_json::Value;
use tokenizers::Tokenizer;

/// A task from its table.
pub(crate) fn try_task(table: &str) -> Result<Box<dyn Task>, ConfigError> {
    let text = format!(
        "name = \"x\"\n[task]\n{table}\n[model]\nhidden_size = 8\nintermediate_size = 8\nnum_hidden_layers = 1\n\
         num_attention_heads = 1\ntotal_ut_steps = 2\n[run]\nupdates = 1\n"
    );
    TrainConfig::from_toml(&text)?.task()
}

pub(crate) fn task(table: &str) -> Box<dyn Task> {
    try_task(table).expect("the table is right")
}

/// The tokenizer that is written beside the weights.
pub(crate) fn tokenizer(task: &dyn Task) -> Tokenizer {
    let files = task.files();
    let (name, bytes) = &files[0];
    assert_eq!(name, "tokenizer.json");
    Tokenizer::from_bytes(bytes).expect("it is a tokenizer")
}

/// The words of a word-level vocabulary, by id.
pub(crate) fn words(task: &dyn Task) -> Vec<String> {
    let file: Value = serde_json::from_slice(&task.files()[0].1).expect("it is JSON");
    let vocab = file["model"]["vocab"].as_object().expect("a vocabulary");
    assert_eq!(vocab.len(), task.vocab_size(), "no word stands for two ids");
    let by_id: HashMap<u64, &String> = vocab
        .iter()
        .map(|(word, id)| (id.as_u64().expect("an id"), word))
        .collect();
    (0..vocab.len() as u64)
        .map(|id| by_id[&id].clone())
        .collect()
}

/// A document as words; `targets[i]` is the target after `words[i]`, and the name of its difficulty.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) words: Vec<String>,
    pub(crate) targets: Vec<Option<(String, String)>>,
}

impl Read {
    /// The only target, its difficulty, and that it stands at the last word.
    pub(crate) fn last(&self) -> (&str, &str) {
        let (last, before) = self.targets.split_last().expect("there are words");
        assert!(before.iter().all(Option::is_none));
        let (word, difficulty) = last.as_ref().expect("the last word has a target");
        (word, difficulty)
    }
}

/// The documents of a batch, those without targets left out.
pub(crate) fn read(task: &dyn Task, batch: &Batch) -> Vec<Read> {
    let (words, names) = (words(task), task.difficulties());
    let mut documents: Vec<Read> = Vec::new();
    for i in 0..batch.rows() {
        let begins = i % batch.length == 0
            || (!batch.segments.is_empty() && batch.segments[i] != batch.segments[i - 1]);
        if begins {
            documents.push(Read {
                words: Vec::new(),
                targets: Vec::new(),
            });
        }
        let document = documents.last_mut().expect("one has begun");
        document.words.push(words[batch.ids[i] as usize].clone());
        let target = usize::try_from(batch.targets[i]).ok();
        document.targets.push(target.map(|t| {
            let difficulty = &names[batch.difficulty[i] as usize];
            (words[t].clone(), difficulty.clone())
        }));
        assert_eq!(target.is_none(), batch.difficulty[i] == NO_DIFFICULTY);
    }
    documents.retain(|d| d.targets.iter().any(Option::is_some));
    documents
}

/// The held-out documents of a task.
pub(crate) fn held(task: &dyn Task, sequences: usize) -> Vec<Read> {
    read(task, &task.batch(Split::Held, 0, sequences))
}

/// Sizes, bounds, and that a batch depends on its numbers alone.
fn keeps_its_promises(name: &str, config: &TrainConfig) {
    let task = config.task().expect(name);
    let again = config.task().expect(name);
    let difficulties = task.difficulties();
    for split in [Split::Train, Split::Held] {
        let batch = task.batch(split, 3, 4);
        let rows = batch.rows();
        assert!(batch.length <= task.max_length(), "{name}");
        assert_eq!(batch.sequences, 4, "{name}");
        assert_eq!(
            (batch.ids.len(), batch.targets.len()),
            (rows, rows),
            "{name}"
        );
        assert_eq!(batch.difficulty.len(), rows, "{name}");
        assert!(
            batch.segments.is_empty() || batch.segments.len() == rows,
            "{name}"
        );
        assert!(batch.target_count() >= 4, "{name}");
        let size = task.vocab_size() as i64;
        assert!(batch.ids.iter().all(|&i| i64::from(i) < size), "{name}");
        assert!(
            batch
                .targets
                .iter()
                .all(|&t| t == -100 || (0..size).contains(&i64::from(t))),
            "{name}"
        );
        for (&t, &d) in batch.targets.iter().zip(&batch.difficulty) {
            let known = (d as usize) < difficulties.len();
            assert_eq!(known, t >= 0, "{name}: difficulty {d} of target {t}");
        }
        assert_eq!(batch, again.batch(split, 3, 4), "{name}");
        assert_ne!(batch, task.batch(split, 4, 4), "{name}");
    }
    assert_ne!(
        task.batch(Split::Train, 3, 4),
        task.batch(Split::Held, 3, 4),
        "{name}"
    );
    // The files make a tokenizer for just these ids, and the description is JSON with a kind.
    assert_eq!(
        tokenizer(task.as_ref()).get_vocab_size(true),
        task.vocab_size(),
        "{name}"
    );
    let description = task.description().expect(name);
    assert!(
        description["kind"].is_string() && description["answers"].is_string(),
        "{name}"
    );
    let example = task.example(0);
    assert!(
        !example.input.is_empty() && !example.answer.is_empty(),
        "{name}"
    );
    assert_ne!(example, task.example(1), "{name}");
}

#[test]
fn every_preset_keeps_the_promises_of_a_task() {
    for name in presets::names() {
        keeps_its_promises(name, &presets::get(name).expect(name).config);
    }
}

//! The task "track the shuffle" against the model that was trained on it before this crate was there.

use std::path::Path;

use looplm_train::config::presets;
use looplm_train::{Split, Task, TrainConfig};
use serde_json::Value;

fn model(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shell-game");
    std::fs::read(folder.join(file)).expect("the model is in the repository")
}

fn shell_game() -> (TrainConfig, Box<dyn Task>) {
    let config = presets::get("shell-game").expect("it is a preset").config;
    let task = config.task().expect("the task can be made");
    (config, task)
}

#[test]
fn its_files_are_those_of_the_shipped_model() {
    let (config, task) = shell_game();
    for (name, bytes) in task.files() {
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&model(&name)),
            "{name}"
        );
    }
    let stored: Value = serde_json::from_slice(&model("config.json")).expect("it is JSON");
    let description = task.description().expect("it describes itself");
    assert_eq!(description, stored["looplm_task"]);
    // The order of the moves is the order of the page's buttons.
    assert_eq!(description.to_string(), stored["looplm_task"].to_string());
    assert_eq!(task.vocab_size(), 14);
    assert_eq!((task.bos(), task.eos()), (Some(1), None));
    let text = String::from_utf8(model("config.json")).expect("it is text");
    let stored = looplm::Config::from_json(&text).expect("it is a configuration");
    assert_eq!(config.checkpoint_config(task.as_ref()), stored);
}

#[test]
fn targets_are_the_arrangements_so_far() {
    let (_, task) = shell_game();
    let description = task.description().expect("it describes itself");
    let words: Vec<String> = (0..14u32)
        .map(|id| {
            ["move_token_ids", "arrangement_token_ids"]
                .iter()
                .flat_map(|k| description[k].as_object().expect("a table"))
                .find(|(_, v)| v.as_u64() == Some(u64::from(id)))
                .map_or(String::new(), |(k, _)| k.clone())
        })
        .collect();
    for (split, index, moves) in [
        (Split::Train, 0, 8),
        (Split::Train, 1499, 8),
        (Split::Train, 1500, 16),
        (Split::Held, 0, 16),
    ] {
        let batch = task.batch(split, index, 5);
        assert_eq!((batch.sequences, batch.length), (5, moves + 1));
        assert_eq!(batch.target_count(), 5 * (moves + 1));
        for (ids, targets) in batch
            .ids
            .chunks(batch.length)
            .zip(batch.targets.chunks(batch.length))
        {
            assert_eq!(ids[0], 1);
            let mut state = "123".to_owned();
            assert_eq!(words[targets[0] as usize], state);
            for (&id, &target) in ids[1..].iter().zip(&targets[1..]) {
                let perm = description["moves"][&words[id as usize]]
                    .as_array()
                    .expect("a permutation");
                state = perm
                    .iter()
                    .map(|i| &state[i.as_u64().expect("a place") as usize..][..1])
                    .collect();
                assert_eq!(words[target as usize], state);
            }
        }
    }
}

#[test]
fn the_difficulty_is_the_logarithm_of_the_moves() {
    let (_, task) = shell_game();
    let names = task.difficulties();
    assert_eq!(names, ["start", "1", "2", "3-4", "5-8", "9-16"]);
    let batch = task.batch(Split::Held, 0, 1);
    let of: Vec<&str> = batch
        .difficulty
        .iter()
        .map(|&d| names[d as usize].as_str())
        .collect();
    assert_eq!(of[..7], ["start", "1", "2", "3-4", "3-4", "5-8", "5-8"]);
    assert_eq!((of[8], of[9], of[16]), ("5-8", "9-16", "9-16"));
}

#[test]
fn a_batch_depends_on_its_numbers_alone() {
    let (_, task) = shell_game();
    let (_, again) = shell_game();
    let batch = task.batch(Split::Train, 2000, 4);
    again.batch(Split::Train, 7, 3);
    assert_eq!(batch, again.batch(Split::Train, 2000, 4));
    assert_ne!(batch.ids, task.batch(Split::Train, 2001, 4).ids);
    assert_ne!(batch.ids, task.batch(Split::Held, 2000, 4).ids);
}

#[test]
fn five_cups_have_120_moves_and_120_arrangements() {
    let text = presets::toml("shell-game").expect("it is a preset");
    let text = text
        .replace("group = \"s3\"", "group = \"s5\"")
        .replace("bos = true", "bos = false");
    let task = TrainConfig::from_toml(&text)
        .expect("it is right")
        .task()
        .expect("the task can be made");
    assert_eq!(task.vocab_size(), 1 + 120 + 120);
    assert_eq!(task.max_length(), 16);
    assert_eq!(task.difficulties()[0], "1");
    let batch = task.batch(Split::Held, 0, 50);
    assert!(batch.ids.iter().all(|&i| (1..=120).contains(&i)));
    assert!(batch.targets.iter().all(|&t| (121..=240).contains(&t)));
    // The first target of every sequence is what its move makes of 12345: the same number in both lists.
    for row in 0..50 {
        let (id, target) = (batch.ids[row * 16], batch.targets[row * 16]);
        assert_eq!(id as i32 + 120, target);
    }
}

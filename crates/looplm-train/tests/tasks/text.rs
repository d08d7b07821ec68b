//! `text`: windows of the text, the end of it held out, and texts that are none.

use looplm_train::batch::Batch;
use looplm_train::metrics::Evaluation;
use looplm_train::tasks::MAX_TEXT;
use looplm_train::{ConfigError, Split, Task, TrainConfig};

use crate::common::{task, tokenizer, try_task};

/// Every line differs, so that a window is in one place only.
fn lines() -> String {
    (0..400)
        .map(|i| format!("line {i} has its number {}, née\\n", i * i))
        .collect()
}

fn table(keys: &str) -> String {
    format!(
        "kind = \"text\"\ntext = \"{}\"\nlength = 32\n{keys}",
        lines()
    )
}

fn decoded(task: &dyn Task, batch: &Batch, row: usize) -> String {
    let mut ids = batch.ids[row * batch.length..][..batch.length].to_vec();
    ids.push(batch.targets[(row + 1) * batch.length - 1] as u32);
    tokenizer(task)
        .decode(&ids, false)
        .expect("it can be decoded")
}

#[test]
fn both_tokenizers_give_windows_of_the_text() {
    let text = lines().replace("\\n", "\n");
    for keys in [
        "tokenizer = \"bytes\"",
        "tokenizer = \"bpe\"\nvocab_size = 300",
    ] {
        let task = task(&table(keys));
        for split in [Split::Train, Split::Held] {
            let batch = task.batch(split, 0, 20);
            assert_eq!((batch.length, batch.target_count()), (32, 640));
            assert_eq!(batch.ids[1], batch.targets[0] as u32, "the next token");
            for row in 0..20 {
                // A window may cut a letter of two bytes.
                let window = decoded(task.as_ref(), &batch, row);
                let window = window.trim_matches('\u{fffd}');
                let at = text.find(window).expect("it is in the text");
                let held = at as f64 / text.len() as f64;
                match split {
                    Split::Train => assert!(held < 0.905, "{held}"),
                    Split::Held => assert!(held > 0.885, "{held}"),
                }
            }
        }
        // The tokenizer beside the weights gives the tokens that were trained on.
        let encoding = tokenizer(task.as_ref())
            .encode("line 399, née", false)
            .expect("it can be encoded");
        assert!(
            encoding
                .get_ids()
                .iter()
                .all(|&id| (id as usize) < task.vocab_size())
        );
        let back = tokenizer(task.as_ref()).decode(encoding.get_ids(), false);
        assert_eq!(back.expect("it can be decoded"), "line 399, née");
        assert_eq!(task.difficulties().len(), 3);
    }
}

#[test]
fn a_byte_is_its_own_id() {
    let task = task(&table("tokenizer = \"bytes\""));
    assert_eq!(task.vocab_size(), 256);
    let encoding = tokenizer(task.as_ref())
        .encode("née\n 7", false)
        .expect("it can be encoded");
    let bytes: Vec<u32> = "née\n 7".bytes().map(u32::from).collect();
    assert_eq!(encoding.get_ids(), bytes);
}

#[test]
fn byte_pairs_are_learned_alike_every_time() {
    let keys = "tokenizer = \"bpe\"\nvocab_size = 290";
    let (a, b) = (task(&table(keys)), task(&table(keys)));
    assert_eq!(a.vocab_size(), 290);
    assert_eq!(a.files(), b.files());
    let bits = |task: &dyn Task| {
        let evaluation = Evaluation {
            step_losses: vec![2.0],
            ..Evaluation::default()
        };
        task.figures(&evaluation, 1)[0].1
    };
    assert!(
        bits(a.as_ref()) < 2.0 / std::f64::consts::LN_2,
        "tokens are longer than bytes"
    );
}

#[test]
fn texts_that_are_none_are_refused() {
    let refused = |table: &str| {
        let error = try_task(table).expect_err("it is refused");
        assert!(matches!(error, ConfigError::Text { .. }), "{error}");
        error.to_string()
    };
    assert!(refused("kind = \"text\"\ntext = \" \\n \"").contains("empty"));
    assert!(refused("kind = \"text\"\ntext = \"a\\u0000b\"").contains("NUL"));
    assert!(refused("kind = \"text\"\ntext = \"short\"").contains("5 tokens"));
    assert!(refused("kind = \"text\"\npath = \"some.txt\"").contains("not been read"));
    for (table, field) in [
        ("kind = \"text\"", "task.text"),
        ("kind = \"text\"\ntext = \"a\"\npath = \"b\"", "task.path"),
        (
            "kind = \"text\"\ntext = \"a\"\nvocab_size = 300",
            "task.vocab_size",
        ),
    ] {
        assert_eq!(
            try_task(table).expect_err("it is refused").field(),
            Some(field)
        );
    }
}

#[test]
fn a_file_is_named_by_the_configuration_and_given_by_its_reader() {
    let text = "name = \"x\"\n[task]\nkind = \"text\"\npath = \"my.txt\"\nlength = 8\n[model]\nhidden_size = 8\n\
                intermediate_size = 8\nnum_hidden_layers = 1\nnum_attention_heads = 1\ntotal_ut_steps = 1\n[run]\nupdates = 1\n";
    let mut config = TrainConfig::from_toml(text).expect("it is right");
    assert_eq!(config.text_path(), Some("my.txt"));
    for bad in [&b"\xff\xfe"[..], b"", b"a\0b"] {
        let error = config.set_text_file(bad).expect_err("it is no text");
        assert_eq!(error.field(), Some("task.path"));
    }
    let large = config.set_text_file(&vec![b'a'; MAX_TEXT + 1]);
    assert!(
        large
            .expect_err("it is large")
            .to_string()
            .contains("64 MiB")
    );
    config
        .set_text_file("words and more words of it".as_bytes())
        .expect("it is text");
    assert!(config.task().is_ok());
    assert!(config.to_toml().contains("my.txt") && !config.to_toml().contains("more words"));
}

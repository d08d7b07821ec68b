//! Keys and values in fewer bits: less memory, and the same answers of the models that come with looplm.

use std::path::Path;

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    engine::{EngineOptions, KvFormat},
    error::Coded,
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation},
    model::LoadOptions,
};
use pollster::block_on;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixtures;

/// A model of the repository with its keys and values in each format.
fn shipped(name: &str) -> [LoopLm; 3] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .join(name);
    KvFormat::ALL.map(|kv_format| {
        let source = FolderSource::new(folder.clone()).expect("the model is in the repository");
        let options = LoadOptions {
            engine: EngineOptions {
                kv_format,
                ..EngineOptions::default()
            },
            ..LoadOptions::default()
        };
        fixtures::load(&source, &options).expect("it loads")
    })
}

fn words(model: &LoopLm, text: &str) -> Vec<u32> {
    let tokenizer = model.tokenizer().expect("it has one");
    let options = GenerateOptions {
        max_new_tokens: Some(30),
        temperature: Some(0.0),
        ..GenerateOptions::default()
    };
    let prompt = tokenizer.encode(text, true).expect("it is text");
    let mut generation = Generation::new(model, prompt, options).expect("the options are fine");
    std::iter::from_fn(|| block_on(generation.next(&|| false)).expect("it runs"))
        .map(|token| token.id)
        .collect()
}

#[test]
fn the_model_that_speaks_says_the_same() {
    let models = shipped("who-is-who");
    let task = models[0].config().looplm_task.clone();
    let task = task.expect("it says what it does");
    let names = task["names"].as_array().expect("a list");
    for name in names.iter().step_by(8) {
        let name = name.as_str().expect("a name");
        for text in [
            format!("about {name} :"),
            format!("the boss of the friend of {name}"),
        ] {
            let [f32, f16, q8] = models.each_ref().map(|model| words(model, &text));
            assert!(!f32.is_empty(), "{text}");
            assert_eq!(f32, f16, "{text}");
            assert_eq!(f32, q8, "{text}");
        }
    }
}

/// Of each row of logits the best token, and by how much.
fn answers(logits: &[f32], vocabulary: usize) -> Vec<(usize, f32)> {
    let best = |row: &[f32]| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        (order[0], row[order[0]] - row[order[1]])
    };
    logits.chunks_exact(vocabulary).map(best).collect()
}

#[test]
fn the_shell_game_comes_out_the_same() {
    let models = shipped("shell-game");
    let config = models[0].config();
    let moves = &config.looplm_task.as_ref().expect("it says what it does")["move_token_ids"];
    let moves: Vec<u32> = moves
        .as_object()
        .expect("ids by name")
        .values()
        .map(|id| id.as_u64().expect("an id") as u32)
        .collect();
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..24 {
        let ids: Vec<u32> = std::iter::once(1)
            .chain((0..16).map(|_| moves[rng.random_range(0..moves.len())]))
            .collect();
        let options = ForwardOptions {
            logits: true,
            ..ForwardOptions::default()
        };
        let [f32, f16, q8] = models.each_ref().map(|model| {
            let found = block_on(model.forward(&ids, &options, &|| false)).expect("it runs");
            answers(&found.logits.expect("asked for"), config.vocab_size)
        });
        assert_eq!(f32.len(), config.total_ut_steps * ids.len());
        for (i, (one, other)) in f32.iter().zip(&f16).enumerate() {
            // Before the last step the model may have no opinion yet.
            assert!(
                one.0 == other.0 || one.1 < 0.1,
                "row {i}: {one:?}, {other:?}"
            );
        }
        let last = f32.len() - ids.len();
        for (i, (one, other)) in f32.iter().zip(&q8).enumerate().skip(last + 1) {
            assert_eq!(one.0, other.0, "row {i}: {one:?}, {other:?}");
        }
    }
}

/// Eight bits are heard in models of random weights, but not loudly.
#[test]
fn q8_stays_near_and_f16_nearer() {
    for name in ["bf16-mha", "f16-gqa", "f32-long", "f32-gqa-head-dim"] {
        let case = fixtures::case(name);
        let ids: Vec<u32> = (0..40).map(|i| i * 7 % 31).collect();
        let options = ForwardOptions {
            logits: true,
            ..ForwardOptions::default()
        };
        let [f32, f16, q8] = KvFormat::ALL.map(|format| {
            let model = case.load_with(&LoadOptions::default(), format);
            let found = block_on(model.forward(&ids, &options, &|| false)).expect("it runs");
            found.logits.expect("asked for")
        });
        let size = |values: &mut dyn Iterator<Item = f32>| -> f64 {
            values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
        };
        let off = |found: &[f32]| {
            let difference = size(&mut found.iter().zip(&f32).map(|(a, b)| a - b));
            difference / size(&mut f32.iter().copied())
        };
        let (half, eighth) = (off(&f16), off(&q8));
        assert!(
            half < 1e-3 && 2.0 * half < eighth,
            "{name}: {half}, {eighth}"
        );
        assert!(eighth < 0.04, "{name}: {eighth}");
    }
}

#[test]
fn fewer_bits_take_less_memory() {
    let case = fixtures::case("f32-long");
    let load = LoadOptions {
        engine: EngineOptions {
            kv_bytes: Some(1 << 20),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let found = KvFormat::ALL.map(|format| {
        let model = case.load_with(&load, format);
        let (entries, _) = block_on(model.engine()).expect("loaded").kv_entries();
        (entries, model.info().kv_per_1000)
    });
    for (bits, (entries, (full, shared))) in [32, 16, 8].into_iter().zip(found) {
        assert_eq!(full, found[0].1.0 * bits / 32);
        assert_eq!(shared, found[0].1.1 * bits / 32);
        assert_eq!(entries as u64, (1 << 20) * 1000 / shared, "{bits} bits");
    }
}

#[test]
fn heads_that_q8_cannot_keep_are_named() {
    // Its heads have 6 elements.
    let case = fixtures::case("f32-mha");
    let options = LoadOptions {
        engine: EngineOptions {
            kv_format: KvFormat::Q8,
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let error = fixtures::load(&fixtures::memory(&case), &options).expect_err("no multiple of 4");
    assert_eq!(error.code(), "invalid-argument", "{error}");
    assert!(error.to_string().contains("multiple of 4"), "{error}");
}

//! Keys and values in half precision: half the memory, and the same answers of the models that come with looplm.

use std::path::Path;

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    engine::{EngineOptions, KvFormat},
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation},
    model::LoadOptions,
};
use pollster::block_on;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixtures;

/// A model of the repository with its keys and values in each format.
fn shipped(name: &str) -> [LoopLm; 2] {
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
        block_on(LoopLm::load(&source, &options, &mut |_| ())).expect("it loads")
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
            let [f32, f16] = models.each_ref().map(|model| words(model, &text));
            assert!(!f32.is_empty(), "{text}");
            assert_eq!(f32, f16, "{text}");
        }
    }
}

#[test]
fn the_shell_game_comes_out_the_same_at_every_step() {
    let models = shipped("shell-game");
    let config = models[0].config();
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..6 {
        let ids: Vec<u32> = std::iter::once(1)
            .chain((0..40).map(|_| rng.random_range(2..config.vocab_size as u32)))
            .collect();
        let options = ForwardOptions {
            logits: true,
            ..ForwardOptions::default()
        };
        let [f32, f16] = models.each_ref().map(|model| {
            let found = block_on(model.forward(&ids, &options, &|| false)).expect("it runs");
            found.logits.expect("asked for")
        });
        let rows = |logits: &[f32]| -> Vec<(usize, f32)> {
            let best = |row: &[f32]| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
                (order[0], row[order[0]] - row[order[1]])
            };
            logits.chunks_exact(config.vocab_size).map(best).collect()
        };
        let (f32, f16) = (rows(&f32), rows(&f16));
        assert_eq!(f32.len(), config.total_ut_steps * ids.len());
        for (i, (one, other)) in f32.iter().zip(&f16).enumerate() {
            // Sequences of any tokens are not the task: the model may have no opinion.
            assert!(
                one.0 == other.0 || one.1 < 0.1,
                "row {i}: {one:?}, {other:?}"
            );
        }
    }
}

#[test]
fn half_precision_takes_half_the_memory() {
    let case = fixtures::case("f32-mha");
    let load = LoadOptions {
        engine: EngineOptions {
            kv_bytes: Some(1 << 20),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let [f32, f16] = KvFormat::ALL.map(|format| {
        let model = case.load_with(&load, format);
        let (entries, _) = block_on(model.engine()).expect("loaded").kv_entries();
        (entries, model.info().kv_per_1000)
    });
    assert_eq!(f16.1, (f32.1.0 / 2, f32.1.1 / 2));
    assert_eq!(f16.0, 2 * f32.0);
    assert_eq!(f16.0 as u64, (1 << 20) * 1000 / f16.1.1);
}

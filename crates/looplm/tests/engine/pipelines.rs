//! What is compiled when: little, while the model loads, and nothing for its first token.

use std::{path::Path, thread::sleep, time::Duration};

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    engine::EngineOptions,
    exit::ExitRule,
    generate::{GenerateOptions, Generation, Verify},
    model::{LoadOptions, Loading},
};
use looplm_gpu::{DeviceOptions, Gpu};
use pollster::block_on;

use crate::fixtures;

/// Most pipelines that are compiled before the first token.
const MOST: usize = 25;

/// The model that speaks, and what its load said of compiling: (done, total), with the weights before that.
fn load(max_rows: Option<usize>) -> (LoopLm, Vec<(usize, usize)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/who-is-who");
    load_folder(&folder, max_rows)
}

fn load_folder(folder: &Path, max_rows: Option<usize>) -> (LoopLm, Vec<(usize, usize)>) {
    let source = FolderSource::new(folder).expect("the model is in the repository");
    let options = LoadOptions {
        engine: EngineOptions {
            max_rows,
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let mut said = Vec::new();
    let mut progress = |loading: Loading<'_>| match loading {
        Loading::Weights(_) => assert!(said.is_empty(), "compiling is spoken of after the weights"),
        Loading::Compile { done, total } => said.push((done, total)),
        _ => {}
    };
    let model = block_on(LoopLm::load(&source, &options, &mut progress)).expect("it loads");
    (model, said)
}

fn compiled(model: &LoopLm) -> usize {
    let engine = block_on(model.engine()).expect("nobody else uses it");
    engine.gpu().pipelines()
}

fn tokens(model: &LoopLm, prompt: usize, options: GenerateOptions) -> Vec<u32> {
    let prompt = (0..prompt as u32).map(|i| i % 7 + 1).collect();
    let mut generation = Generation::new(model, prompt, options).expect("the options are fine");
    std::iter::from_fn(|| block_on(generation.next(&|| false)).expect("it runs"))
        .map(|token| token.id)
        .collect()
}

#[test]
fn a_first_token_compiles_nothing() {
    let greedy = GenerateOptions {
        max_new_tokens: Some(1),
        temperature: Some(0.0),
        ..GenerateOptions::default()
    };
    let sampled = GenerateOptions {
        temperature: Some(1.0),
        top_k: Some(5),
        trace_top_k: Some(3),
        seed: Some(1),
        ..greedy.clone()
    };
    let early = GenerateOptions {
        exit: ExitRule::Gate(0.5).into(),
        verify: Verify::Always,
        ..greedy.clone()
    };
    for options in [greedy, sampled, early] {
        let (model, said) = load(Some(20));
        let &(done, total) = said.last().expect("it says so");
        assert_eq!(done, total);
        assert!(said.is_sorted(), "{said:?}");
        assert!(total <= MOST, "{total} pipelines");
        assert_eq!(compiled(&model), total, "loading compiles what it tells of");
        // To the right and to the left of where another product is used, and longer than a pass.
        for prompt in [1, 2, 4, 7, 8, 9, 16, 17, 20, 23, 58] {
            assert_eq!(tokens(&model, prompt, options.clone()).len(), 1);
            assert_eq!(compiled(&model), total, "a prompt of {prompt} tokens");
        }
    }
}

/// The first file does not tell of all weights: what the others need is compiled after them, before the model is there.
#[test]
fn a_checkpoint_in_several_files_is_compiled_too() {
    let (model, said) = load_folder(
        &fixtures::case("f32-sharded").folder.join("model"),
        Some(20),
    );
    let &(done, total) = said.last().expect("it says so");
    assert_eq!(done, total);
    assert_eq!(compiled(&model), total);
    for prompt in [1, 5, 23] {
        let options = GenerateOptions {
            max_new_tokens: Some(1),
            ..GenerateOptions::default()
        };
        assert_eq!(tokens(&model, prompt, options).len(), 1);
        assert_eq!(compiled(&model), total, "a prompt of {prompt} tokens");
    }
}

#[test]
fn small_passes_need_fewer() {
    let (few, all) = (load(Some(4)), load(None));
    let total = |(_, said): &(LoopLm, Vec<(usize, usize)>)| said.last().map(|(_, total)| *total);
    assert!(total(&few) < total(&all), "there is nothing for many rows");
    assert!(!tokens(&few.0, 9, GenerateOptions::default()).is_empty());
}

#[test]
fn numbers_of_rows_that_come_often_get_products_of_their_own() {
    let (model, said) = load(Some(16));
    let total = said.last().expect("it says so").1;
    let options = GenerateOptions {
        max_new_tokens: Some(1),
        temperature: Some(0.0),
        verify: Verify::Off,
        ..GenerateOptions::default()
    };
    // A pass of 16 rows and one of 2, at each of four steps.
    let first = tokens(&model, 18, options.clone());
    for _ in 0..4 {
        assert_eq!(tokens(&model, 18, options.clone()), first);
    }
    let patient = (0..600).any(|_| {
        sleep(Duration::from_millis(50));
        compiled(&model) == total + 4
    });
    assert!(patient, "qkv, output and down, gate and up for two rows");
    assert_eq!(tokens(&model, 18, options), first);
}

#[test]
fn a_second_model_on_a_device_compiles_nothing() {
    let folder = fixtures::case("f32-mha").folder.join("model");
    let source = FolderSource::new(folder).expect("a case has a model");
    let gpu = block_on(Gpu::open(&DeviceOptions::default())).expect("there is an adapter");
    let load = || {
        let options = LoadOptions::default();
        let model = block_on(LoopLm::load_on(&gpu, &source, &options, &mut |_| ()));
        model.expect("it loads");
        gpu.pipelines()
    };
    let first = load();
    assert!(first > 0);
    assert_eq!(load(), first);
}

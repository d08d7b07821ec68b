//! Answers: sampling, stopping, aborting, running side by side, and running out of room.

use looplm::{
    Error, LoopLm,
    checkpoint::FolderSource,
    engine::{EngineOptions, KvFormat, MAX_SEQUENCES},
    error::Coded,
    exit::ExitRule,
    forward::ForwardOptions,
    generate::{FinishReason, GenerateOptions, Generation, Token},
    model::{LoadOptions, Loading},
};
use pollster::block_on;

use crate::fixtures;

fn model() -> LoopLm {
    fixtures::case("f32-mha").load(&LoadOptions::default())
}

fn sampled(seed: u64) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(12),
        temperature: Some(1.3),
        top_k: Some(20),
        seed: Some(seed),
        ..GenerateOptions::default()
    }
}

fn all(generation: &mut Generation) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let Some(token) = block_on(generation.next(&|| false)).expect("the model runs") {
        tokens.push(token);
    }
    tokens
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|t| t.id).collect()
}

fn run(model: &LoopLm, prompt: &[u32], options: GenerateOptions) -> Vec<u32> {
    ids(&all(
        &mut Generation::new(model, prompt.to_vec(), options).expect("the options are fine")
    ))
}

#[test]
fn a_seed_repeats_its_text_and_another_does_not() {
    let model = model();
    let first = run(&model, &[1, 2, 3], sampled(7));
    assert_eq!(first, run(&model, &[1, 2, 3], sampled(7)));
    assert_ne!(first, run(&model, &[1, 2, 3], sampled(8)));
    let hot = GenerateOptions {
        temperature: Some(50.0),
        max_new_tokens: Some(40),
        ..sampled(1)
    };
    let allowed = run(
        &model,
        &[1, 2, 3],
        GenerateOptions {
            top_k: Some(1),
            ..hot.clone()
        },
    );
    let greedy = run(
        &model,
        &[1, 2, 3],
        GenerateOptions {
            temperature: Some(0.0),
            ..hot
        },
    );
    assert_eq!(allowed, greedy, "top-k 1 is greedy");
}

#[test]
fn answers_side_by_side_are_what_they_are_alone() {
    let model = model();
    let alone = [
        run(&model, &[5, 6], sampled(1)),
        run(&model, &[9, 8, 7, 6], sampled(2)),
    ];
    let begin = |prompt: &[u32], seed| {
        Generation::new(&model, prompt.to_vec(), sampled(seed)).expect("the options are fine")
    };
    let mut both = [begin(&[5, 6], 1), begin(&[9, 8, 7, 6], 2)];
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..12 {
        for (generation, ids) in both.iter_mut().zip(&mut found) {
            ids.extend(
                block_on(generation.next(&|| false))
                    .expect("the model runs")
                    .map(|t| t.id),
            );
        }
    }
    assert_eq!(found, alone);
    assert!(
        both.iter()
            .all(|generation| generation.finish().reason == FinishReason::Length)
    );
}

#[test]
fn an_abort_ends_the_answer_and_frees_its_place() {
    let model = model();
    for _ in 0..MAX_SEQUENCES + 3 {
        let mut generation =
            Generation::new(&model, vec![1, 2], sampled(1)).expect("the options are fine");
        block_on(generation.next(&|| false)).expect("the model runs");
        let error = block_on(generation.next(&|| true)).expect_err("it was aborted");
        assert_eq!(error.code(), "aborted");
        assert_eq!(
            block_on(generation.next(&|| false)).expect("it has ended"),
            None
        );
    }
    let mut open = Vec::new();
    for _ in 0..MAX_SEQUENCES + 5 {
        let mut generation =
            Generation::new(&model, vec![1], sampled(1)).expect("the options are fine");
        let first = block_on(generation.next(&|| false)).expect("it waits until there is room");
        assert!(first.is_some());
        open.push(generation);
    }
    drop(open);
    assert_eq!(
        run(&model, &[1], sampled(1)).len(),
        12,
        "dropping answers makes room"
    );
}

#[test]
fn a_full_context_is_an_error_only_for_who_asked_for_more() {
    let options = LoadOptions {
        engine: EngineOptions {
            context_length: Some(10),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let model = fixtures::case("f32-mha").load(&options);
    let prompt: Vec<u32> = (0..8).collect();
    let more = GenerateOptions {
        max_new_tokens: Some(20),
        ..sampled(1)
    };
    let mut generation = Generation::new(&model, prompt.clone(), more).expect("the prompt fits");
    let mut tokens = 0;
    let error = loop {
        match block_on(generation.next(&|| false)) {
            Ok(Some(_)) => tokens += 1,
            Ok(None) => panic!("it must not end quietly"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        (error.code(), tokens),
        ("context-full", 3),
        "positions 8 and 9, and the token after them"
    );
    assert_eq!(error.details().limit, Some(10.into()));
    let open_end = GenerateOptions {
        max_new_tokens: None,
        ..sampled(1)
    };
    let mut generation = Generation::new(&model, prompt, open_end).expect("the prompt fits");
    assert_eq!(all(&mut generation).len(), 3);
    assert_eq!(generation.finish().reason, FinishReason::Length);
    let long = Generation::new(&model, vec![0; 11], sampled(1)).expect_err("too long");
    assert_eq!(long.code(), "context-full");
    assert_eq!(
        block_on(model.forward(&[0; 11], &ForwardOptions::default(), &|| false))
            .expect_err("too long")
            .code(),
        "context-full"
    );
    assert_eq!(
        run(
            &model,
            &[1, 2],
            GenerateOptions {
                max_new_tokens: Some(4),
                ..sampled(1)
            }
        )
        .len(),
        4
    );
}

#[test]
fn options_out_of_range_are_named() {
    let model = model();
    let bad: [(&str, GenerateOptions); 8] = [
        (
            "steps",
            GenerateOptions {
                steps: Some(0),
                ..sampled(1)
            },
        ),
        (
            "steps",
            GenerateOptions {
                steps: Some(9),
                ..sampled(1)
            },
        ),
        (
            "exit",
            GenerateOptions {
                exit: ExitRule::Step(5).into(),
                ..sampled(1)
            },
        ),
        (
            "temperature",
            GenerateOptions {
                temperature: Some(-1.0),
                ..sampled(1)
            },
        ),
        (
            "temperature",
            GenerateOptions {
                temperature: Some(f32::NAN),
                ..sampled(1)
            },
        ),
        (
            "top_p",
            GenerateOptions {
                top_p: Some(0.0),
                ..sampled(1)
            },
        ),
        (
            "min_p",
            GenerateOptions {
                min_p: Some(1.5),
                ..sampled(1)
            },
        ),
        (
            "trace.topK",
            GenerateOptions {
                trace_top_k: Some(17),
                ..sampled(1)
            },
        ),
    ];
    for (argument, options) in bad {
        let error = Generation::new(&model, vec![1], options).expect_err(argument);
        assert_eq!(
            (error.code(), error.details().argument.as_deref()),
            ("invalid-argument", Some(argument))
        );
    }
    for prompt in [vec![], vec![1000]] {
        assert_eq!(
            Generation::new(&model, prompt, sampled(1))
                .expect_err("no such prompt")
                .code(),
            "invalid-argument"
        );
    }
    let stop = GenerateOptions {
        stop: vec!["x".into()],
        ..sampled(1)
    };
    assert_eq!(
        Generation::new(&model, vec![1], stop)
            .expect_err("no tokenizer")
            .code(),
        "tokenizer-missing"
    );
}

#[test]
fn a_disposed_model_says_so() {
    let model = fixtures::case("f32-mha").load_alone();
    let mut generation =
        Generation::new(&model, vec![1], sampled(1)).expect("the options are fine");
    block_on(generation.next(&|| false)).expect("the model runs");
    block_on(model.dispose());
    assert_eq!(
        block_on(generation.next(&|| false))
            .expect_err("disposed")
            .code(),
        "disposed"
    );
    assert_eq!(
        block_on(model.forward(&[1], &ForwardOptions::default(), &|| false))
            .expect_err("disposed")
            .code(),
        "disposed"
    );
    block_on(model.dispose());
}

#[test]
fn a_destroyed_device_is_a_typed_error() {
    let model = fixtures::case("f32-mha").load_alone();
    block_on(model.engine())
        .expect("it is loaded")
        .gpu()
        .destroy();
    let error = block_on(model.forward(&[1], &ForwardOptions::default(), &|| false))
        .expect_err("the device is gone");
    assert_eq!(error.code(), "device-lost", "{error}");
}

#[test]
fn a_device_without_room_for_the_context_says_how_much_fits() {
    // A position of 4 planes takes 512 bytes; the binding has room for 320.
    let options = LoadOptions {
        device: looplm_gpu::DeviceOptions {
            max_binding_size: Some(160 << 10),
            ..looplm_gpu::DeviceOptions::default()
        },
        engine: EngineOptions {
            max_rows: Some(32),
            kv_format: KvFormat::F32,
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let case = fixtures::case("f32-mha");
    let mut config: serde_json::Value = serde_json::from_slice(
        &std::fs::read(case.folder.join("model/config.json")).expect("it is there"),
    )
    .expect("it is JSON");
    config["max_position_embeddings"] = 4096.into();
    let source = fixtures::memory(&case).with("config.json", config.to_string());
    let model = fixtures::load(&source, &options).expect("it fits");
    assert_eq!(model.info().context, 4096);
    let long: Vec<u32> = (0..400).map(|i| i % 40).collect();
    let error = block_on(model.forward(&long, &ForwardOptions::default(), &|| false))
        .expect_err("too long");
    assert_eq!(error.code(), "context-full", "{error}");
    assert!(
        matches!(error, Error::ContextFull { limit, needed: 400, .. } if (256..400).contains(&limit)),
        "{error}"
    );
    assert!(
        block_on(model.forward(&long[..300], &ForwardOptions::default(), &|| false)).is_ok(),
        "it grows as far as it can"
    );
    assert_eq!(
        run(&model, &[1], sampled(1)).len(),
        12,
        "the model still works"
    );
}

/// The shipped model, through its own tokenizer: text, stop texts, steps of a token, progress.
#[test]
fn the_shipped_model_answers_from_text() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shell-game");
    let source = FolderSource::new(folder).expect("the model is in the repository");
    let mut phases = Vec::new();
    let mut progress = |loading: Loading<'_>| match loading {
        Loading::Weights(p) => assert!(p.loaded <= p.total),
        Loading::Ready => phases.push("ready"),
        _ => phases.push("other"),
    };
    let model = block_on(LoopLm::load(
        &source,
        &LoadOptions::default(),
        &mut progress,
    ))
    .expect("it loads");
    assert_eq!(phases.last(), Some(&"ready"));
    let tokenizer = model.tokenizer().expect("it has one");
    let ids = tokenizer
        .encode("swap12 left swap23", true)
        .expect("it is text");
    let options = ForwardOptions {
        trace_top_k: Some(3),
        exit: ExitRule::Gate(0.8).into(),
        ..ForwardOptions::default()
    };
    let result = block_on(model.forward(&ids, &options, &|| false)).expect("it runs");
    // 123 -> swap12 -> 213 -> left -> 132 -> swap23 -> 123.
    let answers: Vec<String> = result.positions[ids.len() - 3..]
        .iter()
        .map(|steps| tokenizer.token_text(steps[3].lens.as_ref().expect("traced").top[0].0))
        .collect();
    assert_eq!(answers, ["213", "132", "123"]);
    let generate = GenerateOptions {
        max_new_tokens: Some(3),
        temperature: Some(0.0),
        ..GenerateOptions::default()
    };
    let mut generation =
        Generation::new(&model, ids.clone(), generate.clone()).expect("the options are fine");
    let text: String = all(&mut generation).into_iter().map(|t| t.text).collect();
    assert!(text.trim_start().starts_with("123"), "{text:?}");
    assert_eq!(generation.finish().reason, FinishReason::Length);
    let stop = GenerateOptions {
        stop: vec!["123".into()],
        ..generate
    };
    let mut generation = Generation::new(&model, ids, stop).expect("the options are fine");
    let text: String = all(&mut generation).into_iter().map(|t| t.text).collect();
    assert!(!text.contains("123"), "{text:?}");
    assert_eq!(generation.finish().reason, FinishReason::Stop);
}

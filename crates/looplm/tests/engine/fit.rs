//! What a model takes is known before it is loaded, and where there is too little, what would fit.

use std::cell::RefCell;

use async_trait::async_trait;
use looplm::{
    Error, LoopLm,
    checkpoint::{Dtype, MemorySource, Reader, Source, SourceError},
    engine::{EngineOptions, KvFormat},
    error::Coded,
    fit::{Fit, Suggestion},
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation, Verify},
    model::LoadOptions,
    precision::WeightFormat,
};
use looplm_gpu::{DeviceOptions, Gpu};
use pollster::block_on;

use crate::fixtures;

/// Tokens that a cache has room for to begin with.
const FIRST: usize = 256;

fn device(memory_limit: Option<u64>) -> Gpu {
    let options = DeviceOptions {
        memory_limit,
        ..DeviceOptions::default()
    };
    fixtures::device(&options)
}

fn load(gpu: &Gpu, source: &dyn Source, options: &LoadOptions) -> Result<LoopLm, Error> {
    block_on(LoopLm::load_on(gpu, source, options, &mut |_| ()))
}

/// `f32-mha` with a context of 4,096.
fn source() -> MemorySource {
    let case = fixtures::case("f32-mha");
    let text = std::fs::read(case.folder.join("model/config.json")).expect("it is there");
    let mut config: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    config["max_position_embeddings"] = 4096.into();
    fixtures::memory(&case).with("config.json", config.to_string())
}

/// Few rows, so that weights and keys and values are most of it.
fn few_rows(format: WeightFormat) -> LoadOptions {
    LoadOptions {
        engine: EngineOptions {
            max_rows: Some(2),
            kv_format: KvFormat::F32,
            ..EngineOptions::default()
        },
        precision: format.into(),
        ..LoadOptions::default()
    }
}

/// The options with what an error suggests.
fn with(options: &LoadOptions, suggestion: Suggestion) -> LoadOptions {
    let mut options = options.clone();
    if let Some(format) = suggestion.format {
        options.precision.format = format;
    }
    if let Some(tokens) = suggestion.context_length {
        options.engine.context_length = Some(tokens);
    }
    options
}

fn suggested(error: &Error) -> Suggestion {
    assert_eq!(error.code(), "out-of-memory", "{error}");
    error
        .details()
        .suggestion
        .unwrap_or_else(|| panic!("{error}"))
}

fn forward(model: &LoopLm, tokens: usize) -> Result<(), Error> {
    let ids: Vec<u32> = (0..tokens as u32).map(|i| i % 40).collect();
    block_on(model.forward(&ids, &ForwardOptions::default(), &|| false)).map(drop)
}

#[test]
fn what_a_model_takes_is_known_beforehand() {
    for case in fixtures::all() {
        let stored = match case.name.split('-').next() {
            Some("f16") => Dtype::F16,
            Some("bf16") => Dtype::BF16,
            _ => Dtype::F32,
        };
        // Every model as it is stored, and one whose embedding is its head, and one where it is not, in every format.
        let every = ["f32-mha", "bf16-six-steps-tied"].contains(&case.name.as_str());
        for (format, _) in WeightFormat::NAMES {
            if !every && format != WeightFormat::Stored {
                continue;
            }
            // As it is, and with matrices in parts.
            let small = (format == WeightFormat::Stored).then_some((Some(48 << 10), Some(4)));
            for (max_binding_size, max_rows) in [(None, None)].into_iter().chain(small) {
                let gpu = fixtures::device(&DeviceOptions {
                    max_binding_size,
                    ..DeviceOptions::default()
                });
                let options = LoadOptions {
                    engine: EngineOptions {
                        max_rows,
                        ..EngineOptions::default()
                    },
                    precision: format.into(),
                    ..LoadOptions::default()
                };
                let model = load(&gpu, &fixtures::memory(&case), &options)
                    .unwrap_or_else(|e| panic!("{}: {e}", case.name));
                let fit = Fit::new(model.config(), &options.engine, options.precision);
                let needs = fit
                    .stored(Some(stored))
                    .needs(FIRST, gpu.max_binding())
                    .expect("it fits");
                let what = format!("{} in {format}, {max_binding_size:?}", case.name);
                let memory = model.info().memory;
                assert_eq!(needs.weights, memory.weights, "{what}");
                assert_eq!(needs.workspace, memory.workspace, "{what}");
                assert_eq!(needs.kv, memory.kv, "{what}");
                let (total, allocated) = (needs.total(), gpu.allocated());
                assert!(total >= allocated, "{what}: {total} < {allocated}");
                assert!(total - allocated < 8 << 10, "{what}: {total} > {allocated}");
            }
        }
    }
}

#[test]
fn weights_that_do_not_fit_say_in_which_format_they_would() {
    let source = source();
    let mut options = few_rows(WeightFormat::Stored);
    options.engine.context_length = Some(FIRST);
    let narrow = device(None);
    let model = load(&narrow, &source, &few_rows(WeightFormat::Q8)).expect("there is room");
    let wide = device(None);
    let stored = load(&wide, &source, &options).expect("there is room");
    let memory = stored.info().memory;
    assert!(model.info().memory.weights < memory.weights);
    // Told by the headers, and found out by the last buffer.
    let told = memory.weights + memory.workspace + memory.kv - 1;
    for (limit, all_but_a_byte) in [(told, false), (wide.allocated() - 1, true)] {
        let gpu = device(Some(limit));
        let error = load(&gpu, &source, &options).expect_err("there is too little");
        assert_eq!(gpu.allocated(), 0, "nothing is left of it");
        let suggestion = suggested(&error);
        assert_eq!(error.details().available, Some(limit));
        assert!(error.details().needed.is_some_and(|needed| needed > 0));
        assert!(error.to_string().contains("what would fit is"), "{error}");
        if all_but_a_byte {
            assert_eq!(suggestion.format, Some(WeightFormat::F16), "{error}");
            assert_eq!(suggestion.context_length, None, "{error}");
        } else {
            // There is no room for the row tables either, which take more than the next format spares.
            assert!(suggestion.format.is_some(), "{error}");
        }
        // On the same device.
        let context = suggestion.context_length.unwrap_or(FIRST);
        let again = load(&gpu, &source, &with(&options, suggestion)).expect("it fits");
        forward(&again, context).expect("its whole context fits");
    }
    let gpu = device(Some(1000));
    let error = load(&gpu, &source, &options).expect_err("nothing fits");
    assert_eq!(error.details().suggestion, None);
    assert!(error.to_string().contains("smaller model"), "{error}");
}

#[test]
fn a_cache_that_cannot_grow_says_which_context_would_fit() {
    let source = source();
    let options = few_rows(WeightFormat::Stored);
    let gpu = device(None);
    let empty = load(&gpu, &source, &options).expect("there is room");
    let needs = |tokens| {
        let fit = Fit::new(empty.config(), &options.engine, options.precision);
        fit.stored(Some(Dtype::F32))
            .needs(tokens, gpu.max_binding())
            .expect("it fits")
    };
    // Twice a cache of 1,000 tokens: it grows a layer at a time, so that nearly as many fit.
    let limit = needs(0).total() + 2 * needs(1000).kv;
    let gpu = device(Some(limit));
    let model = load(&gpu, &source, &options).expect("it begins with less");
    forward(&model, 300).expect("there is room");
    let error = forward(&model, 3000).expect_err("there is too little");
    let suggestion = suggested(&error);
    assert_eq!(suggestion.format, None, "{error}");
    let tokens = suggestion.context_length.expect("a shorter one fits");
    assert!((1000..2000).contains(&tokens), "{error}");
    assert!(error.to_string().contains("a context of"), "{error}");
    forward(&model, 300).expect("the model is as it was");
    drop(model);
    assert_eq!(gpu.allocated(), 0, "nothing is left of it");
    for whole in [true, false] {
        let options = with(&options, suggestion);
        let model = load(&gpu, &source, &options).expect("it fits");
        if whole {
            forward(&model, tokens).expect("all of it fits at once");
        } else {
            let greedy = GenerateOptions {
                max_new_tokens: Some(700),
                temperature: Some(0.0),
                ..GenerateOptions::default()
            };
            let prompt = (0..(tokens - 700) as u32).map(|i| i % 40).collect();
            let mut answer = Generation::new(&model, prompt, greedy).expect("that is allowed");
            while block_on(answer.next(&|| false))
                .expect("token by token, too")
                .is_some()
            {}
        }
    }
}

#[test]
fn a_limit_of_keys_and_values_is_still_one_of_the_context() {
    let mut options = few_rows(WeightFormat::Stored);
    options.engine.kv_bytes = Some(1 << 20);
    let gpu = device(None);
    let model = load(&gpu, &source(), &options).expect("there is room");
    let error = forward(&model, 4000).expect_err("there is too little");
    assert_eq!(error.code(), "context-full", "{error}");
}

/// Remembers which files were opened.
struct Watched {
    files: MemorySource,
    opened: RefCell<Vec<String>>,
}

#[async_trait(?Send)]
impl Source for Watched {
    fn location(&self) -> String {
        self.files.location()
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn Reader>>, SourceError> {
        self.opened.borrow_mut().push(path.to_owned());
        self.files.open(path).await
    }
}

#[test]
fn what_can_be_known_is_said_before_anything_large_is_fetched() {
    let bound = |max_binding_size| DeviceOptions {
        max_binding_size: Some(max_binding_size),
        ..DeviceOptions::default()
    };
    let limited = DeviceOptions {
        memory_limit: Some(50_000),
        ..DeviceOptions::default()
    };
    for (device, code) in [
        (bound(64), "adapter-too-small"),
        // The matrices can be split so far, but not the logits.
        (bound(4096), "adapter-too-small"),
        (limited, "out-of-memory"),
    ] {
        let source = Watched {
            files: source(),
            opened: RefCell::default(),
        };
        let options = LoadOptions {
            device,
            ..LoadOptions::default()
        };
        let error =
            block_on(LoopLm::load(&source, &options, &mut |_| ())).expect_err("it is too small");
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(*source.opened.borrow(), ["config.json"], "{error}");
    }
}

#[test]
fn dispatches_of_long_contexts_are_counted() {
    let gpu = device(None);
    let model = load(&gpu, &source(), &few_rows(WeightFormat::Stored)).expect("there is room");
    let (short, long) = model.info().dispatches_per_pass;
    let layers = model.config().num_hidden_layers;
    assert_eq!((short, long), (7 * layers + 1, 8 * layers + 1));
    for (tokens, expected) in [(500, short), (600, long)] {
        let prompt = (0..tokens).map(|i| i % 40).collect();
        let options = GenerateOptions {
            max_new_tokens: Some(6),
            temperature: Some(0.0),
            verify: Verify::Off,
            ..GenerateOptions::default()
        };
        let mut answer = Generation::new(&model, prompt, options).expect("that is allowed");
        let mut token = || block_on(answer.next(&|| false)).expect("it runs");
        token().expect("the first token");
        let count = || block_on(model.engine()).expect("it is free").dispatches();
        let before = count();
        token().expect("another token");
        let steps = model.config().total_ut_steps as u64;
        // The head and the draw, once.
        assert_eq!(count() - before, steps * expected as u64 + 2, "{tokens}");
        let engine = block_on(model.engine()).expect("it is free");
        assert_eq!(engine.dispatches_per_pass(tokens as usize), expected);
    }
}

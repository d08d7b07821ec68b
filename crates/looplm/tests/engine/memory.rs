//! The KV cache grows, gives room back, and says how much there is; callers share the engine.

use looplm::{
    LoopLm,
    engine::{EngineOptions, KvFormat},
    error::Coded,
    forward::{Forward, ForwardOptions},
    generate::{GenerateOptions, Generation},
    model::LoadOptions,
};
use looplm_gpu::DeviceOptions;
use pollster::block_on;

use crate::fixtures;

/// `f32-mha` with a context of 4,096 on a device that binds this many bytes. A position of a plane takes 128.
fn model(max_binding: u64) -> LoopLm {
    let case = fixtures::case("f32-mha");
    let text = std::fs::read(case.folder.join("model/config.json")).expect("it is there");
    let mut config: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    config["max_position_embeddings"] = 4096.into();
    let source = fixtures::memory(&case).with("config.json", config.to_string());
    let options = LoadOptions {
        device: DeviceOptions {
            max_binding_size: Some(max_binding),
            ..DeviceOptions::default()
        },
        engine: EngineOptions {
            max_rows: Some(32),
            kv_format: KvFormat::F32,
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    fixtures::load(&source, &options).expect("it fits")
}

fn forward(model: &LoopLm, length: u32, steps: usize) -> Result<Forward, looplm::Error> {
    let ids: Vec<u32> = (0..length).map(|i| i % 40).collect();
    let options = ForwardOptions {
        steps: Some(steps),
        hidden: true,
        ..ForwardOptions::default()
    };
    block_on(model.forward(&ids, &options, &|| false))
}

fn greedy(tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(tokens),
        temperature: Some(0.0),
        ..GenerateOptions::default()
    }
}

#[test]
fn room_of_ended_sequences_is_used_again() {
    // Room for 8 planes of 256 positions.
    let model = model(256 << 10);
    let short = forward(&model, 20, 4).expect("it fits");
    assert!(forward(&model, 500, 4).is_ok(), "4 planes of 500");
    assert!(
        forward(&model, 20, 8).is_ok(),
        "8 planes, once the long ones are gone"
    );
    assert!(forward(&model, 500, 4).is_ok(), "and back");
    let error = forward(&model, 500, 8).expect_err("8 planes of 500 are too much");
    assert_eq!(error.code(), "context-full", "{error}");
    assert_eq!(
        forward(&model, 20, 4).expect("it fits"),
        short,
        "nothing was harmed"
    );
}

#[test]
fn an_answer_without_room_waits_for_another() {
    let model = model(256 << 10);
    let alone: Vec<u32> = {
        let mut generation =
            Generation::new(&model, vec![3, 1, 2], greedy(6)).expect("the options are fine");
        std::iter::from_fn(|| {
            block_on(generation.next(&|| false))
                .expect("it runs")
                .map(|t| t.id)
        })
        .collect()
    };
    let long: Vec<u32> = (0..300).map(|i| i % 40).collect();
    let mut first = Generation::new(&model, long.clone(), greedy(3)).expect("the options are fine");
    block_on(first.next(&|| false)).expect("4 planes of 300 fit");
    let mut second = Generation::new(&model, long, greedy(3)).expect("the options are fine");
    let mut ids = [Vec::new(), Vec::new()];
    while let Some(token) = block_on(second.next(&|| false)).expect("it waits for the first") {
        ids[1].push(token.id);
    }
    while let Some(token) = block_on(first.next(&|| false)).expect("its tokens are there") {
        ids[0].push(token.id);
    }
    assert_eq!(ids[0], ids[1][1..], "waiting changed nothing");
    drop(first);
    let mut third =
        Generation::new(&model, vec![3, 1, 2], greedy(6)).expect("the options are fine");
    let again: Vec<u32> = std::iter::from_fn(|| {
        block_on(third.next(&|| false))
            .expect("there is room now")
            .map(|t| t.id)
    })
    .collect();
    assert_eq!(again, alone);
}

#[test]
fn a_short_answer_does_not_wait_for_a_long_prompt() {
    let model = fixtures::case("f32-long").load(&LoadOptions {
        engine: EngineOptions {
            max_rows: Some(4),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    });
    let expected = forward(&model, 60, 2).expect("it runs");
    let order = std::cell::RefCell::new(Vec::new());
    let mut short = Generation::new(&model, vec![1, 2], greedy(3)).expect("the options are fine");
    let answer = async {
        let mut ids = Vec::new();
        while let Some(token) = short.next(&|| false).await.expect("it runs") {
            ids.push(token.id);
        }
        order.borrow_mut().push("short");
        ids
    };
    let ids: Vec<u32> = (0..60).map(|i| i % 40).collect();
    let options = ForwardOptions {
        steps: Some(2),
        hidden: true,
        ..ForwardOptions::default()
    };
    let prompt = async {
        let result = model
            .forward(&ids, &options, &|| false)
            .await
            .expect("it runs");
        order.borrow_mut().push("long");
        result
    };
    let (long, answered) = block_on(async { futures::join!(prompt, answer) });
    assert_eq!(
        *order.borrow(),
        ["short", "long"],
        "15 chunks leave room for three tokens"
    );
    assert_eq!(long, expected);
    let mut alone = Generation::new(&model, vec![1, 2], greedy(3)).expect("the options are fine");
    let again: Vec<u32> = std::iter::from_fn(|| {
        block_on(alone.next(&|| false))
            .expect("it runs")
            .map(|t| t.id)
    })
    .collect();
    assert_eq!(answered, again);
}

#[test]
fn an_adapter_too_small_for_the_model_is_named_with_its_limit() {
    let case = fixtures::case("f32-mha");
    let options = LoadOptions {
        device: DeviceOptions {
            max_binding_size: Some(64),
            ..DeviceOptions::default()
        },
        ..LoadOptions::default()
    };
    let error = fixtures::load(&fixtures::memory(&case), &options).expect_err("too small");
    assert_eq!(error.code(), "adapter-too-small");
    let details = error.details();
    assert_eq!(details.offered, Some(64));
    assert!(details.needed.is_some_and(|needed| needed > 64));
    assert_eq!(details.limit, Some("maxStorageBufferBindingSize".into()));
}

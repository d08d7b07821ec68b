//! Many answers share the passes, and none can tell.

use looplm::{
    Error, LoopLm,
    engine::EngineOptions,
    error::Coded,
    exit::{Exit, ExitRule},
    forward::ForwardOptions,
    generate::{FinishReason, GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
};
use pollster::block_on;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixtures;

fn next(generation: &mut Generation) -> Option<u32> {
    block_on(generation.next(&|| false))
        .expect("the model runs")
        .map(|token| token.id)
}

fn begin(model: &LoopLm, prompt: &[u32], options: &GenerateOptions) -> Generation {
    Generation::new(model, prompt.to_vec(), options.clone()).expect("the options are fine")
}

fn alone(model: &LoopLm, prompt: &[u32], options: &GenerateOptions) -> Vec<u32> {
    let mut generation = begin(model, prompt, options);
    std::iter::from_fn(|| next(&mut generation)).collect()
}

/// A request unlike others.
fn random(rng: &mut StdRng) -> (Vec<u32>, GenerateOptions) {
    let prompt = (0..rng.random_range(1..20))
        .map(|_| rng.random_range(0..48))
        .collect();
    let rules = [
        "full",
        "step:1",
        "step:3",
        "gate:0.4",
        "gate:0.7",
        "hidden:0.6",
        "confidence:0.08",
        "agree:2",
    ];
    let exit: ExitRule = rules[rng.random_range(0..rules.len())]
        .parse()
        .expect("a rule");
    let kv = KvPolicy::ALL[rng.random_range(0..5)];
    let verify = match kv {
        KvPolicy::Full if rng.random_bool(0.5) => Verify::Always,
        _ => Verify::Off,
    };
    let options = GenerateOptions {
        max_new_tokens: Some(rng.random_range(1..25)),
        temperature: Some([0.0, 0.8][rng.random_range(0..2)]),
        seed: Some(rng.random()),
        exit: exit.into(),
        kv,
        verify,
        ..GenerateOptions::default()
    };
    (prompt, options)
}

#[test]
fn sixteen_answers_at_depths_of_their_own_are_what_they_are_alone() {
    let model = fixtures::case("f32-mha").load(&LoadOptions::default());
    let mut rng = StdRng::seed_from_u64(5);
    let requests: Vec<_> = (0..16).map(|_| random(&mut rng)).collect();
    let expected: Vec<Vec<u32>> = requests
        .iter()
        .map(|(prompt, options)| alone(&model, prompt, options))
        .collect();
    let answers = requests.iter().map(|(prompt, options)| {
        let mut generation = begin(&model, prompt, options);
        async move {
            let mut ids = Vec::new();
            while let Some(token) = generation.next(&|| false).await.expect("it runs") {
                ids.push(token.id);
            }
            (ids, generation.finish())
        }
    });
    let found = block_on(futures::future::join_all(answers));
    for (i, ((ids, finish), expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(ids, expected, "request {i}: {:?}", requests[i].1);
        assert!(finish.kv_bytes > 0);
    }
    let used = block_on(model.engine()).expect("it is loaded").kv_used();
    assert_eq!(used, 0, "nothing is left behind");
}

/// Requests begin, go on, are dropped and end in any order. What each says is what it says alone, and the cache holds what
/// they hold and no more.
#[test]
fn any_order_of_requests_and_aborts_leaves_the_cache_right() {
    let model = fixtures::case("f32-mha").load(&LoadOptions::default());
    let references = fixtures::case("f32-mha").load(&LoadOptions::default());
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut open: Vec<(Generation, Vec<u32>, usize)> = Vec::new();
        for _ in 0..60 {
            match rng.random_range(0..10) {
                0..=1 if open.len() < 12 => {
                    let (prompt, options) = random(&mut rng);
                    let expected = alone(&references, &prompt, &options);
                    open.push((begin(&model, &prompt, &options), expected, 0));
                }
                2 if !open.is_empty() => {
                    drop(open.swap_remove(rng.random_range(0..open.len())));
                }
                3 if !open.is_empty() => {
                    let (mut generation, ..) = open.swap_remove(rng.random_range(0..open.len()));
                    let aborted = block_on(generation.next(&|| true));
                    assert!(matches!(aborted, Err(Error::Aborted) | Ok(None)));
                }
                4 => {
                    let options = ForwardOptions::default();
                    block_on(model.forward(&[1, 2, 3], &options, &|| false)).expect("it runs");
                }
                _ if !open.is_empty() => {
                    let i = rng.random_range(0..open.len());
                    let (generation, expected, given) = &mut open[i];
                    match next(generation) {
                        Some(id) => {
                            assert_eq!(Some(&id), expected.get(*given), "seed {seed}");
                            *given += 1;
                        }
                        None => {
                            assert_eq!(*given, expected.len(), "seed {seed}");
                            open.swap_remove(i);
                        }
                    }
                }
                _ => {}
            }
            let engine = block_on(model.engine()).expect("it is loaded");
            let (limit, used) = engine.kv_entries();
            assert!(used <= limit);
        }
        drop(open);
        let used = block_on(model.engine()).expect("it is loaded").kv_used();
        assert_eq!(used, 0, "seed {seed}: nothing is left behind");
    }
}

#[test]
fn requests_beyond_the_memory_wait_and_none_is_dropped() {
    let mut load = LoadOptions::default();
    // Room for about three of them.
    load.engine.kv_bytes = Some(3 * 40 * 4 * 2 * 24 * 4 * 2);
    let model = fixtures::case("f32-mha").load(&load);
    let free = fixtures::case("f32-mha").load(&LoadOptions::default());
    let options = GenerateOptions {
        max_new_tokens: Some(20),
        temperature: Some(0.0),
        verify: Verify::Off,
        ..GenerateOptions::default()
    };
    let prompts: Vec<Vec<u32>> = (0..10).map(|i| (i..i + 15).collect()).collect();
    let answers = prompts.iter().map(|prompt| {
        let mut generation = begin(&model, prompt, &options);
        async move {
            let mut ids = Vec::new();
            while let Some(token) = generation.next(&|| false).await.expect("it waits") {
                ids.push(token.id);
            }
            ids
        }
    });
    let found = block_on(futures::future::join_all(answers));
    for (prompt, ids) in prompts.iter().zip(found) {
        assert_eq!(ids, alone(&free, prompt, &options));
    }
    let bytes = block_on(model.engine()).expect("it is loaded").memory().kv;
    assert!(bytes < (184_320 + (64 << 10)), "{bytes} bytes");
}

#[test]
fn a_full_context_ends_one_answer_and_no_other() {
    let load = LoadOptions {
        engine: EngineOptions {
            context_length: Some(24),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let model = fixtures::case("f32-mha").load(&load);
    let options = |tokens| GenerateOptions {
        max_new_tokens: Some(tokens),
        temperature: Some(0.0),
        exit: Exit::from(ExitRule::Step(2)),
        verify: Verify::Always,
        ..GenerateOptions::default()
    };
    let prompt: Vec<u32> = (0..16).collect();
    let expected = alone(&model, &[7, 8], &options(12));
    let mut full = begin(&model, &prompt, &options(40));
    let mut other = begin(&model, &[7, 8], &options(12));
    let (mut ids, mut error, mut given) = (Vec::new(), None, 0);
    for _ in 0..60 {
        if error.is_none() {
            match block_on(full.next(&|| false)) {
                Ok(token) => given += usize::from(token.is_some()),
                Err(e) => error = Some(e),
            }
        }
        ids.extend(next(&mut other));
    }
    let error = error.expect("it asked for more than there is");
    assert_eq!((error.code(), given), ("context-full", 9));
    assert_eq!(ids, expected);
    assert_eq!(other.finish().reason, FinishReason::Length);
}

/// A device that binds so little that few tokens can be between their steps.
#[test]
fn many_answers_share_few_states() {
    let case = fixtures::case("f32-mha");
    let load = LoadOptions {
        device: looplm_gpu::DeviceOptions {
            max_binding_size: Some(32 << 10),
            ..looplm_gpu::DeviceOptions::default()
        },
        engine: EngineOptions {
            max_rows: Some(4),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let (small, free) = (case.load(&load), case.load(&LoadOptions::default()));
    let mut rng = StdRng::seed_from_u64(9);
    let requests: Vec<_> = (0..24)
        .map(|i| {
            let (prompt, options) = random(&mut rng);
            let options = GenerateOptions {
                max_new_tokens: Some(12),
                exit: ExitRule::Step(1).into(),
                kv: KvPolicy::Full,
                verify: [Verify::Always, Verify::Off][i % 2],
                ..options
            };
            (prompt, options)
        })
        .collect();
    let answers = requests.iter().map(|(prompt, options)| {
        let mut generation = begin(&small, prompt, options);
        async move {
            let mut ids = Vec::new();
            while let Some(token) = generation.next(&|| false).await.expect("it runs") {
                ids.push(token.id);
            }
            ids
        }
    });
    let found = block_on(futures::future::join_all(answers));
    for ((prompt, options), ids) in requests.iter().zip(found) {
        assert_eq!(ids, alone(&free, prompt, options), "{options:?}");
    }
}

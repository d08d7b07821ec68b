//! A prompt that begins as an answer before it ended is computed from there on, and the answer is that of a model that never saw the
//! other.

use looplm::{
    LoopLm,
    engine::EngineOptions,
    exit::{Exit, ExitRule},
    forward::ForwardOptions,
    generate::{Finish, GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
};
use pollster::block_on;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixtures;

fn model() -> LoopLm {
    fixtures::case("f32-mha").load(&LoadOptions::default())
}

fn ids(rng: &mut StdRng, count: usize) -> Vec<u32> {
    (0..count).map(|_| rng.random_range(0..48)).collect()
}

fn options() -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(12),
        temperature: Some(1.1),
        seed: Some(11),
        cache_prompt: true,
        ..GenerateOptions::default()
    }
}

/// `most` tokens of an answer, and its figures.
fn some_of(
    model: &LoopLm,
    prompt: &[u32],
    options: &GenerateOptions,
    most: usize,
) -> (Vec<u32>, Finish) {
    let mut generation =
        Generation::new(model, prompt.to_vec(), options.clone()).expect("the options are fine");
    let next = || block_on(generation.next(&|| false)).expect("the model runs");
    let tokens = std::iter::from_fn(next).take(most);
    let answer = tokens.map(|token| token.id).collect();
    (answer, generation.finish())
}

fn answer(model: &LoopLm, prompt: &[u32], options: &GenerateOptions) -> (Vec<u32>, Finish) {
    some_of(model, prompt, options, usize::MAX)
}

/// Turns of a conversation, each compared with what a model says that keeps nothing; how much of each prompt was there.
fn conversation(
    (model, fresh): &(LoopLm, LoopLm),
    options: &GenerateOptions,
    turns: usize,
) -> Vec<(usize, usize)> {
    let mut rng = StdRng::seed_from_u64(options.seed.unwrap_or(0) + turns as u64);
    let mut prompt = ids(&mut rng, 20);
    let mut cached = Vec::new();
    for turn in 0..turns {
        let (said, finish) = answer(model, &prompt, options);
        let plain = GenerateOptions {
            cache_prompt: false,
            ..options.clone()
        };
        let (wanted, whole) = answer(fresh, &prompt, &plain);
        assert_eq!(said, wanted, "turn {turn}");
        assert_eq!(whole.cached_tokens, 0);
        assert_eq!(finish.prompt_tokens, prompt.len());
        assert_eq!(
            whole.row_steps - finish.row_steps,
            4 * finish.cached_tokens,
            "turn {turn}: what is cached is not computed, and everything else is"
        );
        cached.push((finish.cached_tokens, prompt.len()));
        prompt.extend(&said);
        prompt.extend(ids(&mut rng, 7));
    }
    cached
}

#[test]
fn a_conversation_goes_on_where_it_was() {
    // The last token of an answer has taken no step.
    let cached = conversation(&(model(), model()), &options(), 4);
    assert_eq!(cached, [(0, 20), (31, 39), (50, 58), (69, 77)]);
}

#[test]
fn it_does_with_a_penalty_and_with_guesses() {
    let models = (model(), model());
    let penalised = GenerateOptions {
        repetition_penalty: Some(1.4),
        seed: Some(12),
        ..options()
    };
    let cached = conversation(&models, &penalised, 3);
    assert_eq!(cached, [(0, 20), (31, 39), (50, 58)]);
    let guessed = GenerateOptions {
        exit: Exit::from(ExitRule::Gate(0.3)),
        verify: Verify::Always,
        seed: Some(13),
        ..options()
    };
    let cached = conversation(&models, &guessed, 3);
    assert_eq!(cached, [(0, 20), (31, 39), (50, 58)]);
}

#[test]
fn tokens_that_lack_steps_are_computed_again() {
    let models = (model(), model());
    for (kv, most) in [
        // Some of the last ones wait for steps that nobody needed.
        (KvPolicy::Full, 31),
        // What is left of answers is not what prompts are.
        (KvPolicy::LastExited, 20),
    ] {
        let early = GenerateOptions {
            exit: Exit::from(ExitRule::Gate(0.4)),
            verify: Verify::Off,
            kv,
            seed: Some(15 + most as u64),
            ..options()
        };
        let cached = conversation(&models, &early, 2);
        assert!((20..=most).contains(&cached[1].0), "{kv}: {cached:?}");
    }
    let shared = GenerateOptions {
        kv: KvPolicy::Last,
        seed: Some(14),
        ..options()
    };
    assert_eq!(conversation(&models, &shared, 2), [(0, 20), (0, 39)]);
}

#[test]
fn the_same_prompt_is_computed_but_for_its_last_token() {
    let model = model();
    let prompt = ids(&mut StdRng::seed_from_u64(5), 30);
    let (first, _) = some_of(&model, &prompt, &options(), 5);
    let (again, finish) = answer(&model, &prompt, &options());
    assert_eq!(again[..5], first);
    assert_eq!(finish.cached_tokens, 29);
}

#[test]
fn only_what_fits_is_taken() {
    let mut rng = StdRng::seed_from_u64(6);
    let (model, prompt) = (model(), ids(&mut rng, 40));
    let cached = |prompt: &[u32], options: &GenerateOptions| {
        answer(&model, prompt, &self::options());
        answer(&model, prompt, options).1.cached_tokens
    };
    assert_eq!(cached(&prompt, &options()), 39);
    for (what, other) in [
        (
            "not asked for",
            GenerateOptions {
                cache_prompt: false,
                ..options()
            },
        ),
        (
            "other steps",
            GenerateOptions {
                steps: Some(3),
                ..options()
            },
        ),
        (
            "another policy",
            GenerateOptions {
                kv: KvPolicy::LastExited,
                verify: Verify::Off,
                ..options()
            },
        ),
    ] {
        assert_eq!(cached(&prompt, &other), 0, "{what}");
    }
    let then = |beginning: usize| {
        answer(&model, &prompt, &options());
        let mut other = prompt[..beginning].to_vec();
        other.push((prompt[beginning] + 1) % 48);
        other.extend([1; 9]);
        answer(&model, &other, &options()).1.cached_tokens
    };
    assert_eq!(then(16), 16);
    assert_eq!(then(15), 0, "too little to matter");
}

#[test]
fn what_is_kept_is_in_nobodys_way() {
    let mut rng = StdRng::seed_from_u64(7);
    let case = fixtures::case("f32-mha");
    let plain = GenerateOptions {
        cache_prompt: false,
        ..options()
    };
    // Room for one answer, not for two.
    let entry = {
        let model = model();
        let mut generation = Generation::new(&model, vec![1, 2], plain.clone()).expect("fine");
        block_on(generation.next(&|| false)).expect("the model runs");
        generation.finish().kv_bytes / 8
    };
    let load = LoadOptions {
        engine: EngineOptions {
            kv_bytes: Some(entry * 4 * 60),
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    };
    let model = case.load(&load);
    for options in [&options(), &plain] {
        for _ in 0..3 {
            let prompt = ids(&mut rng, 45);
            let (said, finish) = answer(&model, &prompt, options);
            assert_eq!((said.len(), finish.cached_tokens), (12, 0));
        }
    }
    // Two at once, of which the first has left something.
    let prompt = ids(&mut rng, 25);
    let (said, _) = answer(&model, &prompt, &options());
    let mut going = Generation::new(&model, ids(&mut rng, 4), plain).expect("fine");
    block_on(going.next(&|| false)).expect("the model runs");
    let (again, finish) = answer(&model, &prompt, &options());
    assert_eq!((again, finish.cached_tokens), (said, 24));
    let rest = std::iter::from_fn(|| block_on(going.next(&|| false)).expect("the model runs"));
    assert_eq!(rest.count(), 11);
}

#[test]
fn a_forward_pass_leaves_it_there_where_both_have_room() {
    let model = model();
    let prompt = ids(&mut StdRng::seed_from_u64(8), 20);
    let forward = |ids: &[u32]| {
        block_on(model.forward(ids, &ForwardOptions::default(), &|| false)).expect("it runs");
        block_on(model.engine()).expect("it is there").kv_used()
    };
    answer(&model, &prompt, &options());
    assert!(forward(&[1, 2]) > 0);
    assert_eq!(answer(&model, &prompt, &options()).1.cached_tokens, 19);
    // To begin with there is room for one sequence.
    let whole = vec![1; model.info().context];
    assert_eq!(forward(&whole), 0, "rather than have the cache grow");
}

#[test]
fn whatever_comes_in_between_answers_stay_what_they_are() {
    let mut rng = StdRng::seed_from_u64(9);
    let (model, fresh) = (model(), model());
    let mut known = [ids(&mut rng, 18), ids(&mut rng, 24)];
    let mut reused = 0;
    for _ in 0..24 {
        let of = usize::from(rng.random_bool(0.3));
        let keep = rng.random_range(known[of].len() / 2..=known[of].len());
        let more = rng.random_range(0..6);
        let prompt = [&known[of][..keep], &ids(&mut rng, more)].concat();
        let options = GenerateOptions {
            max_new_tokens: Some(rng.random_range(1..9)),
            seed: Some(rng.random()),
            cache_prompt: rng.random_bool(0.8),
            ..options()
        };
        // Some are left in the middle.
        let most = rng.random_range(1..12);
        let (said, finish) = some_of(&model, &prompt, &options, most);
        let plain = GenerateOptions {
            cache_prompt: false,
            ..options
        };
        assert_eq!(said, some_of(&fresh, &prompt, &plain, most).0);
        reused += usize::from(finish.cached_tokens > 0);
        known[of] = [prompt, said].concat();
        known[of].truncate(60);
    }
    assert!(reused > 4, "{reused} went on with another");
}

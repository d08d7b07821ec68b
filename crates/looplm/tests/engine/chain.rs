//! Tokens that follow one another on the device: the text is that of one token at a time, to the bit, in fewer submissions.

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    engine::{Ask, Place},
    error::Coded,
    exit::{Exit, ExitRule},
    generate::{Finish, FinishReason, GenerateOptions, Generation, Token, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
    row::{Pass, Row, Step},
    sampling::Sampling,
    schedule::Prefill,
};
use pollster::block_on;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixtures::{self, Case};

const GREEDY: Sampling = Sampling {
    temperature: 0.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    repetition_penalty: 1.0,
    seed: 11,
};

fn step(n: usize) -> Step {
    Step::new(n).expect("a step")
}

/// A token, and the gate of each of its steps to the bit.
type Plain = (u32, Vec<u32>);

/// `count` tokens, each read from step `exit` of `steps`, with a submission for every pass.
fn one_by_one(
    model: &LoopLm,
    prompt: &[u32],
    (exit, steps): (usize, usize),
    sampling: Sampling,
    count: usize,
) -> Vec<Plain> {
    let mut engine = block_on(model.engine()).expect("it is loaded");
    let id = block_on(engine.begin(step(steps), KvPolicy::Full)).expect("there is room");
    let mut text = prompt.to_vec();
    let mut done = 0;
    let mut tokens = Vec::new();
    while tokens.len() < count {
        block_on(engine.append(id, &text[done..])).expect("there is room");
        let last: Place = (id, text.len() - 1);
        let mut next = None;
        for pass in Prefill::new(id, done, text.len(), step(steps), engine.max_rows()) {
            let is_read = pass.rows[0].step == step(exit)
                && pass.rows.last().is_some_and(|row| row.position == last.1);
            let draw = [(last, sampling)];
            let ask = if is_read {
                Ask {
                    report: &[last],
                    draw: &draw,
                    ..Ask::default()
                }
            } else {
                Ask::default()
            };
            let outcome = block_on(engine.submit(&[pass], &ask)).expect("it is a pass");
            if let ([token], [steps]) = (&*outcome.tokens, &*outcome.reports) {
                next = Some((*token, bits(steps)));
            }
        }
        done = text.len();
        let next = next.expect("it was drawn");
        text.push(next.0);
        tokens.push(next);
    }
    engine.end(id);
    tokens
}

fn bits(steps: &[looplm::trace::StepTrace]) -> Vec<u32> {
    steps.iter().map(|step| step.lambda.to_bits()).collect()
}

fn options(sampling: Sampling, tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(tokens),
        temperature: Some(sampling.temperature),
        top_k: Some(sampling.top_k),
        top_p: Some(sampling.top_p),
        min_p: Some(sampling.min_p),
        repetition_penalty: Some(sampling.repetition_penalty),
        seed: Some(sampling.seed),
        verify: Verify::Off,
        ..GenerateOptions::default()
    }
}

fn begin(model: &LoopLm, prompt: &[u32], options: &GenerateOptions) -> Generation {
    Generation::new(model, prompt.to_vec(), options.clone()).expect("the options are fine")
}

fn rest(generation: &mut Generation) -> Vec<Token> {
    let next = || block_on(generation.next(&|| false)).expect("the model runs");
    std::iter::from_fn(next).collect()
}

fn run(model: &LoopLm, prompt: &[u32], options: &GenerateOptions) -> (Vec<Token>, Finish) {
    let mut generation = begin(model, prompt, options);
    let tokens = rest(&mut generation);
    (tokens, generation.finish())
}

fn plain(tokens: &[Token]) -> Vec<Plain> {
    tokens
        .iter()
        .map(|t| (t.id, bits(&t.steps[..t.exit_step])))
        .collect()
}

fn ids(tokens: &[Plain]) -> Vec<u32> {
    tokens.iter().map(|token| token.0).collect()
}

fn kv_used(model: &LoopLm) -> u64 {
    block_on(model.engine()).expect("it is loaded").kv_used()
}

fn samplings() -> [Sampling; 5] {
    let warm = Sampling {
        temperature: 0.9,
        ..GREEDY
    };
    [
        GREEDY,
        warm,
        Sampling {
            top_k: 12,
            top_p: 0.8,
            ..warm
        },
        Sampling {
            repetition_penalty: 1.4,
            min_p: 0.01,
            ..warm
        },
        // Greedy repeats itself, and is punished for what the device noted by itself.
        Sampling {
            repetition_penalty: 1.2,
            ..GREEDY
        },
    ]
}

#[test]
fn the_text_is_that_of_one_token_at_a_time() {
    for name in ["f16-gqa", "bf16-six-steps-tied", "f32-one-layer-one-step"] {
        let case = fixtures::case(name);
        let model = case.load(&LoadOptions::default());
        let (prompt, steps) = (case.prompt(), model.config().total_ut_steps);
        for sampling in samplings() {
            let expected = one_by_one(&model, &prompt, (steps, steps), sampling, 45);
            for count in [1, 2, 3, 45] {
                let (found, finish) = run(&model, &prompt, &options(sampling, count));
                assert_eq!(plain(&found), expected[..count], "{name}, {sampling:?}");
                assert_eq!((finish.reason, finish.discarded), (FinishReason::Length, 0));
                assert_eq!(
                    finish.passes - finish.prefill_passes,
                    steps * (count - 1),
                    "nothing is computed in vain"
                );
            }
        }
        assert_eq!(kv_used(&model), 0);
    }
}

/// A fixed step needs no decision either: what tokens leave out is made up for, or left out for good.
#[test]
fn a_fixed_step_is_chained_too() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let prompt = case.prompt();
    for sampling in samplings() {
        for exit in 1..4 {
            let expected = one_by_one(&model, &prompt, (exit, 4), sampling, 70);
            let early = GenerateOptions {
                exit: ExitRule::Step(exit).into(),
                ..options(sampling, 70)
            };
            assert_eq!(
                plain(&run(&model, &prompt, &early).0),
                expected,
                "step {exit}"
            );
            // Bounds that leave nothing to a rule are a fixed step, and the head may be looked at all the same.
            let bounded = Exit {
                rule: ExitRule::Confidence(0.5),
                min_steps: exit,
                max_steps: Some(exit),
            };
            let bounded = GenerateOptions {
                exit: bounded,
                trace_top_k: Some(2),
                ..options(sampling, 70)
            };
            let (found, _) = run(&model, &prompt, &bounded);
            assert_eq!(plain(&found), expected, "step {exit}, by its bounds");
            for token in &found {
                assert!(token.steps.iter().all(|step| step.lens.is_some()));
            }
            let left = |tokens| GenerateOptions {
                kv: KvPolicy::LastExited,
                exit: ExitRule::Step(exit).into(),
                ..options(sampling, tokens)
            };
            let (whole, _) = run(&model, &prompt, &left(70));
            // Chains of other lengths, cut elsewhere.
            let (short, _) = run(&model, &prompt, &left(23));
            assert_eq!(plain(&short), plain(&whole)[..23]);
        }
    }
    assert_eq!(kv_used(&model), 0);
}

fn stopping_at(case: &Case, id: u32) -> LoopLm {
    let source = fixtures::memory(case).with(
        "generation_config.json",
        format!("{{\"eos_token_id\": {id}}}"),
    );
    fixtures::load(&source, &LoadOptions::default()).expect("it loads")
}

#[test]
fn what_comes_behind_a_stop_is_taken_back() {
    let case = fixtures::case("f16-gqa");
    let prompt = case.prompt();
    let warm = Sampling {
        temperature: 1.5,
        ..GREEDY
    };
    let free = fixtures::load(
        &FolderSource::new(case.folder.join("model")).expect("a case has a model"),
        &LoadOptions::default(),
    )
    .expect("it loads");
    let text = ids(&one_by_one(&free, &prompt, (4, 4), warm, 60));
    let entry = {
        let (_, finish) = run(&free, &prompt, &options(warm, 1));
        finish.kv_bytes / prompt.len() as u64
    };
    // The first time each of these tokens comes is where the answer stops.
    for at in [0, 1, 2, 5, 9, 17, 21, 30] {
        let stop = text[at];
        let length = 1 + text.iter().position(|id| *id == stop).expect("it is there");
        let model = stopping_at(&case, stop);
        for timeline in [false, true] {
            let options = GenerateOptions {
                timeline,
                ..options(warm, 60)
            };
            let (found, finish) = run(&model, &prompt, &options);
            assert_eq!(ids(&plain(&found)), text[..length]);
            assert_eq!(finish.reason, FinishReason::Stop);
            let held = (prompt.len() + length - 1) as u64 * entry;
            assert_eq!(finish.kv_bytes, held, "the stop itself takes no step");
            let decoding = finish.passes - finish.prefill_passes;
            assert_eq!(decoding, 4 * (length - 1) + finish.discarded);
            if timeline {
                assert_eq!(finish.timeline.len(), decoding);
            }
            assert_eq!(
                finish.discarded, 0,
                "no figure depends on the machine's pace"
            );
        }
        assert_eq!(kv_used(&model), 0);
    }
}

#[test]
fn a_stop_text_ends_it_where_it_ends_one_token_at_a_time() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/who-is-who");
    let source = FolderSource::new(folder).expect("the model is in the repository");
    let model = fixtures::load(&source, &LoadOptions::default()).expect("it loads");
    let tokenizer = model.tokenizer().expect("it has one");
    let prompt = tokenizer.encode("about alice :", true).expect("it is text");
    let text = |tokens: &[Token]| -> String { tokens.iter().map(|t| t.text.as_str()).collect() };
    let (whole, _) = run(&model, &prompt, &options(GREEDY, 60));
    let whole = text(&whole);
    for word in whole.split_whitespace().step_by(3) {
        let stop = GenerateOptions {
            stop: vec![word.to_owned()],
            ..options(GREEDY, 60)
        };
        let (found, finish) = run(&model, &prompt, &stop);
        assert_eq!(finish.reason, FinishReason::Stop);
        let end = whole.find(word).expect("it is there");
        assert_eq!(text(&found), whole[..end], "until {word:?}");
    }
    assert_eq!(kv_used(&model), 0);
}

#[test]
fn a_full_context_comes_after_as_many_tokens() {
    let mut load = LoadOptions::default();
    load.engine.context_length = Some(29);
    let case = fixtures::case("f32-mha");
    let (model, free) = (case.load(&load), case.load(&LoadOptions::default()));
    for length in 1..=14 {
        let prompt: Vec<u32> = (0..length).collect();
        let fits = 30 - length as usize;
        let expected = one_by_one(&free, &prompt, (4, 4), GREEDY, fits);
        let mut generation = begin(&model, &prompt, &options(GREEDY, 100));
        let mut found = Vec::new();
        let error = loop {
            match block_on(generation.next(&|| false)) {
                Ok(token) => found.extend(token),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), "context-full");
        assert_eq!(plain(&found), expected, "a prompt of {length}");
        let open_end = GenerateOptions {
            max_new_tokens: None,
            ..options(GREEDY, 1)
        };
        let (found, finish) = run(&model, &prompt, &open_end);
        assert_eq!(plain(&found), expected);
        assert_eq!(finish.reason, FinishReason::Length);
    }
    assert_eq!(kv_used(&model), 0);
}

#[test]
fn an_abort_in_the_middle_leaves_nothing_and_the_talk_goes_on() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let warm = samplings()[3];
    let expected = ids(&one_by_one(&model, &case.prompt(), (4, 4), warm, 50));
    for after in [1, 2, 3, 5, 11, 20, 31] {
        let mut generation = begin(&model, &case.prompt(), &options(warm, 50));
        let mut text = case.prompt();
        for _ in 0..after {
            let token = block_on(generation.next(&|| false)).expect("the model runs");
            text.extend(token.map(|token| token.id));
        }
        let error = block_on(generation.next(&|| true)).expect_err("it was aborted");
        assert_eq!(error.code(), "aborted");
        drop(generation);
        assert_eq!(text[case.prompt().len()..], expected[..after]);
        let more = GenerateOptions {
            answered: after,
            ..options(warm, 50)
        };
        let (found, _) = run(&model, &text, &more);
        assert_eq!(ids(&plain(&found)), expected[after..]);
        assert_eq!(kv_used(&model), 0);
    }
}

/// Answers of different lengths, some of which need decisions, join and leave.
#[test]
fn answers_side_by_side_are_chained_and_none_can_tell() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..6 {
        let count = [2, 2, 3, 5, 16, 20][round];
        let requests: Vec<_> = (0..count)
            .map(|i| {
                let prompt: Vec<u32> = (0..rng.random_range(1..9))
                    .map(|_| rng.random_range(0..48))
                    .collect();
                let sampling = Sampling {
                    seed: rng.random(),
                    ..samplings()[rng.random_range(0..5)]
                };
                let options = GenerateOptions {
                    // Guesses now and then, and rests.
                    verify: [Verify::Off, Verify::Auto][usize::from(i % 3 == 2)],
                    ..options(sampling, rng.random_range(1..60))
                };
                (prompt, sampling, options)
            })
            .collect();
        let answers = requests.iter().map(|(prompt, _, options)| {
            let mut generation = begin(&model, prompt, options);
            async move {
                let mut tokens = Vec::new();
                while let Some(token) = generation.next(&|| false).await.expect("it runs") {
                    tokens.push(token);
                }
                tokens
            }
        });
        let found = block_on(futures::future::join_all(answers));
        for (tokens, (prompt, sampling, options)) in found.iter().zip(&requests) {
            let count = options.max_new_tokens.expect("it says how many");
            let expected = one_by_one(&model, prompt, (4, 4), *sampling, count);
            assert_eq!(plain(tokens), expected, "round {round}, {options:?}");
        }
        assert_eq!(kv_used(&model), 0);
    }
}

#[test]
fn fewer_submissions_do() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let submissions = |options: &GenerateOptions| {
        let count = || {
            block_on(model.engine())
                .expect("it is loaded")
                .submissions()
        };
        let before = count();
        let (tokens, _) = run(&model, &case.prompt(), options);
        assert_eq!(tokens.len(), 65);
        count() - before
    };
    let prefill = 4;
    // How many go together depends on how fast they come, which another program may disturb.
    let few = (0..5).any(|_| submissions(&options(GREEDY, 65)) <= prefill + 16);
    assert!(few, "64 tokens take up to 16 submissions");
    let decided = GenerateOptions {
        exit: ExitRule::Gate(0.9999).into(),
        ..options(GREEDY, 65)
    };
    assert!(submissions(&decided) >= prefill + 64);
}

#[test]
fn a_token_that_nobody_draws_is_refused() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let mut engine = block_on(model.engine()).expect("it is loaded");
    let id = block_on(engine.begin(step(1), KvPolicy::Full)).expect("there is room");
    block_on(engine.append(id, &[5])).expect("there is room");
    block_on(engine.append_drawn(id, 2)).expect("there is room");
    let pass = |position| Pass {
        rows: vec![Row {
            sequence: id,
            position,
            step: Step::FIRST,
        }],
    };
    let passes = [pass(0), pass(1), pass(2)];
    let draw = |position: usize| ((id, position), GREEDY);
    let ask = |draw: &[(Place, Sampling)], engine: &mut looplm::engine::Engine| {
        let ask = Ask {
            draw,
            ..Ask::default()
        };
        block_on(engine.submit(&passes, &ask))
    };
    for missing in [vec![], vec![draw(0)], vec![draw(1), draw(2)]] {
        let error = ask(&missing, &mut engine).expect_err("a token is not drawn");
        assert_eq!(error.code(), "invalid-argument");
    }
    let together = Pass {
        rows: [pass(0).rows, pass(1).rows].concat(),
    };
    let both = [draw(0)];
    let question = Ask {
        draw: &both,
        ..Ask::default()
    };
    block_on(engine.submit(&[together], &question)).expect_err("it is drawn too late");
    let drawn = ask(&[draw(0), draw(1), draw(2)], &mut engine).expect("all are drawn");
    let text = engine.tokens(id).expect("it goes on");
    assert_eq!(text, [5, drawn.tokens[0], drawn.tokens[1]]);
    engine.end(id);
}

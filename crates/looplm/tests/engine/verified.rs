//! Verified early exit: whatever guesses, the answer is that of full depth, to the bit.

use std::cell::Cell;

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    exit::{Exit, ExitRule},
    generate::{Finish, GenerateOptions, Generation, Token, Verify},
    model::LoadOptions,
};
use pollster::block_on;

use crate::fixtures;

fn run(model: &LoopLm, prompt: &[u32], options: &GenerateOptions) -> (Vec<Token>, Finish) {
    let mut generation =
        Generation::new(model, prompt.to_vec(), options.clone()).expect("the options are fine");
    let mut tokens = Vec::new();
    while let Some(token) = block_on(generation.next(&|| false)).expect("the model runs") {
        tokens.push(token);
    }
    (tokens, generation.finish())
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|token| token.id).collect()
}

fn options(temperature: f32, exit: Exit, verify: Verify) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(60),
        temperature: Some(temperature),
        seed: Some(11),
        exit,
        verify,
        ..GenerateOptions::default()
    }
}

fn rules() -> Vec<ExitRule> {
    [
        "step:1",
        "step:2",
        "gate:0.3",
        "gate:0.6",
        "gate-delayed:0.4",
        "hidden:0.6",
        "hidden-abs:4",
        "confidence:0.08",
        "entropy:3.5",
        "agree:2",
    ]
    .map(|text| text.parse().expect("a rule"))
    .into()
}

/// All rules, greedy and at several temperatures, over several fixture models: more than 10,000 tokens.
#[test]
fn guessing_changes_no_token() {
    let (tokens, guessed, right) = (Cell::new(0), Cell::new(0), Cell::new(0));
    for name in [
        "f32-mha",
        "f32-gqa-head-dim",
        "f16-gqa",
        "bf16-six-steps-tied",
    ] {
        let case = fixtures::case(name);
        let model = case.load(&LoadOptions::default());
        let prompt = case.prompt();
        for temperature in [0.0, 0.7, 1.5] {
            let plain = run(
                &model,
                &prompt,
                &options(temperature, Exit::default(), Verify::Off),
            )
            .0;
            let check = |options: &GenerateOptions| {
                let (found, finish) = run(&model, &prompt, options);
                let what = format!("{name}, {}, temperature {temperature}", options.exit.rule);
                assert_eq!(ids(&found), ids(&plain), "{what}");
                for (token, plain) in found.iter().zip(&plain) {
                    let states = |t: &Token| -> Vec<u32> {
                        t.steps.iter().map(|step| step.lambda.to_bits()).collect()
                    };
                    assert_eq!(states(token), states(plain), "{what}: to the bit");
                }
                tokens.set(tokens.get() + found.len());
                guessed.set(guessed.get() + finish.drafts.iter().map(|d| d.drafted).sum::<usize>());
                right.set(right.get() + finish.accepted);
            };
            for rule in rules() {
                check(&options(temperature, rule.into(), Verify::Always));
            }
            check(&options(temperature, Exit::default(), Verify::Auto));
        }
    }
    let (tokens, guessed, right) = (tokens.get(), guessed.get(), right.get());
    assert!(tokens > 7500, "{tokens} tokens");
    assert!(
        guessed > tokens / 2,
        "{guessed} guesses for {tokens} tokens"
    );
    assert!(
        0 < right && right < guessed,
        "{right} of {guessed} were right"
    );
}

/// The shipped model that speaks: sentences in which easy words are guessed early and names late, and what comes after them.
#[test]
fn guessing_changes_no_word_of_the_shipped_model() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/who-is-who");
    let source = FolderSource::new(folder).expect("the model is in the repository");
    let model = fixtures::load(&source, &LoadOptions::default()).expect("it loads");
    let tokenizer = model.tokenizer().expect("it has one");
    let task = model
        .config()
        .looplm_task
        .clone()
        .expect("it says what it does");
    let names = task["names"].as_array().expect("a list");
    let (mut tokens, mut accepted) = (0, 0);
    for name in names.iter().step_by(9) {
        let text = format!("about {} :", name.as_str().expect("a name"));
        let prompt = tokenizer.encode(&text, true).expect("it is text");
        for temperature in [0.0, 0.8, 2.0] {
            let plain = run(
                &model,
                &prompt,
                &options(temperature, Exit::default(), Verify::Off),
            )
            .0;
            for rule in [
                "step:1",
                "gate:0.3",
                "gate:0.7",
                "confidence:0.5",
                "hidden:0.3",
                "agree:2",
            ] {
                let rule: ExitRule = rule.parse().expect("a rule");
                let verified = options(temperature, rule.into(), Verify::Always);
                let (found, finish) = run(&model, &prompt, &verified);
                assert_eq!(ids(&found), ids(&plain), "{text} {rule} {temperature}");
                tokens += found.len();
                accepted += finish.accepted;
            }
        }
    }
    assert!(tokens > 1_000, "{tokens} tokens");
    assert!(
        accepted > tokens / 2,
        "{accepted} of {tokens} were guessed right"
    );
}

/// With every guess right, a pass a token is enough: the wavefront is as deep as the loop.
#[test]
fn a_wavefront_of_right_guesses_takes_one_pass_a_token() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    // Two tokens of the vocabulary only, one of which is far ahead: every step says the same.
    let exit = Exit::from(ExitRule::Step(1));
    let hot = GenerateOptions {
        timeline: true,
        ..options(0.0, exit, Verify::Always)
    };
    let (_, finish) = run(&model, &case.prompt(), &hot);
    let first = finish.drafts[0];
    assert_eq!(first.accepted, finish.accepted);
    let decoding = finish.passes - finish.prefill_passes;
    // Each wrong guess costs the passes that a token takes alone.
    let wrong = first.drafted - first.accepted;
    assert!(
        decoding <= 59 + 4 + 3 * wrong,
        "{decoding} passes for 60 tokens and {wrong} wrong guesses"
    );
    assert_eq!(finish.timeline.len(), decoding);
    let rows: usize = finish.timeline.iter().map(|pass| pass.rows.len()).sum();
    assert_eq!(rows, finish.row_steps - 4 * case.prompt().len());
    assert!(finish.timeline.iter().any(|pass| pass.rows.len() == 4));
    let taken_back = finish
        .timeline
        .iter()
        .filter(|pass| pass.discarded_from.is_some());
    assert!(taken_back.count() >= wrong.min(1));
}

/// Where guesses are mostly wrong, it guesses less.
#[test]
fn guessing_stops_where_it_does_not_pay() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let exit = Exit::from(ExitRule::Step(1));
    let drafted = |verify| -> usize {
        let options = GenerateOptions {
            max_new_tokens: Some(150),
            ..options(1.5, exit, verify)
        };
        let (_, finish) = run(&model, &case.prompt(), &options);
        finish.drafts.iter().map(|d| d.drafted).sum()
    };
    let (always, adaptive) = (drafted(Verify::Always), drafted(Verify::On));
    assert!(
        adaptive * 2 < always,
        "{adaptive} guesses where it may choose, {always} where not"
    );
}

#[test]
fn a_stop_or_a_full_context_in_the_middle_of_guesses_is_the_same_as_without() {
    let case = fixtures::case("f32-mha");
    let mut load = LoadOptions::default();
    load.engine.context_length = Some(20);
    let model = case.load(&load);
    for length in 6..=14 {
        let prompt: Vec<u32> = (0..length).collect();
        let of = |verify, exit| GenerateOptions {
            max_new_tokens: None,
            ..options(0.9, exit, verify)
        };
        let (plain, end) = run(&model, &prompt, &of(Verify::Off, Exit::default()));
        let exit = ExitRule::Step(1).into();
        let (found, finish) = run(&model, &prompt, &of(Verify::Always, exit));
        assert_eq!((ids(&found), finish.reason), (ids(&plain), end.reason));
        assert_eq!(found.len(), 21 - length as usize);
    }
    let used = block_on(model.engine()).expect("it is loaded").kv_used();
    assert_eq!(used, 0, "nothing is left behind");
}

#[test]
fn a_repetition_penalty_draws_what_full_depth_draws() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let of = |verify, exit| GenerateOptions {
        repetition_penalty: Some(1.3),
        ..options(0.8, exit, verify)
    };
    let plain = run(&model, &case.prompt(), &of(Verify::Off, Exit::default())).0;
    let rule = Exit::from(ExitRule::Step(1));
    assert_eq!(
        ids(&run(&model, &case.prompt(), &of(Verify::On, rule)).0),
        ids(&plain)
    );
}

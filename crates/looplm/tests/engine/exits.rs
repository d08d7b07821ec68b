//! Exits that save compute, and what they leave in the KV cache, against the oracle.

use looplm::{
    LoopLm,
    exit::{Exit, ExitRule},
    generate::{Finish, GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
};
use pollster::block_on;

use crate::fixtures::{self, Case};

fn run(model: &LoopLm, prompt: &[u32], options: GenerateOptions) -> (Vec<u32>, Vec<usize>, Finish) {
    let mut generation =
        Generation::new(model, prompt.to_vec(), options).expect("the options are fine");
    let (mut ids, mut exits) = (Vec::new(), Vec::new());
    while let Some(token) = block_on(generation.next(&|| false)).expect("the model runs") {
        assert!(token.steps.len() >= token.exit_step);
        ids.push(token.id);
        exits.push(token.exit_step);
    }
    (ids, exits, generation.finish())
}

fn options(tokens: usize, exit: Exit, kv: KvPolicy) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(tokens),
        temperature: Some(0.0),
        exit,
        kv,
        verify: Verify::Off,
        ..GenerateOptions::default()
    }
}

/// `CACHE|RULE` or `CACHE|RULE|MIN-MAX`.
fn parse(name: &str) -> (KvPolicy, Exit) {
    let mut parts = name.split('|');
    let mut part = || parts.next().expect("it has this part");
    let kv = part().parse().expect("a KV policy");
    let rule: ExitRule = part().parse().expect("an exit rule");
    let mut exit = Exit::from(rule);
    if let Some((min, max)) = parts.next().and_then(|bounds| bounds.split_once('-')) {
        exit.min_steps = min.parse().expect("a number");
        exit.max_steps = Some(max.parse().expect("a number"));
    }
    (kv, exit)
}

/// Compares up to the first token that the oracle itself calls a near tie. Returns how many were compared.
fn check(case: &Case, model: &LoopLm) -> usize {
    let all = case.expected["exits"]
        .as_object()
        .expect("the case has them");
    let mut compared = 0;
    for (name, expected) in all {
        let (kv, exit) = parse(name);
        let (ids, exits) = (
            fixtures::ids(&expected["ids"]),
            fixtures::ids(&expected["exit_steps"]),
        );
        let (margins, rules) = (
            fixtures::numbers(&expected["margins"]),
            fixtures::numbers(&expected["rule_margins"]),
        );
        let found = run(model, &case.prompt(), options(ids.len(), exit, kv));
        for i in 0..ids.len() {
            if margins[i] <= 1e-3 || rules[i] <= 1e-3 {
                break;
            }
            let what = format!("{} {name} token {i}", case.name);
            assert_eq!(found.1[i], exits[i] as usize, "{what}: exit step");
            assert_eq!(found.0[i], ids[i], "{what}: id");
            compared += 1;
        }
    }
    compared
}

#[test]
fn every_rule_and_policy_agrees_with_the_oracle() {
    let mut compared = 0;
    let cases = fixtures::all();
    for case in cases
        .iter()
        .filter(|case| case.expected.get("exits").is_some())
    {
        compared += check(case, &case.load(&LoadOptions::default()));
    }
    assert!(compared > 500, "only {compared} tokens were compared");
}

/// Leaving early takes fewer passes, and computes fewer rows where nobody comes back for them.
#[test]
fn early_exits_save_passes_and_rows() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let prompt = case.prompt();
    let one = |kv| run(&model, &prompt, options(13, ExitRule::Step(1).into(), kv)).2;
    let full = run(
        &model,
        &prompt,
        options(13, Exit::default(), KvPolicy::Full),
    )
    .2;
    assert_eq!((full.prefill_passes, full.passes), (4, 4 + 12 * 4));
    assert_eq!(full.row_steps, 4 * prompt.len() + 12 * 4);
    for kv in [KvPolicy::Full, KvPolicy::LastExited, KvPolicy::First] {
        let early = one(kv);
        assert_eq!(early.passes, 4 + 12, "{kv}");
        assert_eq!(early.row_steps, 4 * prompt.len() + 12, "{kv}");
    }
    // These leave only once all steps are taken.
    for kv in [KvPolicy::Last, KvPolicy::Mean] {
        assert_eq!(
            one(kv).row_steps,
            full.row_steps - 3,
            "{kv}: all but the last token's"
        );
    }
}

/// The planes that early tokens left out are computed when a deep token needs them, all in a few passes.
#[test]
fn tokens_that_left_early_catch_up_together() {
    let case = fixtures::case("f32-long");
    let model = case.load(&LoadOptions::default());
    let prompt = case.prompt();
    // `agree:2` never leaves at step 1, `hidden` and `gate` mix depths.
    let exit = Exit::from(ExitRule::Gate(0.575));
    let mixed = run(&model, &prompt, options(40, exit, KvPolicy::Full));
    let whole: usize = mixed.1.iter().skip(1).sum();
    let rows = mixed.2.row_steps - 3 * prompt.len();
    assert!(
        rows > whole,
        "some steps were made up for: {rows} rows for {whole} steps"
    );
    assert!(rows <= 3 * 40);
    assert!(
        mixed.1.contains(&1) && mixed.1.contains(&2),
        "{:?}",
        mixed.1
    );
}

#[test]
fn one_entry_for_all_steps_takes_a_quarter_of_the_memory() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let prompt: Vec<u32> = (0..200).map(|i| i % 48).collect();
    let held = |kv| {
        let mut generation =
            Generation::new(&model, prompt.clone(), options(20, Exit::default(), kv))
                .expect("the options are fine");
        // To the end: before it, tokens are held that nobody has asked for yet.
        for _ in 0..20 {
            block_on(generation.next(&|| false)).expect("the model runs");
        }
        let allocated = block_on(model.engine()).expect("it is loaded").memory().kv;
        (generation.finish().kv_bytes as f64, allocated as f64)
    };
    let full = held(KvPolicy::Full);
    for kv in [KvPolicy::Last, KvPolicy::Mean, KvPolicy::First] {
        let shared = held(kv);
        assert!(
            shared.0 <= 0.26 * full.0,
            "{kv}: {} of {} bytes held",
            shared.0,
            full.0
        );
        assert!(
            shared.1 <= 0.5 * full.1,
            "{kv}: {} of {} bytes allocated",
            shared.1,
            full.1
        );
    }
    let mean = held(KvPolicy::LastExited);
    assert_eq!(mean.0, full.0, "all of them took all steps");
}

#[test]
fn bounds_and_rules_out_of_range_are_named() {
    let model = fixtures::case("f32-mha").load(&LoadOptions::default());
    let bad = |exit: Exit, kv, verify| {
        let options = GenerateOptions {
            verify,
            ..options(3, exit, kv)
        };
        Generation::new(&model, vec![1], options)
            .expect_err("out of range")
            .to_string()
    };
    let exit = |rule, min_steps, max_steps| Exit {
        rule,
        min_steps,
        max_steps,
    };
    let off = Verify::Off;
    let gate = ExitRule::Gate(0.5);
    assert!(bad(ExitRule::Confidence(1.5).into(), KvPolicy::Full, off).contains("probability"));
    assert!(bad(ExitRule::Agree(5).into(), KvPolicy::Full, off).contains("agree:5"));
    assert!(bad(exit(gate, 3, Some(2)), KvPolicy::Full, off).contains("maximum of 2"));
    assert!(bad(exit(gate, 1, Some(5)), KvPolicy::Full, off).contains("1 to 4"));
    assert!(bad(gate.into(), KvPolicy::Last, Verify::On).contains("KV policy full"));
}

/// Draws that a rule did not take leave no trace: a penalty sees the tokens of the answer only.
#[test]
fn a_penalty_counts_no_token_that_was_not_taken() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    let prompt = case.prompt();
    let of = |rule: ExitRule| GenerateOptions {
        repetition_penalty: Some(1.8),
        ..options(24, rule.into(), KvPolicy::Full)
    };
    // Asked at every step, and always answered with no.
    let asked = run(&model, &prompt, of(ExitRule::Hidden(1e-9)));
    let full = run(&model, &prompt, of(ExitRule::Full));
    assert_eq!(asked.0, full.0);
}

/// A limit as large as can be is no limit.
#[test]
fn the_largest_limit_overflows_nowhere() {
    let mut load = LoadOptions::default();
    load.engine.context_length = Some(30);
    let model = fixtures::case("f32-mha").load(&load);
    for verify in [Verify::Off, Verify::Always] {
        let options = GenerateOptions {
            verify,
            ..options(usize::MAX, ExitRule::Step(2).into(), KvPolicy::Full)
        };
        let mut generation =
            Generation::new(&model, vec![1, 2], options).expect("the options are fine");
        let mut tokens = 0;
        let error = loop {
            match block_on(generation.next(&|| false)) {
                Ok(_) => tokens += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.to_string().contains("30"), tokens), (true, 29));
    }
}

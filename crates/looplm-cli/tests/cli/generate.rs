//! `looplm generate`.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{
    Fixture, comma_separated, json, looplm, numbers, run, shell_game, succeed, text,
};

/// Closer choices than this may go either way.
const CLOSE: f64 = 1e-3;

const MOVES: &str = "swap12 left swap23 right";

fn generate_ids(model: &Path, prompt: &[u64], count: usize, more: &[&str]) -> Value {
    let (prompt, count) = (comma_separated(prompt), count.to_string());
    let mut args = vec![OsStr::new("generate"), model.as_os_str()];
    args.extend(["--ids", &prompt, "--max-new-tokens", &count, "--json"].map(OsStr::new));
    args.extend(more.iter().map(OsStr::new));
    json(args)
}

fn generate_text(more: &[&str]) -> Value {
    let model = shell_game();
    let mut args = vec![OsStr::new("generate"), model.as_os_str()];
    args.extend(["--prompt", MOVES, "--json"].map(OsStr::new));
    args.extend(more.iter().map(OsStr::new));
    json(args)
}

/// Compares a greedy continuation up to the first choice that is too close to call. Returns how many tokens that was.
fn compare(
    fixture: &Fixture,
    prompt: &[u64],
    expected: &Value,
    threshold: &str,
    steps: Option<&str>,
) -> usize {
    let (ids, exit_steps) = (numbers(&expected["ids"]), numbers(&expected["exit_steps"]));
    let margin = |name: &str, i: usize| {
        expected[name][i]
            .as_f64()
            .unwrap_or_else(|| panic!("{}: {name}", fixture.name))
    };
    let clear = (0..ids.len())
        .take_while(|&i| margin("margins", i) > CLOSE && margin("gate_margins", i) > CLOSE)
        .count();
    let rule = format!("gate:{threshold}");
    let mut more = vec!["--temperature", "0", "--exit", &rule];
    if let Some(steps) = steps {
        more.extend(["--steps", steps]);
    }
    let ours = generate_ids(&fixture.model(), prompt, ids.len(), &more);
    let what = format!("{} {rule} {steps:?}", fixture.name);
    assert_eq!(numbers(&ours["ids"])[..clear], ids[..clear], "{what}");
    assert_eq!(
        numbers(&ours["exit_steps"])[..clear],
        exit_steps[..clear],
        "{what}"
    );
    assert_eq!(numbers(&ours["ids"]).len(), ids.len(), "{what}");
    assert_eq!(ours["finish_reason"], "length", "{what}");
    assert_eq!(ours["text"], "", "{what}: there is no tokenizer");
    assert_eq!(ours["prompt_tokens"], prompt.len(), "{what}");
    clear
}

#[test]
fn greedy_tokens_and_exit_steps_are_those_of_the_reference() {
    for fixture in Fixture::some() {
        let expected = fixture.expected();
        let prompt = numbers(&expected["prompt"]);
        let mut compared = 0;
        for threshold in ["0.5", "0.8", "1.0"] {
            compared += compare(
                &fixture,
                &prompt,
                &expected["greedy"][format!("full:{threshold}")],
                threshold,
                None,
            );
        }
        assert!(
            compared > 0,
            "{}: every first choice is too close to call",
            fixture.name
        );
    }
}

#[test]
fn other_numbers_of_steps_are_those_of_the_reference() {
    let fixture = Fixture::named("f32-mha");
    let expected = fixture.expected();
    let prompt = numbers(&expected["prompt"]);
    for steps in ["2", "6"] {
        let greedy = expected["steps"][steps]["greedy"]
            .as_object()
            .expect("the fixture decodes with other steps");
        for (name, expected) in greedy {
            if let Some(threshold) = name.strip_prefix("full:") {
                compare(&fixture, &prompt, expected, threshold, Some(steps));
            }
        }
    }
}

#[test]
fn full_and_fixed_steps_exit_where_they_say() {
    let fixture = Fixture::named("f32-mha");
    let expected = fixture.expected();
    let prompt = numbers(&expected["prompt"]);
    let full = generate_ids(
        &fixture.model(),
        &prompt,
        6,
        &["--temperature", "0", "--verify=off"],
    );
    let never_early = generate_ids(
        &fixture.model(),
        &prompt,
        6,
        &["--temperature", "0", "--exit", "gate:1"],
    );
    assert_eq!(full["ids"], never_early["ids"]);
    assert_eq!(numbers(&full["exit_steps"]), [4; 6]);
    let second = generate_ids(
        &fixture.model(),
        &prompt,
        6,
        &["--temperature", "0", "--exit", "step:2"],
    );
    assert_eq!(numbers(&second["exit_steps"]), [2; 6]);
    // The prompt and five of the six tokens take four passes each.
    assert_eq!(full["passes"], 4 + 5 * 4);
}

#[test]
fn more_steps_than_trained_are_said_to_be_extrapolation() {
    let fixture = Fixture::named("f32-two-steps");
    let model = fixture.model();
    let args = |steps: &'static str| {
        [
            "generate",
            "--ids",
            "1,2,3",
            "--max-new-tokens",
            "2",
            "--json",
            "--steps",
            steps,
        ]
        .map(OsStr::new)
        .into_iter()
        .chain([model.as_os_str()])
    };
    let beyond = text(&run(args("5")).stderr);
    assert!(
        beyond.contains("extrapolation") && beyond.contains("2 steps"),
        "{beyond}"
    );
    assert_eq!(text(&run(args("2")).stderr), "");
}

#[test]
fn the_json_has_what_scripts_depend_on() {
    let answer = generate_text(&["--max-new-tokens", "4"]);
    let mut keys: Vec<&str> = answer
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "accepted",
            "cached_tokens",
            "discarded",
            "drafts",
            "exit_steps",
            "finish_reason",
            "ids",
            "kv_bytes",
            "passes",
            "prefill_passes",
            "prompt_tokens",
            "row_steps",
            "seconds",
            "text"
        ]
    );
    assert_eq!(numbers(&answer["ids"]).len(), 4);
    // Its beginning is the tokenizer's own token.
    assert_eq!(answer["prompt_tokens"], 5);
    assert_eq!(
        answer["text"]
            .as_str()
            .map(|t| t.split_whitespace().count()),
        Some(4)
    );
    assert!(answer["seconds"].as_f64() > Some(0.0));
}

#[test]
fn the_same_seed_draws_the_same_text() {
    let draw = |seed: &str| {
        generate_text(&[
            "--max-new-tokens",
            "24",
            "--temperature",
            "1.5",
            "--seed",
            seed,
        ])["ids"]
            .clone()
    };
    assert_eq!(draw("7"), draw("7"));
    assert_ne!(draw("7"), draw("8"));
}

#[test]
fn a_stop_text_ends_the_answer_and_is_not_part_of_it() {
    let whole = generate_text(&[
        "--max-new-tokens",
        "24",
        "--temperature",
        "1.5",
        "--seed",
        "3",
    ]);
    let whole_text = whole["text"].as_str().expect("a text");
    let stop = whole_text
        .split_whitespace()
        .nth(5)
        .expect("24 tokens are at least six words");
    let args = [
        "--max-new-tokens",
        "24",
        "--temperature",
        "1.5",
        "--seed",
        "3",
        "--stop",
        "never said",
        "--stop",
        stop,
    ];
    let stopped = generate_text(&args);
    assert_eq!(stopped["finish_reason"], "stop");
    let before = &whole_text[..whole_text.find(stop).expect("it was taken from there")];
    assert_eq!(stopped["text"], before);
    let ids = numbers(&stopped["ids"]);
    assert!(ids.len() <= 6, "{ids:?}");
    assert_eq!(ids, numbers(&whole["ids"])[..ids.len()]);
}

#[test]
fn a_person_reads_the_text_as_it_comes_and_the_figures_beside_it() {
    let model = shell_game();
    let args = [
        "generate",
        "--prompt",
        MOVES,
        "--max-new-tokens",
        "4",
        "--exit",
        "step:3",
    ]
    .map(OsStr::new);
    let output = run(args.into_iter().chain([model.as_os_str()]));
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    let expected = generate_text(&["--max-new-tokens", "4", "--exit", "step:3"]);
    assert_eq!(
        printed,
        format!("{}\n", expected["text"].as_str().expect("a text"))
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("4 tokens in ")
            && said.contains("step 3 (4)")
            && said.trim_end().ends_with("length"),
        "{said}"
    );
    assert!(
        !said.contains('\u{1b}') && !printed.contains('\u{1b}'),
        "colours go to terminals only"
    );
}

#[test]
fn ids_are_printed_where_there_is_no_tokenizer() {
    let fixture = Fixture::named("f32-mha");
    let model = fixture.model();
    let args = ["generate", "--ids", "1,2,3", "--max-new-tokens", "3"].map(OsStr::new);
    let printed = succeed(args.into_iter().chain([model.as_os_str()]));
    let expected = generate_ids(&model, &[1, 2, 3], 3, &[]);
    let words: Vec<u64> = printed
        .split_whitespace()
        .map(|w| w.parse().expect("an id"))
        .collect();
    assert_eq!(words, numbers(&expected["ids"]));
}

#[test]
fn colours_are_kept_where_they_are_asked_for_and_dropped_where_they_are_not_wanted() {
    let coloured = |name: &str| {
        let mut command = looplm();
        command.args([OsStr::new("generate"), shell_game().as_os_str()]);
        command
            .args(["--prompt", MOVES, "--max-new-tokens", "2"])
            .env(name, "1");
        text(
            &command
                .output()
                .expect("the program under test starts")
                .stdout,
        )
        .contains('\u{1b}')
    };
    assert!(coloured("CLICOLOR_FORCE"));
    assert!(!coloured("NO_COLOR"));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut command = looplm();
    command.args([OsStr::new("generate"), shell_game().as_os_str()]);
    command
        .args(["--prompt", MOVES, "--max-new-tokens", "32"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program under test starts");
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("it is a pipe")
        .read_to_string(&mut said)
        .expect("the program writes UTF-8");
    assert!(child.wait().expect("it ends").success(), "{said}");
    assert_eq!(said, "");
}

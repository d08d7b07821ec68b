//! What goes wrong is one readable line and exit code 1.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Fixture, copy, fail, run, set_config, shell_game, text};

fn generate(model: &Path, more: &[&str]) -> String {
    fail(
        [OsStr::new("generate"), model.as_os_str()]
            .into_iter()
            .chain(more.iter().map(OsStr::new)),
    )
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said:?}");
    }
}

#[test]
fn folders_that_are_no_model() {
    let nowhere = Path::new("no/such/folder");
    for command in ["info", "chat"] {
        assert_says(
            &fail([OsStr::new(command), nowhere.as_os_str()]),
            &["no/such/folder"],
        );
    }
    assert_says(
        &generate(nowhere, &["--ids", "1", "--max-new-tokens", "1"]),
        &["no/such/folder"],
    );
    let file = shell_game().join("config.json");
    assert_says(
        &fail([OsStr::new("info"), file.as_os_str()]),
        &["is a file"],
    );
    let empty = tempfile::TempDir::new().expect("there is room for a temporary folder");
    assert_says(
        &fail([OsStr::new("info"), empty.path().as_os_str()]),
        &["config.json"],
    );
}

#[test]
fn broken_models() {
    let model = copy(&shell_game());
    let weights = model.path().join("model.safetensors");
    let bytes = fs::read(&weights).expect("the copy has weights");

    fs::write(&weights, &bytes[..bytes.len() - 100]).expect("the copy can be written");
    for args in [
        ["info", "", ""],
        ["generate", "--ids=1", "--max-new-tokens=1"],
    ] {
        let args = args
            .iter()
            .filter(|a| !a.is_empty())
            .map(OsStr::new)
            .chain([model.path().as_os_str()]);
        assert_says(&fail(args), &["model.safetensors"]);
    }
    fs::write(&weights, &bytes[..5]).expect("the copy can be written");
    assert_says(
        &fail([OsStr::new("info"), model.path().as_os_str()]),
        &["model.safetensors"],
    );
    fs::remove_file(&weights).expect("the copy can be written");
    assert_says(
        &fail([OsStr::new("info"), model.path().as_os_str()]),
        &["model.safetensors", "model.safetensors.index.json"],
    );
    fs::write(&weights, &bytes).expect("the copy can be written");
    set_config(model.path(), "hidden_size", json!(63));
    assert_says(
        &fail([OsStr::new("info"), model.path().as_os_str()]),
        &["63"],
    );
    fs::write(model.path().join("config.json"), "{").expect("the copy can be written");
    assert_says(
        &fail([OsStr::new("info"), model.path().as_os_str()]),
        &["config.json"],
    );
}

#[test]
fn values_out_of_their_range() {
    let model = shell_game();
    let usual = ["--prompt", "left", "--max-new-tokens", "1"];
    for (more, parts) in [
        (["--steps", "0"], ["--steps", "1 to 8"]),
        (["--steps", "9"], ["--steps", "1 to 8"]),
        (["--steps", "two"], ["--steps", "1 to 8"]),
        (["--exit", "gate:0"], ["--exit", "above 0"]),
        (["--exit", "gate:x"], ["--exit", "above 0"]),
        (["--exit", "step:0"], ["--exit", "1 to 8"]),
        (["--exit", "step:5"], ["step 5", "1 to 4"]),
        (["--exit", "soon"], ["--exit", "gate:Q"]),
        (["--temperature", "-1"], ["--temperature", "from 0"]),
        (["--temperature", "hot"], ["--temperature", "from 0"]),
        (["--top-p", "0"], ["--top-p", "at most 1"]),
        (["--min-p", "1.5"], ["--min-p", "0 to 1"]),
        (
            ["--repetition-penalty", "0"],
            ["--repetition-penalty", "above 0"],
        ),
        (["--seed", "x"], ["--seed", "x"]),
        (["--top-k", "1.5"], ["--top-k", "1.5"]),
        (["--format", "int4"], ["--format", "stored, f16, q8, q4"]),
        (["--head", "q5"], ["--head", "\"q5\""]),
    ] {
        assert_says(
            &generate(&model, &[usual.as_slice(), &more].concat()),
            &parts,
        );
    }
    for (ids, part) in [
        ("1,x", "\"x\""),
        ("", "token id"),
        ("1,,2", "token id"),
        ("-1", "\"-1\""),
        ("1,14", "14"),
    ] {
        assert_says(
            &generate(&model, &["--ids", ids, "--max-new-tokens", "1"]),
            &["ids", part],
        );
    }
}

#[test]
fn what_a_model_cannot_do() {
    let fixture = Fixture::named("f32-mha").model();
    assert_says(
        &generate(&fixture, &["--prompt", "hello", "--max-new-tokens", "1"]),
        &["tokenizer.json", "ids"],
    );
    assert_says(
        &generate(
            &fixture,
            &["--ids", "1", "--stop", "x", "--max-new-tokens", "1"],
        ),
        &["tokenizer.json"],
    );
    assert_says(
        &fail([OsStr::new("chat"), fixture.as_os_str()]),
        &["chat template"],
    );
    let long = vec!["1"; 65].join(",");
    assert_says(
        &generate(&shell_game(), &["--ids", &long, "--max-new-tokens", "1"]),
        &["65", "64", "context"],
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_explained_with_exit_code_2() {
    let model = shell_game();
    for args in [
        vec!["generate", "--max-new-tokens", "1"],
        vec!["generate", "--prompt", "left"],
        vec![
            "generate",
            "--prompt",
            "left",
            "--ids",
            "1",
            "--max-new-tokens",
            "1",
        ],
        vec!["forward", "--ids", "1"],
        vec!["info", "--verbose"],
        vec!["train"],
    ] {
        let output = run(args.iter().map(OsStr::new).chain([model.as_os_str()]));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains("Usage"),
            "{said}"
        );
    }
}

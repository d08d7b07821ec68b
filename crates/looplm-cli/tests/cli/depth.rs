//! Exits that save compute, verified exits, KV policies and batches, from the command line.

use std::ffi::OsStr;
use std::fs;

use serde_json::Value;

use crate::support::{Fixture, comma_separated, fail, json, numbers, run, text};

fn generate(more: &[&str]) -> Value {
    let fixture = Fixture::named("f32-mha");
    let prompt = comma_separated(&numbers(&fixture.expected()["prompt"]));
    let model = fixture.model();
    let mut args = vec![OsStr::new("generate"), model.as_os_str()];
    args.extend(["--ids", &prompt, "--max-new-tokens", "12", "--json"].map(OsStr::new));
    args.extend(more.iter().map(OsStr::new));
    json(args)
}

fn count(answer: &Value, key: &str) -> u64 {
    answer[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} is a number"))
}

#[test]
fn leaving_early_takes_fewer_passes_and_less_memory() {
    let full = generate(&["--verify=off"]);
    let early = generate(&["--exit", "step:1", "--kv", "last-exited"]);
    assert_eq!(
        (count(&full, "passes"), count(&early, "passes")),
        (4 + 44, 4 + 11)
    );
    assert_eq!(count(&full, "row_steps") - count(&early, "row_steps"), 33);
    assert!(count(&early, "kv_bytes") < count(&full, "kv_bytes"));
    let last = generate(&["--kv", "last"]);
    assert!(count(&last, "kv_bytes") * 100 <= count(&full, "kv_bytes") * 26);
}

#[test]
fn a_verified_exit_writes_what_full_depth_writes() {
    let full = generate(&["--verify=off"]);
    for verify in ["--verify", "--verify=always", "--verify=auto"] {
        let rule: &[&str] = if verify == "--verify=auto" {
            &[verify]
        } else {
            &[verify, "--exit", "step:2"]
        };
        let verified = generate(rule);
        assert_eq!(verified["ids"], full["ids"], "{verify}");
    }
    let always = generate(&["--verify=always", "--exit", "step:2"]);
    let drafts = &always["drafts"][0];
    assert_eq!(drafts["step"], 2);
    assert_eq!(drafts["accepted"], always["accepted"]);
    assert!(count(drafts, "drafted") >= count(drafts, "accepted"));
}

#[test]
fn policies_and_bounds_that_make_no_sense_are_refused() {
    let fixture = Fixture::named("f32-mha");
    let model = fixture.model();
    let refused = |more: &[&str]| {
        let mut args = vec![OsStr::new("generate"), model.as_os_str()];
        args.extend(["--ids", "1", "--max-new-tokens", "2"].map(OsStr::new));
        args.extend(more.iter().map(OsStr::new));
        fail(args)
    };
    assert!(refused(&["--kv", "some"]).contains("last-exited"));
    assert!(refused(&["--kv", "last", "--verify"]).contains("KV policy full"));
    assert!(
        refused(&["--exit", "gate:0.5", "--min-steps", "3", "--max-steps", "2"])
            .contains("maximum of 2")
    );
    assert!(refused(&["--exit", "confidence:2"]).contains("at most 1"));
    assert!(refused(&["--exit", "agree:6"]).contains("agree:6"));
}

/// A broken line fails with its number, the others run.
#[test]
fn a_batch_answers_every_line_as_it_would_alone() {
    let fixture = Fixture::named("f32-mha");
    let model = fixture.model();
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("prompts.jsonl");
    let lines = [
        r#"{"ids": [1, 2, 3], "max_new_tokens": 5}"#,
        "",
        r#"{"ids": [1, 2, 3"#,
        r#"{"ids": [7, 8], "exit": "gate:0.5"}"#,
        r#"{"ids": [9], "prompt": "both"}"#,
        r#"{"ids": [4711]}"#,
        r#"{"ids": [9], "temperature": 0.9, "seed": 4, "colour": "red"}"#,
        r#"{"ids": [9], "temperature": 0.9, "seed": 4}"#,
        r#"{"ids": [9], "exit": "never"}"#,
    ];
    fs::write(&file, lines.join("\n")).expect("it can be written");
    let mut args = vec![OsStr::new("generate"), model.as_os_str()];
    args.extend([OsStr::new("--batch"), file.as_os_str()]);
    args.extend(["--max-new-tokens", "7", "--json"].map(OsStr::new));
    let output = run(args);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("5 of 8 prompts failed"),
        "{}",
        text(&output.stderr)
    );
    let printed: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    let numbers_of: Vec<u64> = printed.iter().map(|answer| count(answer, "line")).collect();
    assert_eq!(numbers_of, [1, 3, 4, 5, 6, 7, 8, 9]);
    let answered: Vec<u64> = printed
        .iter()
        .filter(|answer| answer.get("error").is_none())
        .map(|answer| count(answer, "line"))
        .collect();
    assert_eq!(answered, [1, 4, 8]);
    for answer in printed
        .iter()
        .filter(|answer| answer.get("error").is_some())
    {
        assert_eq!(answer["error"]["code"], "invalid-argument");
    }
    let alone = |more: &[&str]| {
        let mut args = vec![
            OsStr::new("generate"),
            model.as_os_str(),
            OsStr::new("--json"),
        ];
        args.extend(more.iter().map(OsStr::new));
        json(args)["ids"].clone()
    };
    assert_eq!(
        printed[0]["ids"],
        alone(&["--ids", "1,2,3", "--max-new-tokens", "5"])
    );
    let gate = [
        "--ids",
        "7,8",
        "--max-new-tokens",
        "7",
        "--exit",
        "gate:0.5",
    ];
    assert_eq!(printed[2]["ids"], alone(&gate));
    let drawn = [
        "--ids",
        "9",
        "--max-new-tokens",
        "7",
        "--temperature",
        "0.9",
        "--seed",
        "4",
    ];
    assert_eq!(printed[6]["ids"], alone(&drawn));
}

//! `looplm eval --exits`: a report on exit rules.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{fail, json, run, shell_game, succeed, text};

/// The shipped model's task, in small batches.
fn task(place: &TempDir) -> PathBuf {
    let config = fs::read_to_string(shell_game().join("train.toml")).expect("it is shipped");
    assert!(config.contains("batch_size = 128"), "{config}");
    let path = place.path().join("task.toml");
    fs::write(&path, config.replace("batch_size = 128", "batch_size = 8")).expect("there is room");
    path
}

fn place() -> TempDir {
    TempDir::new().expect("there is room for a temporary folder")
}

fn eval<'a>(model: &'a Path, task: &'a Path, more: &'a [&'a str]) -> Vec<&'a OsStr> {
    let mut args = vec![OsStr::new("eval"), model.as_os_str()];
    args.extend([OsStr::new("--task"), task.as_os_str()]);
    args.extend(more.iter().map(OsStr::new));
    args
}

fn near(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
        return a == b;
    };
    (a - b).abs() < 1e-6
}

#[test]
fn rules_are_compared_in_one_file() {
    let place = place();
    let (task, out) = (task(&place), place.path().join("report"));
    let folder = out.to_string_lossy();
    let more = [
        "--samples=8",
        "--json",
        "--exits",
        "step,gate,confidence,step",
    ];
    let model = shell_game();
    let report = json(eval(
        &model,
        &task,
        &[&more[..], &["--out", &folder]].concat(),
    ));

    let rules = report["rules"].as_array().expect("rules");
    let names: Vec<_> = rules.iter().map(|rule| rule["rule"].as_str()).collect();
    assert_eq!(names, [Some("step"), Some("gate"), Some("confidence")]);
    for rule in rules {
        let points = rule["points"].as_array().expect("points");
        let steps: Vec<_> = points
            .iter()
            .filter_map(|p| p["meanSteps"].as_f64())
            .collect();
        assert_eq!(steps.len(), points.len());
        assert!(steps.is_sorted() && steps[0] >= 1.0 && steps[steps.len() - 1] <= 4.0);
    }

    // Fixed steps get what `looplm eval` says they get, by difficulty too.
    let table = json(eval(&model, &task, &["--samples=8", "--json"]));
    assert_eq!(report["targets"], table["targets"]);
    let points = rules[0]["points"].as_array().expect("points");
    let depth = report["depth"].as_array().expect("depth");
    for (t, point) in points.iter().enumerate() {
        assert_eq!(point["exit"], format!("step:{}", t + 1));
        assert!(near(&point["accuracy"], &table["accuracy"][t]), "{point}");
        for (d, row) in table["difficulties"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            assert_eq!(depth[d]["targets"], row["targets"]);
            assert!(near(&depth[d]["accuracy"][t], &row["accuracy"][t]), "{row}");
            let of = &point["difficulties"][d]["accuracy"];
            assert!(near(of, &row["accuracy"][t]), "{row}");
        }
    }
    let all = depth.last().expect("the row of all");
    assert_eq!(all["accuracy"].as_array().map(Vec::len), Some(8));
    assert_eq!(report["decoding"], Value::Null, "its answers are labels");
    assert!(report["comparison"]["confidenceAgainstGate"]["lead"]["mean"].is_f64());

    let written = fs::read(out.join("exits.json")).expect("it is written");
    let written: Value = serde_json::from_slice(&written).expect("it is JSON");
    assert_eq!(written, report);
    let page = fs::read_to_string(out.join("index.html")).expect("it is written");
    assert!(!page.contains("http"), "the page asks for something");
    assert_eq!(page.matches("<svg ").count(), 2);
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), 2);
    assert!(page.contains("prefers-color-scheme: dark"));

    // A report makes way for the next.
    let again = [
        "--samples=8",
        "--exits=entropy",
        "--steps=2",
        "--out",
        &folder,
    ];
    let printed = succeed(eval(&model, &task, &again));
    assert!(
        printed.contains("T = 8") && printed.contains("2 steps"),
        "{printed}"
    );
    let written = fs::read_to_string(out.join("exits.json")).expect("it is written");
    assert!(written.contains("\"entropy\"") && !written.contains("\"gate\""));
}

#[test]
fn what_makes_no_sense_is_refused_before_the_model_runs() {
    let place = place();
    let task = task(&place);
    let model = shell_game();
    let out = place.path().join("theirs");
    let folder = out.to_string_lossy();
    let said = fail(eval(
        &model,
        &task,
        &["--exits=gate,best", "--out", &folder],
    ));
    for part in ["best", "--exits", "step, gate, gate-delayed, hidden"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!out.exists());

    fs::create_dir(&out).expect("there is room");
    fs::write(out.join("index.html"), "theirs").expect("there is room");
    let said = fail(eval(&model, &task, &["--exits=gate", "--out", &folder]));
    assert!(
        said.contains("theirs") && said.contains("no report"),
        "{said}"
    );
    let kept = fs::read_to_string(out.join("index.html")).expect("it is there");
    assert_eq!(kept, "theirs");

    for alone in ["--exits=gate", "--out=x"] {
        let output = run(eval(&model, &task, &[alone]));
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("required"), "{alone}");
    }
    let free = place.path().join("free");
    let free = free.to_string_lossy();
    let said = fail(eval(
        &model,
        &task,
        &["--exits=gate", "--steps=1", "--out", &free],
    ));
    assert!(said.contains("--steps"), "{said}");
}

/// A model that continues its prompt, of seconds.
const SPEAKER: &str = r#"
name = "speaker"
[task]
kind = "who-is-who"
people = 8
relations = 2
hops = 1
biographies = 0.5
length = 32
[model]
hidden_size = 16
intermediate_size = 24
num_hidden_layers = 1
num_attention_heads = 2
total_ut_steps = 2
[run]
updates = 2
batch_size = 2
evaluation_samples = 2
"#;

#[test]
fn decoding_is_measured_where_the_model_continues_its_prompt() {
    let place = place();
    let (config, out) = (place.path().join("speaker.toml"), place.path().join("run"));
    fs::write(&config, SPEAKER).expect("there is room");
    succeed([
        OsStr::new("train"),
        config.as_os_str(),
        OsStr::new("--out"),
        out.as_os_str(),
    ]);
    let folder = place.path().join("report");
    let report = json([
        OsStr::new("eval"),
        out.as_os_str(),
        OsStr::new("--exits=gate,agree"),
        OsStr::new("--json"),
        OsStr::new("--out"),
        folder.as_os_str(),
    ]);
    let decoding = &report["decoding"];
    assert!(decoding["prompts"].as_u64() > Some(0), "{decoding}");
    let runs = decoding["runs"].as_array().expect("runs");
    assert_eq!(runs[0]["exit"], "full");
    assert_eq!(runs[0]["passesPerToken"], 2.0);
    let verified: Vec<_> = runs.iter().filter(|r| r["verified"] == true).collect();
    assert!(!verified.is_empty());
    for run in &verified {
        assert_eq!(run["equal"], 1.0, "{run}");
        assert_eq!(run["right"], runs[0]["right"], "{run}");
    }
    let unverified = runs.iter().filter(|r| r["kv"] == "last-exited");
    for run in unverified {
        assert!(run["passesPerToken"].as_f64() < Some(2.0), "{run}");
    }
    let policies = decoding["kvPolicies"].as_array().expect("policies");
    let bytes = |i: usize| policies[i]["kvBytesPerToken"].as_f64().unwrap_or(f64::NAN);
    assert_eq!(policies[1]["kv"], "last-exited");
    assert_eq!((bytes(0), bytes(2)), (2.0 * bytes(2), bytes(4)));
    let page = fs::read_to_string(folder.join("index.html")).expect("it is written");
    assert_eq!(page.matches("<svg ").count(), 4);
}

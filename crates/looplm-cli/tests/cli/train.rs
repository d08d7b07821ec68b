//! `looplm train`, `eval` and `gate`: a run from its first update to its exit gate.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{copy, fail, json, run, shell_game, succeed, text};

/// A run of seconds.
const CONFIG: &str = r#"
name = "tiny"
[task]
kind = "shuffle"
moves = 4
[model]
hidden_size = 16
intermediate_size = 24
num_hidden_layers = 1
num_attention_heads = 2
total_ut_steps = 2
[optimizer]
learning_rate = 0.003
warmup = 2
[run]
updates = 20
batch_size = 8
evaluate_every = 10
evaluation_samples = 16
checkpoint_every = 7
[gate]
updates = 20
samples = 16
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("there is room for a temporary folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a configuration, with some of [`CONFIG`]'s lines replaced.
    fn config(&self, name: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut config = CONFIG.to_owned();
        for (from, to) in changes {
            assert!(config.contains(from), "no {from:?}");
            config = config.replace(from, to);
        }
        let path = self.path(name);
        fs::write(&path, config).expect("there is room");
        path
    }
}

fn train<'a>(config: &'a Path, out: &'a Path, more: &'a [&'a str]) -> Vec<&'a OsStr> {
    let mut args = vec![OsStr::new("train"), config.as_os_str()];
    args.extend([OsStr::new("--out"), out.as_os_str()]);
    args.extend(more.iter().map(OsStr::new));
    args
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    // The last line may be in the making.
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

fn of_kind<'a>(metrics: &'a [Value], kind: &str) -> Vec<&'a Value> {
    metrics.iter().filter(|m| m["kind"] == kind).collect()
}

#[test]
fn a_run_is_trained_measured_and_taught_to_stop() {
    let place = Place::new();
    let (config, run) = (place.config("tiny.toml", &[]), place.path("run"));
    let printed = succeed(train(&config, &run, &[]));
    let tables = printed
        .lines()
        .filter(|l| l.starts_with("  difficulty"))
        .count();
    assert_eq!(tables, 2, "{printed}");
    let lines = metrics(&run);
    let updates: Vec<_> = of_kind(&lines, "update")
        .iter()
        .map(|m| m["update"].as_u64())
        .collect();
    assert_eq!(updates, (1..=20).map(Some).collect::<Vec<_>>());
    let evaluations = of_kind(&lines, "evaluation");
    assert_eq!(evaluations.len(), 2);
    for checkpoint in ["last", "best"] {
        for file in [
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "optimizer.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        ] {
            assert!(
                run.join(checkpoint).join(file).is_file(),
                "{checkpoint}/{file}"
            );
        }
    }
    let log = fs::read_to_string(run.join("train.log")).expect("it is written");
    assert!(log.contains("update 20/20: loss "), "{log}");

    // The best checkpoint measures as the evaluation that chose it.
    let found = json([OsStr::new("eval"), run.as_os_str(), OsStr::new("--json")]);
    let chosen = evaluations.iter().find(|e| e["update"] == found["update"]);
    let chosen = chosen.unwrap_or_else(|| panic!("no evaluation of {found}"));
    assert_eq!(found["accuracy"], chosen["accuracy"]);
    let table = succeed([
        OsStr::new("eval"),
        run.as_os_str(),
        OsStr::new("--samples=8"),
        OsStr::new("--steps=1"),
    ]);
    assert!(
        table.contains("step 1") && !table.contains("step 2"),
        "{table}"
    );

    let gate = json([
        OsStr::new("gate"),
        run.as_os_str(),
        OsStr::new("--label=paper"),
        OsStr::new("--json"),
    ]);
    assert_eq!(gate["update"], 20);
    assert!(
        gate["lossAfter"].as_f64() < gate["lossBefore"].as_f64(),
        "{gate}"
    );
    assert_eq!(of_kind(&metrics(&run), "gate").len(), 1);
    // What was written is a model like any other, and knows the run that it lies in.
    let gated = run.join("gated");
    succeed([OsStr::new("eval"), gated.as_os_str()]);
    let args = [
        "eval".into(),
        gated.into_os_string(),
        "--task".into(),
        config.into_os_string(),
    ];
    let table = succeed(args);
    assert!(
        table
            .lines()
            .next()
            .is_some_and(|l| l.contains("accuracy on 16")),
        "{table}"
    );
}

#[test]
#[cfg(unix)]
fn a_run_that_is_stopped_goes_on_as_if_it_had_not_been() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let place = Place::new();
    let config = place.config("tiny.toml", &[("updates = 20", "updates = 60")]);
    let (whole, stopped) = (place.path("whole"), place.path("stopped"));
    succeed(train(&config, &whole, &[]));

    let mut child = crate::support::looplm()
        .args(train(&config, &stopped, &[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program under test starts");
    let began = Instant::now();
    while metrics(&stopped).len() < 3 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it trains nothing"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(crate::support::signal(child.id(), "TERM"));
    let status = child.wait().expect("the program ends");
    assert_eq!(status.code(), Some(130));
    let done = of_kind(&metrics(&stopped), "update").len();
    assert!(done < 60, "it was stopped");
    assert!(stopped.join("last/model.safetensors").is_file());

    let other = place.config(
        "other.toml",
        &[("updates = 20", "updates = 60"), ("0.003", "0.1")],
    );
    let said = fail(train(&other, &stopped, &["--resume"]));
    assert!(
        said.contains("optimizer.learning_rate") && said.contains("0.1"),
        "{said}"
    );

    succeed(train(&config, &stopped, &["--resume"]));
    let (a, b) = (metrics(&whole), metrics(&stopped));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        for field in [
            "kind",
            "update",
            "loss",
            "stepLosses",
            "gradientNorm",
            "accuracy",
        ] {
            assert_eq!(a[field], b[field], "{field} of {b} after {done} updates");
        }
    }
    let weights = |run: &Path| fs::read(run.join("last/model.safetensors")).expect("it is saved");
    assert!(weights(&whole) == weights(&stopped), "the same bits");
}

#[test]
fn what_cannot_be_trained_is_said_and_leaves_nothing_behind() {
    let place = Place::new();
    let out = place.path("run");
    for (changes, parts) in [
        (("batch_size", "batch_sise"), ["batch_sise", "batch_size"]),
        (
            ("hidden_size = 16", "hidden_size = 15"),
            ["model.hidden_size", "15"],
        ),
        (
            ("total_ut_steps = 2", "total_ut_steps = 0"),
            ["model.total_ut_steps", "0"],
        ),
        (("0.003", "-1.0"), ["optimizer.learning_rate", "-1"]),
    ] {
        let config = place.config("bad.toml", &[changes]);
        let said = fail(train(&config, &out, &[]));
        assert!(said.contains("bad.toml"), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let said = fail(train(Path::new("shel-game"), &out, &[]));
    assert!(said.contains("shell-game"), "{said}");
    // The text to train on is looked for beside the configuration.
    let task = "kind = \"shuffle\"\nmoves = 4";
    let config = place.config("text.toml", &[(task, "kind = \"text\"\npath = \"my.txt\"")]);
    let said = fail(train(&config, &out, &[]));
    assert!(
        said.contains("cannot read") && said.contains("my.txt"),
        "{said}"
    );
    fs::write(place.path("my.txt"), "").expect("there is room");
    let said = fail(train(&config, &out, &[]));
    assert!(
        said.contains("text.toml: task.path") && said.contains("empty"),
        "{said}"
    );
    assert!(!out.exists());

    let config = place.config("tiny.toml", &[]);
    let said = fail(train(&config, &place.path(""), &[]));
    assert!(said.contains("not empty"), "{said}");
    let said = fail(train(&config, &place.path(""), &["--resume"]));
    assert!(said.contains("not a run folder"), "{said}");
    let model = copy(&shell_game());
    fs::remove_file(model.path().join("train.toml")).expect("it was copied");
    for command in ["eval", "gate"] {
        let said = fail([OsStr::new(command), model.path().as_os_str()]);
        assert!(said.contains("--task"), "{said}");
    }
}

#[test]
fn a_run_that_diverges_names_its_last_good_checkpoint_and_nobody_else_may_write_it() {
    let place = Place::new();
    let changes = [
        ("0.003", "1e38"),
        ("warmup = 2", "warmup = 0"),
        ("evaluate_every = 10", "evaluate_every = 0"),
        ("checkpoint_every = 7", "checkpoint_every = 1"),
    ];
    let (config, out) = (place.config("wild.toml", &changes), place.path("run"));
    let output = run(train(&config, &out, &[]));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("last good checkpoint is"), "{said}");
    assert!(out.join("last/model.safetensors").is_file());

    let said = fail(train(&config, &out, &[]));
    assert!(said.contains("already holds a run"), "{said}");
    let lock = File::options()
        .write(true)
        .open(out.join("lock"))
        .expect("it is there");
    lock.try_lock().expect("nobody holds it");
    let said = fail(train(&config, &out, &["--resume"]));
    assert!(said.contains("another process"), "{said}");
    drop(lock);

    // Whoever edits a run's configuration into another model is told.
    let path = out.join("config.toml");
    let text = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, text.replace("hidden_size = 16", "hidden_size = 32")).expect("there is room");
    let said = fail(train(&path, &out, &["--resume"]));
    assert!(
        said.contains("hidden_size is 16") && said.contains("32"),
        "{said}"
    );
}

//! `looplm eval quant`: what smaller weights change.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Fixture, copy, fail, json, run, shell_game, succeed, text, who_is_who};

fn quant<'a>(model: &'a Path, more: &'a [&'a str]) -> Vec<&'a OsStr> {
    let begin = [OsStr::new("eval"), OsStr::new("quant"), model.as_os_str()];
    begin
        .into_iter()
        .chain(more.iter().map(OsStr::new))
        .collect()
}

/// A list of figures, one for each step.
fn figures(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter()
        .map(|n| n.as_f64().unwrap_or_else(|| panic!("no number: {n}")))
        .collect()
}

fn last(list: &Value) -> f64 {
    *figures(list).last().expect("a step")
}

#[test]
fn the_shipped_model_stays_itself_in_eight_and_in_four_bits() {
    let model = who_is_who();
    let more = ["--formats=q8,q4", "--samples=96", "--json"];
    let report = json(quant(&model, &more));
    assert_eq!(report["measured"]["task"], "who-is-who");
    assert!(report["measured"]["targets"].as_u64() > Some(1000));
    for (format, bound) in [("q8", 0.99), ("q4", 0.95)] {
        let found = &report["formats"][format];
        assert_eq!(figures(&found["top1"]).len(), 4);
        assert!(last(&found["top1"]) >= bound, "{format}: {found}");
        let (own, reference) = (last(&found["accuracy"]), last(&found["referenceAccuracy"]));
        assert!(own > reference - 0.01, "{format}: {found}");
        assert!(found["exitChanged"].as_f64() < Some(0.05), "{found}");
    }
    let kl = |format: &str| last(&report["formats"][format]["kl"]);
    assert!(0.0 < kl("q8") && kl("q8") < kl("q4"), "{report}");

    // What is shipped beside the model was measured with what is converted today.
    let shipped = fs::read(model.join("quantisation.json")).expect("it is shipped");
    let shipped: Value = serde_json::from_slice(&shipped).expect("it is JSON");
    assert_eq!(shipped["format"], report["format"]);
    for format in ["q8", "q4"] {
        let (shipped, found) = (&shipped["formats"][format], &report["formats"][format]);
        assert_eq!(shipped["bytes"], found["bytes"], "measure it again");
        let change = last(&shipped["top1"]) - last(&found["top1"]);
        assert!(change.abs() < 0.02, "measure it again: {shipped}");
    }
}

#[test]
fn nothing_changes_where_nothing_is_rounded() {
    let model = shell_game();
    let more = [
        "--formats=stored,f16,stored",
        "--kv-format=f32",
        "--samples=4",
        "--json",
    ];
    let report = json(quant(&model, &more));
    let formats = report["formats"].as_object().expect("formats");
    assert_eq!(formats.len(), 2);
    let stored = &report["formats"]["stored"];
    assert_eq!(figures(&stored["kl"]), [0.0; 4]);
    assert_eq!(figures(&stored["top1"]), [1.0; 4]);
    assert_eq!(stored["exitChanged"], 0.0);
    assert_eq!(stored["accuracy"], stored["referenceAccuracy"]);
    let file = fs::metadata(model.join("model.safetensors")).expect("it is shipped");
    assert_eq!(report["reference"]["bytes"], file.len());
    assert!(stored["bytes"].as_u64() >= Some(file.len()), "{report}");
    let f16 = &report["formats"]["f16"];
    assert!(figures(&f16["kl"]).iter().all(|&kl| kl > 0.0), "{f16}");
    assert!(f16["memory"].as_f64() < report["reference"]["memory"].as_f64());
}

#[test]
fn models_without_a_task_are_measured_on_what_they_write() {
    let model = copy(&who_is_who());
    fs::remove_file(model.path().join("train.toml")).expect("it was copied");
    let out = model.path().join("report.json");
    let path = out.to_string_lossy();
    let more = ["--formats=q8", "--samples=3", "--out", &path];
    let printed = succeed(quant(model.path(), &more));
    assert!(
        printed.contains("3 sequences that the model wrote"),
        "{printed}"
    );
    let report: Value =
        serde_json::from_slice(&fs::read(&out).expect("it is written")).expect("it is JSON");
    assert_eq!(report["measured"]["on"], "generated");
    assert_eq!(report["measured"]["targets"], 0);
    let q8 = &report["formats"]["q8"];
    assert_eq!(
        (&q8["accuracy"], &q8["everywhere"]),
        (&Value::Null, &Value::Null)
    );
    assert!(last(&q8["top1"]) > 0.9, "{q8}");

    let silent = Fixture::named("f32-two-steps").model();
    let more = ["--formats=q4,f16", "--samples=2", "--json"];
    let report = json(quant(&silent, &more));
    assert_eq!(report["measured"]["on"], "random");
    let kl = |format: &str| last(&report["formats"][format]["kl"]);
    assert!(kl("f16") < kl("q4"), "{report}");
}

#[test]
fn a_threshold_decides_where_positions_leave() {
    let model = shell_game();
    let at = |q: &str| {
        let more = ["--formats=q4", "--samples=8", "--json", "--q", q];
        let report = json(quant(&model, &more));
        report["formats"]["q4"]["exitChanged"]
            .as_f64()
            .expect("a share")
    };
    assert_eq!(at("1"), 0.0, "the last step is the last for both");
    assert!(at("0.42") > 0.0);
}

#[test]
fn a_model_with_its_configuration_knows_its_task() {
    let model = shell_game();
    let args = ["--samples=1", "--json"].map(OsStr::new);
    let found = json(
        [OsStr::new("eval"), model.as_os_str()]
            .into_iter()
            .chain(args),
    );
    assert!(figures(&found["accuracy"]).len() == 4, "{found}");
}

#[test]
fn what_cannot_be_measured_is_said_in_a_line() {
    let says = |args: Vec<&OsStr>, parts: &[&str]| {
        let said = fail(args);
        for part in parts {
            assert!(said.contains(part), "no {part:?} in {said:?}");
        }
    };
    let model = Fixture::named("f32-mha").model();
    says(quant(Path::new("no/such/folder"), &[]), &["no/such/folder"]);
    says(
        quant(&model, &["--formats=q8,q3"]),
        &["--formats", "stored, f16, q8, q4"],
    );
    says(quant(&model, &["--samples=0"]), &["--samples", "from 1"]);
    says(quant(&model, &["--q=0"]), &["--q", "above 0"]);
    says(
        quant(&model, &["--out=no/such/folder/x.json"]),
        &["no such folder"],
    );
    let place = tempfile::TempDir::new().expect("there is room for a temporary folder");
    let small = place.path().join("small");
    succeed([
        OsStr::new("convert"),
        model.as_os_str(),
        small.as_os_str(),
        OsStr::new("--format=q8"),
    ]);
    says(quant(&small, &[]), &["q8 already", "converted from"]);
    let output = run(["eval"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Usage"), "{said}");
}

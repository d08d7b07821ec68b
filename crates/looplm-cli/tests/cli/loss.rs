//! `looplm loss` against the losses and gradients of the reference implementation.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Fixture, fail, json};

/// Writes a batch of the fixture's own tensors, each under the name the command looks for.
fn batch(fixture: &Fixture, folder: &Path, tensors: &[(&str, &str)]) -> PathBuf {
    let bytes = fixture.file("expected.safetensors");
    let expected = SafeTensors::deserialize(&bytes).expect("the fixture reads");
    let views = tensors.iter().map(|(name, stored)| {
        let tensor = expected.tensor(stored).expect("the fixture has it");
        (*name, tensor)
    });
    let path = folder.join("batch.safetensors");
    let bytes = safetensors::serialize(views, None).expect("it can be written");
    fs::write(&path, bytes).expect("there is room");
    path
}

fn loss<'a>(fixture: &'a Fixture, batch: &'a Path, more: &[&'a OsStr]) -> Vec<std::ffi::OsString> {
    let model = fixture.model();
    let mut args = vec!["loss".into(), model.into_os_string()];
    args.extend(["--batch".into(), batch.as_os_str().to_owned()]);
    args.extend(more.iter().map(|&a| a.to_owned()));
    args
}

fn f32s(tensor: &TensorView<'_>) -> Vec<f32> {
    assert_eq!(tensor.dtype(), Dtype::F32);
    let (values, _) = tensor.data().as_chunks();
    values.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Compares every gradient `grad.OBJECTIVE.NAME` of the fixture with NAME of the file. Returns their number.
fn compare_gradients(fixture: &Fixture, objective: &str, written: &Path) -> usize {
    let (bytes, prefix) = (
        fixture.file("expected.safetensors"),
        format!("grad.{objective}."),
    );
    let expected = SafeTensors::deserialize(&bytes).expect("the fixture reads");
    let bytes = fs::read(written).expect("the gradients were written");
    let found = SafeTensors::deserialize(&bytes).expect("the gradients read");
    let mut compared = 0;
    for (name, tensor) in expected.tensors() {
        let Some(name) = name.strip_prefix(&prefix) else {
            continue;
        };
        let gradient = found.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(gradient.shape(), tensor.shape(), "{name}");
        let (a, b) = (f32s(&tensor), f32s(&gradient));
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let off = norm(&mut a.iter().zip(&b).map(|(a, b)| f64::from(a - b)));
        let size = norm(&mut a.iter().map(|&a| f64::from(a)));
        assert!(off <= 1e-3 * size, "{name}: {off} of {size}");
        compared += 1;
    }
    compared
}

fn close(found: &Value, expected: &Value) {
    let of = |v: &Value| v.as_f64().unwrap_or_else(|| panic!("{v} is no number"));
    let (found, expected) = (of(found), of(expected));
    assert!(
        (found - expected).abs() <= 1e-5 * expected.abs(),
        "{found} is not {expected}"
    );
}

#[test]
fn stage_1_of_packed_documents() {
    let (fixture, folder) = (
        Fixture::named("f32-six-steps-packed-tied"),
        TempDir::new().expect("there is room for a temporary folder"),
    );
    let tensors = [
        ("ids", "ids"),
        ("targets", "targets_packed"),
        ("segments", "segments"),
    ];
    let batch = batch(&fixture, folder.path(), &tensors);
    let grads = folder.path().join("grads.safetensors");
    let more = ["--stage", "1", "--beta", "0.1", "--json", "--grads"].map(OsStr::new);
    let report = json(loss(
        &fixture,
        &batch,
        &[&more[..], &[grads.as_os_str()]].concat(),
    ));
    let expected = &fixture.expected()["stage1_packed"];
    for field in ["loss", "entropy", "expected_steps"] {
        close(&report[field], &expected[field]);
    }
    let steps = expected["step_losses"].as_array().expect("a loss a step");
    assert_eq!(
        report["step_losses"].as_array().map(Vec::len),
        Some(steps.len())
    );
    for (step, expected) in steps.iter().enumerate() {
        close(&report["step_losses"][step], expected);
    }
    assert!(compare_gradients(&fixture, "stage1_packed", &grads) > 10);
}

#[test]
fn every_objective_of_the_gate() {
    let (fixture, folder) = (
        Fixture::named("f32-mha"),
        TempDir::new().expect("there is room for a temporary folder"),
    );
    let batch = batch(
        &fixture,
        folder.path(),
        &[("ids", "ids"), ("targets", "targets")],
    );
    let grads = folder.path().join("grads.safetensors");
    for (more, objective, gradients) in [
        (
            ["--stage=1", "--prior=geometric:0.5"],
            "stage1_geometric",
            "stage1_geometric",
        ),
        (["--stage=2", "--label=paper"], "stage2_paper", "stage2"),
        (
            ["--stage=2", "--label=lookahead"],
            "stage2_lookahead",
            "stage2_lookahead",
        ),
    ] {
        let more = [
            OsStr::new(more[0]),
            OsStr::new(more[1]),
            OsStr::new("--json"),
        ];
        let report = json(loss(
            &fixture,
            &batch,
            &[&more[..], &[OsStr::new("--grads"), grads.as_os_str()]].concat(),
        ));
        close(&report["loss"], &fixture.expected()[objective]["loss"]);
        assert!(compare_gradients(&fixture, gradients, &grads) >= 2);
    }
}

#[test]
fn what_does_not_fit_is_said_and_nothing_is_written() {
    let (fixture, folder) = (
        Fixture::named("f32-mha"),
        TempDir::new().expect("there is room for a temporary folder"),
    );
    let good = batch(
        &fixture,
        folder.path(),
        &[("ids", "ids"), ("targets", "targets")],
    );
    let grads = folder.path().join("grads.safetensors");
    for (more, part) in [
        (["--stage=2", "--beta=0.1"], "--beta"),
        (["--stage=1", "--gamma=0.1"], "--gamma"),
        (["--stage=1", "--prior=geometric:2"], "geometric:L"),
        (["--stage=1", "--beta=-1"], "--beta"),
    ] {
        let more = more.map(OsStr::new);
        let said = fail(loss(
            &fixture,
            &good,
            &[&more[..], &[OsStr::new("--grads"), grads.as_os_str()]].concat(),
        ));
        assert!(said.contains(part), "no {part:?} in {said:?}");
    }
    let path = batch(&fixture, folder.path(), &[("ids", "ids")]);
    let said = fail(loss(&fixture, &path, &[OsStr::new("--stage=1")]));
    assert!(
        said.contains("batch.safetensors") && said.contains("targets"),
        "{said}"
    );
    assert!(!grads.exists());
}

//! `looplm convert`: folders with smaller weights.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Fixture, fail, json, run, shell_game, succeed, text, who_is_who};

fn place() -> TempDir {
    TempDir::new().expect("there is room for a temporary folder")
}

fn convert<'a>(model: &'a Path, out: &'a Path, more: &'a [&'a str]) -> Vec<&'a OsStr> {
    let paths = [OsStr::new("convert"), model.as_os_str(), out.as_os_str()];
    paths
        .into_iter()
        .chain(more.iter().map(OsStr::new))
        .collect()
}

/// All that `looplm forward` writes of a model.
fn forward(model: &Path, place: &Path, more: &[&str]) -> Vec<u8> {
    let out = place.join("forward.safetensors");
    let mut args = vec![OsStr::new("forward"), model.as_os_str()];
    args.extend(["--ids", "1,2,3,4,5,6,7", "--out"].map(OsStr::new));
    args.push(out.as_os_str());
    args.extend(more.iter().map(OsStr::new));
    succeed(args);
    fs::read(&out).expect("it is written")
}

fn generate(model: &Path, more: &[&str]) -> Value {
    let mut args = vec![OsStr::new("generate"), model.as_os_str()];
    args.extend(["--json", "--temperature=0", "--max-new-tokens=12"].map(OsStr::new));
    args.extend(more.iter().map(OsStr::new));
    let mut answer = json(args);
    answer["seconds"] = Value::Null;
    answer
}

fn info(model: &Path) -> Value {
    json([OsStr::new("info"), model.as_os_str(), OsStr::new("--json")])
}

/// The weight files of a folder.
fn weights(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = files
        .map(|file| file.expect("the folder can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("safetensors")))
        .collect();
    files.sort();
    files
}

#[test]
fn a_converted_folder_says_what_its_source_says_in_that_format() {
    let place = place();
    for (fixture, format) in [
        ("f32-mha", "q4"),
        ("bf16-packed-gqa", "q8"),
        ("f32-mha", "f16"),
    ] {
        let model = Fixture::named(fixture).model();
        let out = place.path().join(format!("{fixture}-{format}"));
        let format = ["--format", format];
        assert_eq!(succeed(convert(&model, &out, &format)), "");
        let ids = ["--ids", "1,2,3,4,5"];
        assert_eq!(
            generate(&out, &ids),
            generate(&model, &[&ids[..], &format].concat()),
            "{fixture} in {format:?}"
        );
        let converted = forward(&out, place.path(), &[]);
        assert!(
            converted == forward(&model, place.path(), &format),
            "{fixture} in {format:?}"
        );
        assert!(
            converted != forward(&model, place.path(), &[]),
            "rounding changes something"
        );
    }
}

#[test]
fn a_converted_model_of_the_language_speaks_and_is_smaller() {
    let place = place();
    let (model, out) = (who_is_who(), place.path().join("small"));
    let args = convert(&model, &out, &["--format=q4", "--head=q4"]);
    let said = text(&run(args).stderr);
    assert!(
        said.contains("small") && said.contains("one file"),
        "{said}"
    );
    let prompt = ["--prompt", "the teacher of grace is"];
    let answer = generate(&out, &prompt);
    assert_eq!(answer["text"], " will .", "{answer}");
    assert_eq!(
        answer,
        generate(
            &model,
            &[&prompt[..], &["--format=q4", "--head=q4"]].concat()
        )
    );
    let (before, after) = (info(&model), info(&out));
    assert_eq!(after["task"], before["task"]);
    let bytes = |info: &Value| info["memory"]["weights"].as_u64().expect("a number");
    // 4.5 bits of 32, and 8.5 for the embedding.
    assert!(bytes(&after) * 6 < bytes(&before), "{after}");
    let dtypes = after["memory"]["weights_by_dtype"].as_object();
    let names: Vec<_> = dtypes.expect("an object").keys().collect();
    assert_eq!(names, ["F32", "Q4", "Q8"]);
    let printed = succeed([OsStr::new("info"), out.as_os_str()]);
    assert!(
        printed.contains("Q4 (") && printed.contains("Q8 ("),
        "{printed}"
    );
}

#[test]
fn shards_are_of_the_size_asked_for() {
    let place = place();
    let model = Fixture::named("f32-mha").model();
    let (one, many) = (place.path().join("one"), place.path().join("many"));
    succeed(convert(&model, &one, &["--format=q8"]));
    succeed(convert(
        &model,
        &many,
        &["--format=q8", "--shard-size=6KiB"],
    ));
    assert_eq!(weights(&one).len(), 1);
    assert!(weights(&many).len() > 2, "{:?}", weights(&many));
    assert!(many.join("model.safetensors.index.json").is_file());
    assert!(forward(&one, place.path(), &[]) == forward(&many, place.path(), &[]));
}

#[test]
fn a_check_compares_every_step_with_the_source() {
    let place = place();
    let (model, out) = (shell_game(), place.path().join("small"));
    let printed = succeed(convert(&model, &out, &["--format=q8", "--check"]));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].contains("16 held-out samples"), "{printed}");
    assert_eq!(lines.len(), 2 + 4, "a line for each of 4 steps: {printed}");
    assert!(
        lines[2..].iter().all(|line| line.contains(" %")),
        "{printed}"
    );

    // The same of a folder that is there, and of one that lacks something.
    assert_eq!(succeed(convert(&model, &out, &["--check"])), printed);
    let [file] = &weights(&out)[..] else {
        panic!("one file is expected");
    };
    clear(file, "model.layers.1.mlp.down_proj.weight");
    let output = run(convert(&model, &out, &["--check"]));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let error = said.lines().last().unwrap_or_default();
    assert!(
        error.starts_with("error: ") && error.contains("more than q8 weights account for"),
        "{said}"
    );
}

/// Sets all bytes of a tensor to zero.
fn clear(file: &Path, tensor: &str) {
    let mut bytes = fs::read(file).expect("it is written");
    let (head, header) = SafeTensors::read_metadata(&bytes).expect("it is a weight file");
    let info = header.info(tensor).expect("the tensor is in it");
    let (begin, end) = info.data_offsets;
    bytes[8 + head + begin..8 + head + end].fill(0);
    fs::write(file, bytes).expect("it can be written");
}

#[test]
fn a_check_is_of_the_same_model() {
    let place = place();
    let (model, out) = (Fixture::named("f32-mha").model(), place.path().join("out"));
    succeed(convert(&model, &out, &["--format=f16"]));
    let other = Fixture::named("f32-two-steps").model();
    let said = fail(convert(&other, &out, &["--check"]));
    assert!(said.contains("is not a conversion of"), "{said}");
}

#[test]
fn what_cannot_be_converted_is_said_in_a_line() {
    let place = place();
    let model = Fixture::named("f32-mha").model();
    let (nowhere, out) = (place.path().join("nowhere"), place.path().join("out"));
    let q4 = ["--format=q4"];
    let says = |args: Vec<&OsStr>, parts: &[&str]| {
        let said = fail(args);
        for part in parts {
            assert!(said.contains(part), "no {part:?} in {said:?}");
        }
    };
    says(convert(&model, place.path(), &q4), &["exists already"]);
    says(convert(&nowhere, &out, &q4), &["nowhere"]);
    says(convert(place.path(), &out, &q4), &["config.json"]);
    says(convert(&model, &nowhere, &["--check"]), &["nowhere"]);
    says(
        convert(&model, &out, &["--format=int4"]),
        &["--format", "stored, f16, q8, q4"],
    );
    says(
        convert(&model, &out, &["--format=q4", "--head=half"]),
        &["--head", "\"half\""],
    );
    for size in ["0", "many", "-5MB"] {
        says(
            convert(&model, &out, &["--format=q4", "--shard-size", size]),
            &["--shard-size", "256MB"],
        );
    }
    assert!(!out.exists(), "nothing is left of what failed");
    // What makes no sense is explained.
    let output = run(convert(&model, &out, &[]));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("--format") && said.contains("Usage"),
        "{said}"
    );
}

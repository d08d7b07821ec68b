//! A run folder as a training program uses it: what is saved stays, and nobody writes over anybody.

use std::fs;
use std::path::Path;

use looplm_train::metrics::{Evaluation, Gate, Metric, Update};
use looplm_train::run_folder::{
    RunFolder, RunFolderError, UPDATE_KEY, Which, best_model, is_run, read_config, write_model,
};
use tempfile::TempDir;

const CONFIG: &str = "seed = 1\n[optimizer]\nlearning_rate = 0.001\n";

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

/// Weights that can be told apart, and an optimizer that says its updates.
fn state(update: u64) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let model = ["config.json", "model.safetensors"].map(|n| (n.to_owned(), vec![update as u8; 9]));
    let metadata = [(UPDATE_KEY.to_owned(), update.to_string())].into();
    let no_tensors: [(&str, safetensors::tensor::TensorView<'_>); 0] = [];
    let optimizer = safetensors::serialize(no_tensors, Some(metadata)).expect("it can be written");
    (model.into(), optimizer)
}

fn save(run: &mut RunFolder, which: Which, update: u64) {
    let (model, optimizer) = state(update);
    run.save(which, &model, &optimizer)
        .expect("it can be saved");
}

fn update(update: u64) -> Metric {
    Metric::Update(Update {
        update,
        ..Update::default()
    })
}

fn evaluation(update: u64, accuracy: f32, loss: f32) -> Evaluation {
    Evaluation {
        update,
        accuracy: vec![0.0, accuracy],
        step_losses: vec![9.0, loss],
        ..Evaluation::default()
    }
}

fn record(run: &mut RunFolder, metrics: &[Metric]) {
    for metric in metrics {
        run.record(metric).expect("a line can be appended");
    }
}

fn lines(root: &Path) -> Vec<Metric> {
    let text = fs::read_to_string(root.join("metrics.jsonl")).expect("it is there");
    let parse = |line| serde_json::from_str(line).expect("it is a metric");
    text.lines().map(parse).collect()
}

#[test]
fn a_run_goes_on_from_its_newest_checkpoint() {
    let parent = folder();
    let root = parent.path().join("runs/one");
    let mut run = RunFolder::create(&root, CONFIG).expect("the folder is new");
    assert_eq!(run.saved(), None);
    record(&mut run, &[update(1), update(2)]);
    save(&mut run, Which::Best, 2);
    let (good, gate) = (evaluation(2, 0.5, 1.0), Metric::Gate(Gate::default()));
    assert!(run.is_best(&good));
    record(&mut run, &[Metric::Evaluation(good), gate.clone()]);
    save(&mut run, Which::Last, 2);
    record(&mut run, &[update(3)]);
    let better = evaluation(3, 0.6, 1.0);
    assert!(run.is_best(&better));
    record(&mut run, &[Metric::Evaluation(better.clone())]);
    assert!(!run.is_best(&better), "the same again is no better");
    run.log("said").expect("a line can be appended");
    drop(run);
    // The process died in the middle of a line.
    let torn = fs::OpenOptions::new()
        .append(true)
        .open(root.join("metrics.jsonl"));
    std::io::Write::write_all(&mut torn.expect("it is there"), b"{\"kind\":\"upd")
        .expect("it can be written");

    let mut run = RunFolder::resume(&root, CONFIG).expect("it is a run");
    assert_eq!(run.saved(), Some(2));
    assert_eq!(run.load(Which::Last).expect("it was saved").0, vec![2; 9]);
    let kept = lines(&root);
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert_eq!(kept[3], gate);
    assert!(
        run.is_best(&better),
        "the evaluation of update 3 is forgotten"
    );
    assert!(!run.is_best(&evaluation(3, 0.5, 1.5)));
    assert!(
        run.is_best(&evaluation(3, 0.5, 0.5)),
        "a tie at a lower loss"
    );
    record(&mut run, &[update(3)]);
    assert_eq!(lines(&root)[4], update(3));
    save(&mut run, Which::Last, 3);
    assert_eq!(run.saved(), Some(3));
    let log = fs::read_to_string(root.join("train.log")).expect("it is there");
    assert_eq!(log, "said\n");
    assert_eq!(read_config(&root).expect("it is a run"), CONFIG);
    assert!(is_run(&root) && !is_run(parent.path()));
}

#[test]
fn a_run_without_a_checkpoint_begins_anew() {
    let parent = folder();
    let mut run = RunFolder::create(parent.path(), CONFIG).expect("the folder is empty");
    record(&mut run, &[update(1)]);
    drop(run);
    let run = RunFolder::resume(parent.path(), CONFIG).expect("it is a run");
    assert_eq!(run.saved(), None);
    assert_eq!(lines(parent.path()), []);
    assert!(matches!(
        best_model(parent.path()),
        Err(RunFolderError::NotARun { .. })
    ));
}

#[test]
fn nothing_of_anyone_else_is_touched() {
    let parent = folder();
    let root = parent.path().join("run");
    let held = RunFolder::create(&root, CONFIG).expect("the folder is new");
    let resumed = RunFolder::resume(&root, CONFIG);
    assert!(matches!(resumed, Err(RunFolderError::Busy { .. })));
    drop(held);
    let again = RunFolder::create(&root, CONFIG);
    assert!(matches!(again, Err(RunFolderError::Exists { .. })));
    let beside = RunFolder::create(parent.path(), CONFIG);
    assert!(matches!(beside, Err(RunFolderError::NotEmpty { .. })));
    let nothing = RunFolder::resume(parent.path(), CONFIG);
    assert!(matches!(nothing, Err(RunFolderError::NotARun { .. })));
    let file = RunFolder::create(&root.join("config.toml"), CONFIG);
    assert!(matches!(file, Err(RunFolderError::NotAFolder { .. })));
    let other = RunFolder::resume(&root, &CONFIG.replace("0.001", "0.1"));
    match other.expect_err("the rate differs") {
        RunFolderError::ConfigDiffers {
            field,
            stored,
            given,
            ..
        } => assert_eq!(
            (field.as_str(), stored.as_str(), given.as_str()),
            ("optimizer.learning_rate", "0.001", "0.1")
        ),
        error => panic!("{error}"),
    }
    assert!(!root.join("last").exists());

    fs::write(root.join("metrics.jsonl"), "x\n").expect("it can be written");
    let damaged = RunFolder::resume(&root, CONFIG).expect_err("that is no metric");
    assert!(damaged.to_string().contains("line 1"), "{damaged}");
}

#[test]
fn what_cannot_be_saved_leaves_what_was() {
    let parent = folder();
    let mut run = RunFolder::create(parent.path(), CONFIG).expect("the folder is empty");
    save(&mut run, Which::Last, 1);
    assert!(
        run.save(Which::Last, &state(2).0, b"no safetensors")
            .is_err()
    );
    let (mut model, optimizer) = state(2);
    model.push(("no/such/folder".to_owned(), Vec::new()));
    assert!(run.save(Which::Last, &model, &optimizer).is_err());
    assert_eq!(run.saved(), Some(1));
    assert_eq!(run.load(Which::Last).expect("it was saved").0, vec![1; 9]);
    assert_eq!(
        best_model(parent.path()).expect("there is a checkpoint"),
        run.path(Which::Last)
    );
    // A model is written over a model, never over a checkpoint or anything else.
    let out = parent.path().join("out");
    for _ in 0..2 {
        write_model(&out, &state(3).0).expect("nothing but a model is there");
    }
    for taken in [run.path(Which::Last), parent.path().to_owned()] {
        assert!(write_model(&taken, &state(3).0).is_err());
    }
}

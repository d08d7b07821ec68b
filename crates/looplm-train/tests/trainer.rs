//! Whole runs on small models: they learn, resume bit for bit, keep their memory, and stop where they must.

use looplm::checkpoint::MemorySource;
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_testing::Devices;
use looplm_train::{
    Batch, Example, Snapshot, Split, Task, TrainConfig, TrainError, Trainer, metrics::Update,
};
use pollster::block_on;

fn gpu() -> Gpu {
    static DEVICES: Devices = Devices::new(DeviceOptions::default);
    DEVICES.of_this_thread().clone()
}

/// Shuffles of four moves by a model of a few thousand parameters.
fn config(changes: &[(&str, &str)]) -> TrainConfig {
    let mut text = r#"
name = "tiny"
seed = 7
[task]
kind = "shuffle"
moves = 4
first_batches = 0
[model]
hidden_size = 16
intermediate_size = 24
num_hidden_layers = 1
num_attention_heads = 2
total_ut_steps = 2
[objective]
kind = "stage-1"
beta = 0.1
[optimizer]
learning_rate = 0.01
warmup = 5
[run]
updates = 60
batch_size = 32
evaluation_samples = 64
[gate]
updates = 40
samples = 64
"#
    .to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    TrainConfig::from_toml(&text).expect("the configuration is right")
}

fn trainer(config: TrainConfig) -> Trainer {
    block_on(Trainer::new(gpu(), config)).expect("the model is small")
}

/// Trains until `update` and returns what was reported.
fn run(trainer: &mut Trainer, update: u64) -> Vec<Update> {
    let mut reports = Vec::new();
    while trainer.updates_done() < update {
        reports.extend(block_on(trainer.update()).expect("the update works"));
    }
    reports.extend(block_on(trainer.finish_updates()).expect("the updates work"));
    reports
}

/// Everything but the times.
fn figures(reports: &[Update]) -> Vec<(u64, u32, Vec<u32>, u32)> {
    reports
        .iter()
        .map(|u| {
            let losses = u.step_losses.iter().map(|l| l.to_bits()).collect();
            (
                u.update,
                u.loss.to_bits(),
                losses,
                u.gradient_norm.to_bits(),
            )
        })
        .collect()
}

#[test]
fn a_run_learns() {
    let mut trainer = trainer(config(&[]));
    let before = block_on(trainer.evaluate()).expect("the evaluation works");
    let reports = run(&mut trainer, 60);
    let after = block_on(trainer.evaluate()).expect("the evaluation works");
    assert!(trainer.is_done());
    let numbers: Vec<u64> = reports.iter().map(|u| u.update).collect();
    assert_eq!(
        numbers,
        (1..=60).collect::<Vec<_>>(),
        "every update is told once"
    );
    assert!(
        after.step_losses[1] < 0.6 * before.step_losses[1],
        "{before:?} {after:?}"
    );
    assert!(after.accuracy[1] > before.accuracy[1] + 0.2);
    assert_eq!(after.samples, 64);
    let rows: u64 = after.difficulties.iter().map(|row| row.targets).sum();
    assert_eq!(rows, after.targets, "every target has a difficulty");
    let first = &reports[0];
    assert!(
        (first.expected_steps - 1.75).abs() < 0.02,
        "a gate of .25 at step 1 of 2"
    );
    assert!(
        reports[59].learning_rate < 0.002,
        "the cosine has come down"
    );
}

#[test]
fn resuming_gives_the_losses_of_not_having_stopped() {
    let mut whole = trainer(config(&[]));
    let straight = run(&mut whole, 24);
    let mut first = trainer(config(&[]));
    run(&mut first, 10);
    let state = block_on(first.snapshot()).expect("the snapshot works");
    drop(first);
    let state = Snapshot::from_files(state.weights, state.optimizer).expect("the files are whole");
    assert_eq!(state.update, 10);
    let mut second = block_on(Trainer::resume(gpu(), config(&[]), &state)).expect("the state fits");
    let resumed = run(&mut second, 24);
    assert_eq!(figures(&straight[10..]), figures(&resumed));
    let ends = [&mut whole, &mut second].map(|t| block_on(t.snapshot()).expect("it works"));
    assert_eq!(ends[0].weights, ends[1].weights, "bit for bit");
}

/// A task whose sequence number n is always the same, however many come at once.
#[derive(Debug)]
struct Numbered(Box<dyn Task>);

impl Task for Numbered {
    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }
    fn max_length(&self) -> usize {
        self.0.max_length()
    }
    fn batch(&self, split: Split, index: u64, sequences: usize) -> Batch {
        let first = index * sequences as u64;
        let mut all = Batch::default();
        for number in first..first + sequences as u64 {
            let one = self.0.batch(split, number, 1);
            all.sequences += 1;
            all.length = one.length;
            all.ids.extend(one.ids);
            all.targets.extend(one.targets);
            all.difficulty.extend(one.difficulty);
        }
        all
    }
    fn difficulties(&self) -> Vec<String> {
        self.0.difficulties()
    }
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.0.files()
    }
    fn bos(&self) -> Option<u32> {
        self.0.bos()
    }
    fn eos(&self) -> Option<u32> {
        self.0.eos()
    }
    fn description(&self) -> Option<serde_json::Value> {
        self.0.description()
    }
    fn example(&self, index: u64) -> Example {
        self.0.example(index)
    }
}

#[test]
fn accumulated_batches_are_one_large_batch() {
    let first = |changes: &[(&str, &str)]| {
        let config = config(changes);
        let task = Box::new(Numbered(config.task().expect("the task is right")));
        let mut trainer =
            block_on(Trainer::with_task(gpu(), config, task)).expect("the model is small");
        run(&mut trainer, 3).remove(2)
    };
    let large = first(&[]);
    let parts = first(&[("batch_size = 32", "batch_size = 8\naccumulate = 4")]);
    assert!(
        (large.loss - parts.loss).abs() < 1e-4,
        "{large:?} {parts:?}"
    );
    assert!((large.gradient_norm / parts.gradient_norm - 1.0).abs() < 1e-3);
}

#[test]
fn steps_are_drawn_from_their_range() {
    let mut trainer = trainer(config(&[
        ("beta = 0.1", "beta = 0.1\nsteps = [1, 3]"),
        ("total_ut_steps = 2", "total_ut_steps = 3"),
    ]));
    let mut met: Vec<usize> = run(&mut trainer, 16)
        .iter()
        .map(|u| u.step_losses.len())
        .collect();
    met.sort_unstable();
    met.dedup();
    assert_eq!(met, [1, 2, 3]);
}

#[test]
fn memory_stays_what_it_was_over_two_thousand_updates() {
    let mut trainer = trainer(config(&[
        ("updates = 60", "updates = 2000"),
        ("batch_size = 32", "batch_size = 4"),
        ("learning_rate = 0.01", "learning_rate = 0.001"),
    ]));
    run(&mut trainer, 100);
    let (device, host) = (trainer.memory_bytes(), resident_kilobytes());
    run(&mut trainer, 2000);
    assert_eq!(trainer.memory_bytes(), device);
    if let (Some(before), Some(after)) = (host, resident_kilobytes()) {
        // Other tests run in this process; a leak of a buffer an update would be far more.
        assert!(after < before + 64 * 1024, "{before} kB, then {after} kB");
    }
}

/// Memory of this process that is in use, where the system says so.
fn resident_kilobytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn what_is_no_number_stops_the_run_and_spares_the_weights() {
    let mut healthy = trainer(config(&[]));
    run(&mut healthy, 3);
    let state = block_on(healthy.snapshot()).expect("it works");
    let wild = config(&[
        ("learning_rate = 0.01", "learning_rate = 1e30"),
        ("warmup = 5", "warmup = 0"),
    ]);
    let mut trainer = block_on(Trainer::resume(gpu(), wild, &state)).expect("the state fits");
    let error = loop {
        match block_on(trainer.update()) {
            Ok(_) if trainer.is_done() => panic!("a rate of 1e30 went well"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, TrainError::NonFinite { update, .. } if update > 3),
        "{error}"
    );
}

#[test]
fn the_gate_learns_on_a_frozen_model() {
    let mut trainer = trainer(config(&[("total_ut_steps = 2", "total_ut_steps = 3")]));
    run(&mut trainer, 60);
    let before = block_on(trainer.evaluate()).expect("it works");
    let mut told = Vec::new();
    let gate = block_on(trainer.train_gate(&mut |done, of| {
        told.push((done, of));
        true
    }))
    .expect("the gate trains");
    let after = block_on(trainer.evaluate()).expect("it works");
    assert!(gate.loss_after < gate.loss_before, "{gate:?}");
    assert_eq!(
        before.step_losses, after.step_losses,
        "the language model is frozen"
    );
    assert_ne!(before.expected_steps, after.expected_steps);
    assert_eq!(told.last(), Some(&(40, 40)));
    assert_eq!(gate.sweep.len(), 50);
    assert_eq!(
        gate.sweep[49].mean_steps, 3.0,
        "a threshold of 1 never leaves early"
    );
    assert_eq!(gate.sweep[49].accuracy, gate.full_accuracy);
    assert!(
        gate.sweep
            .windows(2)
            .all(|w| w[0].mean_steps <= w[1].mean_steps)
    );
}

#[test]
fn gate_training_that_is_stopped_leaves_the_gate_alone() {
    let mut trainer = trainer(config(&[]));
    run(&mut trainer, 3);
    let before = block_on(trainer.snapshot()).expect("it works").weights;
    let stopped = block_on(trainer.train_gate(&mut |done, _| done < 5));
    assert!(matches!(stopped, Err(TrainError::Aborted)));
    assert_eq!(
        block_on(trainer.snapshot()).expect("it works").weights,
        before
    );
}

#[test]
fn an_exported_model_loads_and_evaluates_the_same() {
    let mut trained = trainer(config(&[]));
    run(&mut trained, 10);
    let here = block_on(trained.evaluate()).expect("it works");
    let mut source = MemorySource::new();
    for (name, bytes) in block_on(trained.model_files()).expect("it works") {
        source = source.with(&name, bytes);
    }
    let mut loaded =
        block_on(Trainer::load(gpu(), config(&[]), &source, None)).expect("the folder is whole");
    let there = block_on(loaded.evaluate()).expect("it works");
    assert_eq!(
        (here.step_losses, here.accuracy),
        (there.step_losses, there.accuracy)
    );
}

#[test]
fn a_state_of_another_shape_is_refused() {
    let mut small = trainer(config(&[]));
    run(&mut small, 1);
    let state = block_on(small.snapshot()).expect("it works");
    let other = config(&[("intermediate_size = 24", "intermediate_size = 32")]);
    let error = block_on(Trainer::resume(gpu(), other, &state)).expect_err("32 is not 24");
    assert!(error.to_string().contains("mlp."), "{error}");
}

#[test]
fn what_the_adapter_cannot_bind_is_refused_before_it_starts() {
    let small = DeviceOptions {
        max_binding_size: Some(16 << 10),
        ..DeviceOptions::default()
    };
    let gpu = block_on(Gpu::open(&small)).expect("the tests need a WebGPU adapter");
    let error = block_on(Trainer::new(gpu, config(&[]))).expect_err("16 KiB is little");
    assert_eq!(error.code(), "adapter-too-small", "{error}");
}

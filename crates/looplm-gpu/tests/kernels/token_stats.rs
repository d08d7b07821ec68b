//! `token_stats` against its twin.

use looplm_gpu::{
    Gpu, GpuError, GpuRow, MAX_STEPS, cpu,
    kernel::Op,
    kernels::{STATS_WORDS, TOP_MAX, TokenStats},
    stride,
};

use crate::support::{self, fetch, numbers, poison, poisoned, upload, wait};

/// Statistics of `rows` with these logits, entry by entry; entries of no row must stay poisoned.
fn check(vocab: usize, slots: usize, rows: &[GpuRow], logits: &[f32], top_k: usize) {
    for gpu in &support::lanes_of_rows() {
        check_on(gpu, vocab, slots, rows, logits, top_k);
    }
}

fn check_on(gpu: &Gpu, vocab: usize, slots: usize, rows: &[GpuRow], logits: &[f32], top_k: usize) {
    let untouched = poison(1)[0].to_bits();
    let mut padded = Vec::new();
    for row in logits.chunks_exact(vocab) {
        padded.extend_from_slice(row);
        padded.extend(poison(stride(vocab) - vocab));
    }
    let logits_buffer = upload(gpu, &padded);
    let stats = poisoned(gpu, MAX_STEPS * slots * STATS_WORDS);
    let kernel = wait(TokenStats::new(gpu, vocab, slots)).expect("a small uniform");
    kernel.set_top_k(gpu, top_k);
    let op = kernel.bind(gpu, &logits_buffer, &stats);
    support::run(gpu, rows, |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    let mut got: Vec<u32> = fetch(gpu, &stats, MAX_STEPS * slots * STATS_WORDS);
    for (row, logits) in rows.iter().zip(logits.chunks_exact(vocab)) {
        let what = format!("{vocab} tokens, step {}, slot {}", row.step, row.state);
        let at = ((row.step as usize - 1) * slots + row.state as usize) * STATS_WORDS;
        let entry = &mut got[at..at + STATS_WORDS];
        let want = cpu::token_stats(logits, top_k.min(TOP_MAX));
        let near = |bits: u32, want: f64, name: &str| {
            let got = f64::from(f32::from_bits(bits));
            assert!(
                (got - want).abs() <= 1e-5 * want.abs().max(1.0),
                "{what}: {name} is {got}, the twin says {want}"
            );
        };
        near(entry[0], want.entropy, "entropy");
        near(entry[1], want.log_sum, "log of the sum");
        for k in 0..TOP_MAX {
            let (id, probability) = (entry[2 + 2 * k], entry[3 + 2 * k]);
            if let Some(&(want_id, want_probability)) = want.top.get(k) {
                assert_eq!(id, want_id, "{what}: token {k}");
                near(probability, want_probability, "a probability");
            } else if k < top_k {
                assert_eq!(
                    (id, probability),
                    (vocab as u32, 0),
                    "{what}: there is no token {k}"
                );
            } else {
                assert_eq!(
                    (id, probability),
                    (untouched, untouched),
                    "{what}: place {k} was not asked for"
                );
            }
        }
        entry.fill(untouched);
    }
    assert!(
        got.iter().all(|&word| word == untouched),
        "an entry of no row was written"
    );
}

#[test]
fn rows_of_any_step_and_slot() {
    let mut rng = support::rng(21);
    let rows: Vec<GpuRow> = [(3, 2), (1, 0), (8, 4), (1, 3), (2, 2)]
        .into_iter()
        .map(|(step, state)| GpuRow {
            step,
            state,
            ..support::row(0)
        })
        .collect();
    for (vocab, top_k) in [
        (1, 1),
        (2, 2),
        (5, 0),
        (5, 1),
        (5, 7),
        (257, 5),
        (1031, 16),
        (300, 17),
    ] {
        let logits = numbers(&mut rng, rows.len() * vocab, 6.0);
        check(vocab, 6, &rows, &logits, top_k);
    }
}

#[test]
fn a_vocabulary_of_fifty_thousand() {
    let mut rng = support::rng(22);
    let logits = numbers(&mut rng, 2 * 50_000, 9.0);
    check(50_000, 2, &support::rows(2), &logits, 10);
}

#[test]
fn a_vocabulary_of_six_hundred_thousand() {
    let vocab = 600_011;
    let logits = numbers(&mut support::rng(23), vocab, 9.0);
    check(vocab, 1, &support::rows(1), &logits, 10);
}

#[test]
fn equals_are_listed_by_id() {
    let mut logits = vec![-2.0; 600];
    for id in [3, 255, 256, 512, 599] {
        logits[id] = 1.0;
    }
    logits[400] = 1.5;
    check(600, 1, &support::rows(1), &logits, 9);
    check(40, 1, &support::rows(1), &[0.25; 40], 16);
}

#[test]
fn large_logits_do_not_overflow() {
    let mut rng = support::rng(23);
    let logits: Vec<f32> = numbers(&mut rng, 100, 1.0)
        .iter()
        .map(|l| l * 3.0 + 5000.0)
        .collect();
    check(100, 1, &support::rows(1), &logits, 4);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let kernel = wait(TokenStats::new(gpu, 9, 4)).expect("a small uniform");
    let op = kernel.bind(
        gpu,
        &poisoned(gpu, 32),
        &poisoned(gpu, MAX_STEPS * 4 * STATS_WORDS),
    );
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(
                op.encode(gpu, pass, table),
                Err(GpuError::Shape {
                    kernel: "token_stats",
                    ..
                })
            ),
            "three rows of two"
        );
    });
}

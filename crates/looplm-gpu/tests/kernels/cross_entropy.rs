//! `cross_entropy` against its twin.

use looplm_gpu::{GpuError, cpu, kernels::CrossEntropy, stride};
use rand::Rng;

use crate::support::{self, assert_near, fetch, numbers, poison, poisoned, run_bound, upload};

/// Rows of `vocabulary` logits each, with poisoned padding, with and without the gradient.
fn check(vocabulary: usize, logits: &[f32], targets: &[i32]) {
    let gpu = support::gpu();
    let rows = targets.len();
    let weights = numbers(&mut support::rng(vocabulary as u64), rows, 1.0);
    let mut padded = Vec::new();
    for row in logits.chunks_exact(vocabulary) {
        padded.extend_from_slice(row);
        padded.extend(poison(stride(vocabulary) - vocabulary));
    }
    for gradient in [false, true] {
        let what = format!("{rows} rows of {vocabulary}, gradient {gradient}");
        let (buffer, target_buffer, weight_buffer) = (
            upload(gpu, &padded),
            upload(gpu, targets),
            upload(gpu, &weights),
        );
        let (losses, predictions) = (poisoned(gpu, rows + 4), poisoned(gpu, rows + 4));
        let bound = CrossEntropy::new(gpu, rows, vocabulary, gradient)
            .bind(
                gpu,
                buffer.view(),
                target_buffer.view(),
                weight_buffer.view(),
                losses.view(),
                predictions.view(),
            )
            .expect("the shapes fit");
        run_bound(gpu, &[bound]);
        let mut want_losses = Vec::new();
        let mut want_predictions = Vec::new();
        let mut want = Vec::new();
        for ((row, &target), &weight) in logits.chunks_exact(vocabulary).zip(targets).zip(&weights)
        {
            let (loss, prediction, slope) = cpu::cross_entropy(row, target, weight);
            want_losses.push(loss as f32);
            want_predictions.push(prediction);
            want.extend(slope.iter().map(|d| *d as f32));
            want.extend(vec![0.0; stride(vocabulary) - vocabulary]);
        }
        let got: Vec<f32> = fetch(gpu, &losses, rows + 4);
        assert_near(&format!("{what}: losses"), &got[..rows], &want_losses, 1e-5);
        assert!(got[rows..].iter().all(|v| v.is_nan()), "{what}: behind it");
        let got: Vec<u32> = fetch(gpu, &predictions, rows);
        assert_eq!(got, want_predictions, "{what}: predictions");
        let got: Vec<f32> = fetch(gpu, &buffer, padded.len());
        if gradient {
            assert_near(&what, &got, &want, 3e-6);
            let rows = got.chunks_exact(stride(vocabulary)).zip(targets);
            for (row, &target) in rows {
                let zero_from = if target < 0 { 0 } else { vocabulary };
                assert!(row[zero_from..].iter().all(|v| *v == 0.0), "{what}: zeros");
            }
        } else {
            assert_near(&what, &got, &padded, 0.0);
        }
    }
}

#[test]
fn odd_vocabularies() {
    let mut rng = support::rng(31);
    for (vocabulary, rows) in [(1, 3), (3, 65), (14, 130), (257, 64), (1031, 9)] {
        let logits = numbers(&mut rng, rows * vocabulary, 6.0);
        let targets: Vec<i32> = (0..rows)
            .map(|r| match r % 4 {
                3 => -100,
                _ => rng.random_range(0..vocabulary as i32),
            })
            .collect();
        check(vocabulary, &logits, &targets);
    }
}

#[test]
fn the_smallest_of_equal_ids_is_predicted() {
    for first in 0..9 {
        let mut logits = vec![-1.0; 11];
        for id in [first, 9, 10] {
            logits[id] = 2.0;
        }
        check(11, &logits, &[4]);
    }
    check(14, &[0.5; 28], &[13, -1]);
}

#[test]
fn large_logits_stay_finite() {
    let mut logits = vec![-4000.0; 14];
    logits[5] = 5000.0;
    check(14, &[logits.clone(), logits].concat(), &[5, 6]);
}

#[test]
fn a_target_beyond_the_vocabulary_is_ignored() {
    let gpu = support::gpu();
    let logits = upload(gpu, &[1.0f32; 8]);
    let targets = upload(gpu, &[3i32]);
    let weights = upload(gpu, &[1.0f32]);
    let (losses, predictions) = (poisoned(gpu, 1), poisoned(gpu, 1));
    let bound = CrossEntropy::new(gpu, 1, 3, true)
        .bind(
            gpu,
            logits.view(),
            targets.view(),
            weights.view(),
            losses.view(),
            predictions.view(),
        )
        .expect("the shapes fit");
    run_bound(gpu, &[bound]);
    assert_eq!(fetch::<f32>(gpu, &losses, 1), [0.0]);
    assert_eq!(fetch::<f32>(gpu, &logits, 8), [0.0; 8]);
}

#[test]
fn a_logit_that_is_no_number_shows_in_the_loss() {
    let gpu = support::gpu();
    let logits = upload(gpu, &[0.0, f32::NAN, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let (targets, weights) = (upload(gpu, &[0i32]), upload(gpu, &[1.0f32]));
    let (losses, predictions) = (upload(gpu, &[0.0f32]), poisoned(gpu, 1));
    let bound = CrossEntropy::new(gpu, 1, 3, true)
        .bind(
            gpu,
            logits.view(),
            targets.view(),
            weights.view(),
            losses.view(),
            predictions.view(),
        )
        .expect("the shapes fit");
    run_bound(gpu, &[bound]);
    assert!(!fetch::<f32>(gpu, &losses, 1)[0].is_finite());
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let mut rng = support::rng(32);
    let logits = numbers(&mut rng, 14, 2.0);
    let weight = 0.7;
    let (_, _, gradient) = cpu::cross_entropy(&logits, 6, weight);
    for i in 0..logits.len() {
        let (mut above, mut below) = (logits.clone(), logits.clone());
        above[i] += 1e-3;
        below[i] -= 1e-3;
        let change =
            cpu::cross_entropy(&above, 6, weight).0 - cpu::cross_entropy(&below, 6, weight).0;
        let slope = f64::from(weight) * change / f64::from(above[i] - below[i]);
        assert!((slope - gradient[i]).abs() < 1e-6, "logit {i}");
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let (large, small) = (poisoned(gpu, 64), poisoned(gpu, 4));
    let kernel = CrossEntropy::new(gpu, 8, 8, true);
    for wrong in 0..5 {
        let pick = |i| {
            if i == wrong {
                small.view()
            } else {
                large.view()
            }
        };
        let bound = kernel.bind(gpu, pick(0), pick(1), pick(2), pick(3), pick(4));
        assert!(
            matches!(bound, Err(GpuError::Shape { .. })),
            "buffer {wrong}"
        );
    }
}

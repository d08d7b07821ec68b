//! Measuring workgroups: within its budget, and to something that computes the same.

use std::time::Duration;

use looplm_gpu::{Arrangement, Format, MatrixShape, Tuning, tune};

use crate::support::{self, wait};

fn shape(format: Format) -> MatrixShape {
    MatrixShape {
        outputs: 256,
        inputs: 320,
        format,
        arrangement: Arrangement::Plain,
    }
}

#[test]
fn without_time_the_usual_workgroups_stay() {
    let gpu = support::gpu().with_tuning(Tuning::GPU);
    let (matrix, _) = support::matrix(&gpu, &mut support::rng(1), shape(Format::Q4));
    let chosen = wait(tune::measure(&gpu, &matrix, Duration::ZERO)).expect("the device works");
    assert_eq!(chosen, Tuning::GPU);
}

#[test]
fn what_was_measured_serves_matrices_of_the_same_rows() {
    let measured = Tuning {
        lanes: 16,
        ..Tuning::GPU
    };
    let gpu = support::gpu().with_measured(vec![(shape(Format::Q4), measured)]);
    let paired = MatrixShape {
        outputs: 128,
        arrangement: Arrangement::Paired,
        ..shape(Format::Q4)
    };
    let heads = MatrixShape {
        arrangement: Arrangement::Heads(8),
        ..shape(Format::Q4)
    };
    for like in [shape(Format::Q4), paired, heads] {
        assert_eq!(gpu.tuning_for(like), measured, "{like:?}");
    }
    let usual = support::gpu();
    for unlike in [
        shape(Format::Q8),
        MatrixShape {
            inputs: 352,
            ..shape(Format::Q4)
        },
    ] {
        assert_eq!(
            gpu.tuning_for(unlike),
            usual.tuning_for(unlike),
            "{unlike:?}"
        );
    }
    let explicit = gpu.with_tuning(Tuning::GPU);
    assert_eq!(explicit.tuning_for(shape(Format::Q4)), Tuning::GPU);
}

#[test]
fn what_is_chosen_can_be_kept() {
    let gpu = support::gpu();
    let (matrix, _) = support::matrix(gpu, &mut support::rng(2), shape(Format::Q4));
    let chosen = wait(tune::measure(gpu, &matrix, Duration::from_secs(1))).expect("it works");
    let (other, _) = support::matrix(gpu, &mut support::rng(2), shape(Format::Q8));
    let key = tune::key(gpu, &matrix);
    assert_ne!(key, tune::key(gpu, &other));
    let kept = tune::Tunings::from([(key.clone(), chosen)]);
    let text = serde_json::to_string(&kept).expect("plain values");
    let read: tune::Tunings = serde_json::from_str(&text).expect("what was written");
    assert_eq!(read[&key], chosen);
}

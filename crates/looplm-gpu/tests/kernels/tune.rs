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

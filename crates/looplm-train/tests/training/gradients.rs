//! Objectives and their gradients against PyTorch's, which were computed in 64 bit.

use looplm_gpu::{DeviceOptions, Gpu};
use looplm_testing::Devices;
use looplm_train::{
    Batch,
    loss::{LossReport, loss},
    objective::{GateLabel, Objective, Prior},
};
use pollster::block_on;
use serde_json::Value;

use crate::fixtures::{self, Case};

/// What the fixtures were made with.
const BETA: f32 = 0.1;
const GEOMETRIC: f64 = 0.5;
const K: f32 = 50.0;
const GAMMA: f32 = 0.005;

/// Greatest relative error of an objective, and of a gradient by its norm.
const LOSS_TOLERANCE: f64 = 1e-5;
const GRADIENT_TOLERANCE: f64 = 1e-3;

/// A gradient whose norm is below this is compared with it instead: it is what rounding leaves of a sum of larger terms.
const NEGLIGIBLE: f64 = 1e-5;

fn gpu() -> Gpu {
    static DEVICES: Devices = Devices::new(DeviceOptions::default);
    DEVICES.of_this_thread().clone()
}

fn stage1(prior: Prior) -> Objective {
    Objective::StageI { beta: BETA, prior }
}

fn stage2(label: GateLabel) -> Objective {
    Objective::StageII {
        k: K,
        gamma: GAMMA,
        label,
    }
}

fn report(gpu: &Gpu, case: &Case, batch: &Batch, objective: Objective) -> LossReport {
    block_on(loss(gpu, &case.model(), batch, objective))
        .unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

fn assert_near(what: &str, found: f64, expected: &Value) {
    let expected = expected
        .as_f64()
        .unwrap_or_else(|| panic!("{what}: no number"));
    assert!(
        (found - expected).abs() <= LOSS_TOLERANCE * expected.abs().max(1e-2),
        "{what}: {found}, the oracle says {expected}"
    );
}

/// Compares everything that the fixture knows of an objective. `json` and `tensors`: its names there.
fn assert_matches(case: &Case, report: &LossReport, json: &str, tensors: &str) {
    let expected = &case.expected[json];
    let at = |what: &str| format!("{}, {json}: {what}", case.name);
    assert_near(&at("loss"), report.loss, &expected["loss"]);
    if let Some(losses) = expected["step_losses"].as_array() {
        assert_eq!(report.step_losses.len(), losses.len(), "{}", at("steps"));
        for (t, (found, expected)) in report.step_losses.iter().zip(losses).enumerate() {
            assert_near(&at(&format!("loss of step {}", t + 1)), *found, expected);
        }
        assert_near(&at("entropy"), report.entropy, &expected["entropy"]);
        assert_near(
            &at("expected steps"),
            report.expected_steps,
            &expected["expected_steps"],
        );
    }
    let gradients = case.gradients(tensors);
    assert!(
        !gradients.is_empty(),
        "{}",
        at("no gradients in the fixture")
    );
    for (name, shape, expected) in gradients {
        let (_, found_shape, found) = report
            .gradients
            .iter()
            .find(|(n, ..)| *n == name)
            .unwrap_or_else(|| panic!("{}", at(&format!("no gradient of {name}"))));
        assert_eq!(*found_shape, shape, "{}", at(&name));
        let norm = norm(expected.iter().map(|&x| f64::from(x)));
        let error = self::norm(
            found
                .iter()
                .zip(&expected)
                .map(|(&a, &b)| f64::from(a) - f64::from(b)),
        );
        assert!(
            error <= GRADIENT_TOLERANCE * norm.max(NEGLIGIBLE),
            "{}: off by {error:.3e} of {norm:.3e}",
            at(&name)
        );
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

fn gate(report: &LossReport) -> Vec<f32> {
    let gate = report
        .gradients
        .iter()
        .filter(|(name, ..)| name.contains("early_exit_gate"));
    gate.flat_map(|(.., values)| values.clone()).collect()
}

#[test]
fn stage_1_is_the_oracles() {
    let gpu = gpu();
    for case in fixtures::all() {
        let report = report(&gpu, &case, &case.batch(false), stage1(Prior::Uniform));
        assert_matches(&case, &report, "stage1", "stage1");
        // Nothing but what the checkpoint has, and all of it.
        assert_eq!(
            report.gradients.len(),
            case.gradients("stage1").len(),
            "{}",
            case.name
        );
    }
}

#[test]
fn documents_packed_into_one_sequence_do_not_see_each_other() {
    let gpu = gpu();
    let cases: Vec<Case> = fixtures::all()
        .into_iter()
        .filter(Case::is_packed)
        .collect();
    assert!(cases.len() >= 2, "only {} packed cases", cases.len());
    for case in cases {
        let report = report(&gpu, &case, &case.batch(true), stage1(Prior::Uniform));
        assert_matches(&case, &report, "stage1_packed", "stage1_packed");
    }
}

#[test]
fn the_geometric_prior_draws_the_gate_to_it() {
    let gpu = gpu();
    for case in fixtures::all() {
        let report = report(
            &gpu,
            &case,
            &case.batch(false),
            stage1(Prior::Geometric(GEOMETRIC)),
        );
        assert_matches(&case, &report, "stage1_geometric", "stage1_geometric");
    }
}

#[test]
fn stage_2_teaches_the_gate_alone() {
    let gpu = gpu();
    for case in fixtures::all() {
        for (label, json, tensors) in [
            (GateLabel::Paper, "stage2_paper", "stage2"),
            (GateLabel::LookAhead, "stage2_lookahead", "stage2_lookahead"),
        ] {
            let report = report(&gpu, &case, &case.batch(false), stage2(label));
            assert_matches(&case, &report, json, tensors);
            assert_eq!(
                report.gradients.len(),
                2,
                "{}: weight and bias of the gate",
                case.name
            );
        }
    }
}

/// The last step takes what probability remains: its gate is never asked, whatever the batch.
#[test]
fn the_gate_of_a_single_step_learns_exactly_nothing() {
    let gpu = gpu();
    let mut met = 0;
    for case in fixtures::all()
        .iter()
        .filter(|case| case.expected["trained_steps"] == 1)
    {
        for objective in [
            stage1(Prior::Uniform),
            stage1(Prior::Geometric(GEOMETRIC)),
            stage2(GateLabel::LookAhead),
        ] {
            let report = report(&gpu, case, &case.batch(false), objective);
            assert!(
                gate(&report).iter().all(|&x| x == 0.0),
                "{}: {objective:?}",
                case.name
            );
            met += 1;
        }
    }
    assert!(met > 0, "no case of a single step");
}

#[test]
fn the_loss_of_the_last_step_alone_leaves_the_gate_alone() {
    let gpu = gpu();
    for case in fixtures::all() {
        let report = report(&gpu, &case, &case.batch(false), Objective::LastStep);
        let steps = case.expected["stage1"]["step_losses"]
            .as_array()
            .expect("a list");
        let last = steps.last().expect("at least one step");
        assert_near(
            &format!("{}: loss of the last step", case.name),
            report.loss,
            last,
        );
        assert!(gate(&report).iter().all(|&x| x == 0.0), "{}", case.name);
    }
}

/// The order of every sum is fixed, so a run can be repeated to the bit.
#[test]
fn the_same_batch_gives_the_same_bits() {
    let gpu = gpu();
    for case in fixtures::all().iter().take(2) {
        let batch = case.batch(false);
        let [a, b] = [(), ()].map(|()| report(&gpu, case, &batch, stage1(Prior::Uniform)));
        assert_eq!(a.loss.to_bits(), b.loss.to_bits(), "{}", case.name);
        for ((name, _, a), (_, _, b)) in a.gradients.iter().zip(&b.gradients) {
            let same = a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{}: {name}", case.name);
        }
    }
}

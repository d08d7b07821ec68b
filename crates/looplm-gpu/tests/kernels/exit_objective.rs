//! `exit_probabilities` and `exit_objective` against their twins, and the twins against what the objectives mean.

use looplm_gpu::{
    GpuError, MAX_STEPS, cpu,
    kernels::{
        ExitObjective, ExitProbabilities, GateLabel, ObjectiveBuffers, ObjectiveParams,
        ObjectiveTotals,
    },
};

use crate::support::{self, assert_near, fetch, numbers, poisoned, run_bound, upload};

/// Every objective, for `count` rows with a target.
fn objectives(count: usize) -> Vec<ObjectiveParams> {
    vec![
        ObjectiveParams::stage_1(count, 0.1, None),
        ObjectiveParams::stage_1(count, 0.7, Some(0.3)),
        ObjectiveParams::last_step(count),
        ObjectiveParams::stage_2(count, GateLabel::Paper, 50.0, 0.005),
        ObjectiveParams::stage_2(count, GateLabel::LookAhead, 5.0, 0.1),
    ]
}

fn to_f64(values: impl Iterator<Item = f32>) -> Vec<f64> {
    values.map(f64::from).collect()
}

/// Runs both kernels on z and losses [steps, rows] and compares all they write with the twins.
fn check(params: &ObjectiveParams, steps: usize, z: &[f32], losses: &[f32], targets: &[i32]) {
    let gpu = support::gpu();
    let rows = targets.len();
    let cells = steps * rows;
    let what = format!("{rows} rows, {steps} steps, {params:?}");
    let params_buffer = upload(gpu, std::slice::from_ref(params));
    let (targets_buffer, z_buffer, loss_buffer) =
        (upload(gpu, targets), upload(gpu, z), upload(gpu, losses));
    let (p, weights, dz) = (
        poisoned(gpu, cells),
        poisoned(gpu, cells),
        poisoned(gpu, cells),
    );
    let (row_stats, totals) = (
        poisoned(gpu, 4 * rows),
        poisoned(gpu, ExitObjective::totals(rows)),
    );
    let probabilities = ExitProbabilities::new(gpu, rows, steps)
        .and_then(|kernel| {
            kernel.bind(
                gpu,
                params_buffer.view(),
                targets_buffer.view(),
                z_buffer.view(),
                p.view(),
                weights.view(),
            )
        })
        .expect("the shapes fit");
    let objective = ExitObjective::new(gpu, rows, steps)
        .and_then(|kernel| {
            kernel.bind(
                gpu,
                ObjectiveBuffers {
                    params: params_buffer.view(),
                    targets: targets_buffer.view(),
                    z: z_buffer.view(),
                    losses: loss_buffer.view(),
                    dz: dz.view(),
                    row_stats: row_stats.view(),
                    totals: totals.view(),
                },
            )
        })
        .expect("the shapes fit");
    run_bound(gpu, &[probabilities, objective]);

    let mut want_p = vec![0.0; cells];
    let mut want_weights = vec![0.0; cells];
    let mut want_dz = vec![0.0; cells];
    let mut want_stats = Vec::new();
    let mut want_totals = [0.0; ObjectiveTotals::WORDS];
    for r in 0..rows {
        let of_row = |values: &[f32]| to_f64(values.iter().skip(r).step_by(rows).copied());
        let (row_z, row_losses) = (of_row(z), of_row(losses));
        let (p, weights) = cpu::exit_probabilities(params, targets[r], &row_z);
        for t in 0..steps {
            want_p[t * rows + r] = p[t] as f32;
            want_weights[t * rows + r] = weights[t] as f32;
        }
        if targets[r] < 0 {
            want_stats.extend([0.0; 4]);
            continue;
        }
        let want = cpu::exit_objective(params, &row_z, &row_losses);
        let stats = [want.objective, want.entropy, want.expected_step, 1.0];
        want_stats.extend(stats.map(|v| v as f32));
        for t in 0..steps {
            want_dz[t * rows + r] = want.dz[t];
        }
        for (sum, value) in want_totals.iter_mut().zip(stats.iter().chain(&row_losses)) {
            *sum += value;
        }
    }
    let got = |buffer, count| fetch::<f32>(gpu, buffer, count);
    assert_near(&format!("{what}: p"), &got(&p, cells), &want_p, 2e-6);
    assert_near(
        &format!("{what}: weights"),
        &got(&weights, cells),
        &want_weights,
        2e-6,
    );
    assert_near(
        &format!("{what}: row_stats"),
        &got(&row_stats, 4 * rows),
        &want_stats,
        1e-5,
    );
    let want_totals = want_totals.map(|v| v as f32);
    assert_near(
        &format!("{what}: totals"),
        &got(&totals, 16),
        &want_totals,
        1e-4,
    );
    let got = got(&dz, cells);
    for (i, (got, want)) in got.iter().zip(&want_dz).enumerate() {
        assert!(
            *want != 0.0 || *got == 0.0,
            "{what}: dz {i} is {got:e}, not exactly 0"
        );
    }
    let want_dz: Vec<f32> = want_dz.iter().map(|d| *d as f32).collect();
    assert_near(&format!("{what}: dz"), &got, &want_dz, 1e-5);
}

fn targets(rows: usize) -> Vec<i32> {
    (0..rows as i32)
        .map(|r| if r % 5 == 2 { -100 } else { r })
        .collect()
}

#[test]
fn every_objective_at_any_number_of_steps() {
    let mut rng = support::rng(41);
    for (steps, rows) in [(1, 3), (2, 1), (3, 65), (4, 64), (8, 130), (4, 4200)] {
        let z = numbers(&mut rng, steps * rows, 3.0);
        let losses: Vec<f32> = numbers(&mut rng, steps * rows, 2.0)
            .iter()
            .map(|l| l.abs())
            .collect();
        for params in objectives(1) {
            check(&params, steps, &z, &losses, &targets(rows));
        }
    }
}

#[test]
fn the_count_divides_gradients_and_weights_only() {
    let mut rng = support::rng(42);
    let z = numbers(&mut rng, 40, 1.0);
    let losses = vec![0.5; 40];
    for params in objectives(7) {
        check(&params, 4, &z, &losses, &targets(10));
    }
}

#[test]
fn certain_gates_stay_finite() {
    let mut z = Vec::new();
    // All combinations of never, maybe and surely at three steps.
    for t in 0..3u32 {
        z.extend((0..27u32).map(|r| [-40.0f32, 0.0, 40.0][(r / 3u32.pow(t) % 3) as usize]));
    }
    let losses = numbers(&mut support::rng(43), 81, 1.0);
    for params in objectives(1) {
        check(&params, 3, &z, &losses, &[0; 27]);
        let far: Vec<f32> = z.iter().map(|z| 5.0 * z).collect();
        check(&params, 3, &far, &losses, &[0; 27]);
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_objective() {
    let z = [0.3, -1.2, 0.8, -0.4];
    let losses = [2.0, 1.1, 1.15, 0.2];
    for params in objectives(1) {
        let value = |z: &[f64]| cpu::exit_objective(&params, z, &losses).objective;
        let dz = cpu::exit_objective(&params, &z, &losses).dz;
        for t in 0..4 {
            let (mut above, mut below) = (z, z);
            above[t] += 1e-5;
            below[t] -= 1e-5;
            let slope = (value(&above) - value(&below)) / 2e-5;
            assert!((slope - dz[t]).abs() < 1e-8, "{params:?}: step {}", t + 1);
        }
    }
}

#[test]
fn the_weights_are_the_slopes_of_the_objective_in_the_losses() {
    let z = [0.3, -1.2, 0.8, -0.4];
    let losses = [2.0, 1.1, 1.15, 0.2];
    // In Stage II the losses are constants.
    for params in &objectives(1)[..3] {
        let value = |losses: &[f64]| cpu::exit_objective(params, &z, losses).objective;
        let weights = cpu::exit_probabilities(params, 0, &z).1;
        for t in 0..4 {
            let (mut above, mut below) = (losses, losses);
            above[t] += 1e-5;
            below[t] -= 1e-5;
            let slope = (value(&above) - value(&below)) / 2e-5;
            assert!(
                (slope - weights[t]).abs() < 1e-8,
                "{params:?}: step {}",
                t + 1
            );
        }
    }
}

/// stage1_loss (beta 0.1) and stage2_loss (k 50, gamma 0.005) of `tests/reference/looplm_oracle.py` and their gradients.
#[test]
fn the_twin_agrees_with_the_reference() {
    let z = [0.3, -1.2, 0.8, -0.4];
    let losses = [2.0, 1.1, 1.15, 0.2];
    for (params, objective, dz) in [
        (
            ObjectiveParams::stage_1(1, 0.1, None),
            1.425550652630683,
            [
                0.2981436066996212,
                0.014114035394968845,
                0.07205826569531928,
                0.0,
            ],
        ),
        (
            ObjectiveParams::stage_2(1, GateLabel::Paper, 50.0, 0.005),
            0.3744142962442808,
            [
                0.0,
                0.057868804125245595,
                0.0319494950604536,
                0.100328084971887,
            ],
        ),
    ] {
        let got = cpu::exit_objective(&params, &z, &losses);
        // The parameters are f32, those of the reference f64.
        assert!((got.objective - objective).abs() < 1e-7, "{params:?}");
        for (got, want) in got.dz.iter().zip(dz) {
            assert!((got - want).abs() < 1e-7, "{params:?}: {got}, not {want}");
        }
    }
}

/// Gradient descent on the gates of one row.
fn descend(params: &ObjectiveParams, losses: &[f64]) -> Vec<f64> {
    let mut z = vec![0.0; losses.len()];
    for _ in 0..20_000 {
        let dz = cpu::exit_objective(params, &z, losses).dz;
        assert_eq!(dz.last(), Some(&0.0), "the last step has no gate");
        z.iter_mut().zip(dz).for_each(|(z, d)| *z -= 2.0 * d);
    }
    cpu::exit_probabilities(params, 0, &z).0
}

#[test]
fn free_gates_find_the_gibbs_distribution() {
    let losses = [1.3, 0.9, 0.4, 0.5];
    let beta = 0.5f32;
    for (rate, prior) in [
        (None, [0.25, 0.25, 0.25, 0.25]),
        (Some(0.25), [0.25, 0.1875, 0.140625, 0.421875]),
    ] {
        let params = ObjectiveParams::stage_1(1, beta, rate);
        let p = descend(&params, &losses);
        let mut want: Vec<f64> = losses
            .iter()
            .zip(prior)
            .map(|(loss, prior): (&f64, f64)| prior * (-loss / f64::from(beta)).exp())
            .collect();
        let mass: f64 = want.iter().sum();
        want.iter_mut().for_each(|w| *w /= mass);
        for (p, want) in p.iter().zip(&want) {
            assert!((p - want).abs() < 1e-6, "{p} instead of {want}");
        }
    }
}

#[test]
fn labels_look_back_or_ahead() {
    let signs = |label, losses: [f64; 3]| {
        let params = ObjectiveParams::stage_2(1, label, 50.0, 0.1);
        let dz = cpu::exit_objective(&params, &[0.0; 3], &losses).dz;
        let sign = |d: &f64| i32::from(*d > 0.0) - i32::from(*d < 0.0);
        dz.iter().map(sign).collect::<Vec<_>>()
    };
    // A positive derivative lowers the gate: go on. Step 2 improves on step 1, step 3 on nothing.
    assert_eq!(signs(GateLabel::Paper, [2.0, 1.0, 1.0]), [0, 1, -1]);
    assert_eq!(signs(GateLabel::LookAhead, [2.0, 1.0, 1.0]), [1, -1, 0]);
    // A plateau before an improvement.
    assert_eq!(signs(GateLabel::Paper, [2.0, 2.0, 1.0]), [0, -1, 1]);
    assert_eq!(signs(GateLabel::LookAhead, [2.0, 2.0, 1.0]), [1, 1, 0]);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    for steps in [0, MAX_STEPS + 1] {
        assert!(matches!(
            ExitObjective::new(gpu, 4, steps),
            Err(GpuError::Shape { .. })
        ));
        assert!(ExitProbabilities::new(gpu, 4, steps).is_err());
    }
    let (large, small) = (poisoned(gpu, 64), poisoned(gpu, 4));
    let objective = ExitObjective::new(gpu, 8, 4).expect("four steps");
    let probabilities = ExitProbabilities::new(gpu, 8, 4).expect("four steps");
    for wrong in 0..7 {
        let pick = |i| {
            if i == wrong {
                small.view()
            } else {
                large.view()
            }
        };
        let buffers = ObjectiveBuffers {
            params: pick(0),
            targets: pick(1),
            z: pick(2),
            losses: pick(3),
            dz: pick(4),
            row_stats: pick(5),
            totals: pick(6),
        };
        assert!(objective.bind(gpu, buffers).is_err(), "buffer {wrong}");
        let bound = probabilities.bind(gpu, pick(0), pick(1), pick(2), pick(3), pick(4));
        assert_eq!(bound.is_err(), wrong < 5, "buffer {wrong}");
    }
}

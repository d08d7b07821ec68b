use crate::{
    cpu::{exit_probabilities, exit_probabilities::sigmoid},
    kernels::{ExitPrior, GateLabel, ObjectiveKind, ObjectiveParams},
};

/// What `exit_objective` says of one row with a target.
#[derive(Debug, Clone, PartialEq)]
pub struct RowObjective {
    /// The objective.
    pub objective: f64,
    /// Entropy of the exit distribution, in nats.
    pub entropy: f64,
    /// Expected exit step, counted from 1.
    pub expected_step: f64,
    /// inv_count times the derivative of the objective in each z.
    pub dz: Vec<f64>,
}

/// log p of each step, finite for any z.
fn log_exit(z: &[f64]) -> Vec<f64> {
    let log_sigmoid = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
    let mut before = 0.0;
    let mut out = Vec::new();
    for (t, &z_t) in z.iter().enumerate() {
        let last = t + 1 == z.len();
        out.push(before + if last { 0.0 } else { log_sigmoid(z_t) });
        before += log_sigmoid(-z_t);
    }
    out
}

fn log_prior(params: &ObjectiveParams, t: usize, steps: usize) -> f64 {
    if params.prior != ExitPrior::Geometric as u32 {
        return 0.0;
    }
    let rate = f64::from(params.exit_rate);
    let here = if t + 1 == steps { 1.0 } else { rate };
    ((1.0 - rate).powi(t as i32) * here).ln()
}

/// In Stage II, the chance of going on that the gate of step t (from 0) is taught, if it is taught any.
fn label(params: &ObjectiveParams, losses: &[f64], t: usize) -> Option<f64> {
    let (before, after) = if params.label == GateLabel::LookAhead as u32 {
        (losses[t], losses[t + 1..].iter().copied().reduce(f64::min)?)
    } else {
        (losses[t.checked_sub(1)?], losses[t])
    };
    let gain = (before - after).max(0.0);
    Some(sigmoid(
        f64::from(params.k) * (gain - f64::from(params.gamma)),
    ))
}

/// Twin of `exit_objective` for one row with a target: `z` and `losses` of its steps.
pub fn exit_objective(params: &ObjectiveParams, z: &[f64], losses: &[f64]) -> RowObjective {
    let steps = z.len();
    let p = exit_probabilities(params, 0, z).0;
    let log_p = log_exit(z);
    let mut dz = vec![0.0; steps];
    let mut objective = 0.0;
    if params.kind == ObjectiveKind::Stage1 as u32 {
        let slope: Vec<f64> = (0..steps)
            .map(|t| losses[t] + f64::from(params.beta) * (log_p[t] - log_prior(params, t, steps)))
            .collect();
        objective = p.iter().zip(&slope).map(|(p, g)| p * g).sum();
        for t in 0..steps - 1 {
            // d log p_t / dz_t = 1 - lambda_t, and d log p_s / dz_t = -lambda_t for s > t.
            let later: f64 = (t + 1..steps).map(|s| p[s] * slope[s]).sum();
            dz[t] = sigmoid(-z[t]) * p[t] * slope[t] - sigmoid(z[t]) * later;
        }
    } else if params.kind == ObjectiveKind::LastStep as u32 {
        objective = losses[steps - 1];
    } else {
        for t in 0..steps {
            let Some(go_on) = label(params, losses, t) else {
                continue;
            };
            let (lambda, rest) = (sigmoid(z[t]), sigmoid(-z[t]));
            objective -= (go_on * rest.ln() + (1.0 - go_on) * lambda.ln()) / steps as f64;
            dz[t] = (lambda - (1.0 - go_on)) / steps as f64;
        }
    }
    RowObjective {
        objective,
        entropy: -p.iter().zip(&log_p).map(|(p, l)| p * l).sum::<f64>(),
        expected_step: p.iter().zip(1..).map(|(p, t)| p * f64::from(t)).sum(),
        dz: dz.iter().map(|d| d * f64::from(params.inv_count)).collect(),
    }
}

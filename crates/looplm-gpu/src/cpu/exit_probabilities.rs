use crate::kernels::{ObjectiveKind, ObjectiveParams};

/// 1 / (1 + exp(-x)).
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Twin of `exit_probabilities` for one row: the probability of exiting at each step, and the weights of the steps'
/// losses.
pub fn exit_probabilities(
    params: &ObjectiveParams,
    target: i32,
    z: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let last = z.len() - 1;
    let mut remaining = 1.0;
    let mut p = Vec::new();
    for (t, &z) in z.iter().enumerate() {
        p.push(if t == last {
            remaining
        } else {
            remaining * sigmoid(z)
        });
        remaining *= sigmoid(-z);
    }
    let weights = p.iter().enumerate().map(|(t, p)| match params.kind {
        _ if target < 0 => 0.0,
        kind if kind == ObjectiveKind::Stage1 as u32 => p * f64::from(params.inv_count),
        kind if kind == ObjectiveKind::LastStep as u32 && t == last => f64::from(params.inv_count),
        _ => 0.0,
    });
    let weights = weights.collect();
    (p, weights)
}

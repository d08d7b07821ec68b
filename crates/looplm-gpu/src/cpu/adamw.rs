use crate::kernels::AdamWHyper;

/// Twin of `adamw`: one update in place, of which the first `decay_below` elements decay.
pub fn adamw(
    parameters: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    stats: [f32; 4],
    hyper: &AdamWHyper,
    decay_below: usize,
) {
    let [_, scale, finite, _] = stats.map(f64::from);
    if finite == 0.0 {
        return;
    }
    let (rate, epsilon) = (f64::from(hyper.learning_rate), f64::from(hyper.epsilon));
    let (beta1, beta2) = (f64::from(hyper.beta1), f64::from(hyper.beta2));
    for i in 0..parameters.len() {
        let g = scale * f64::from(gradient[i]);
        let first = beta1 * f64::from(m[i]) + (1.0 - beta1) * g;
        let second = beta2 * f64::from(v[i]) + (1.0 - beta2) * g * g;
        let root = (second / f64::from(hyper.correction2)).sqrt();
        let step = first / f64::from(hyper.correction1) / (root + epsilon);
        let decay = if i < decay_below {
            rate * f64::from(hyper.weight_decay)
        } else {
            0.0
        };
        parameters[i] = ((1.0 - decay) * f64::from(parameters[i]) - rate * step) as f32;
        m[i] = first as f32;
        v[i] = second as f32;
    }
}

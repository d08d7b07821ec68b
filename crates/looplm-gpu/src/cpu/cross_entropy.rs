/// Twin of `cross_entropy` for one row of logits without padding: loss, prediction and gradient. Both loss and gradient
/// are zero without a target.
pub fn cross_entropy(logits: &[f32], target: i32, weight: f32) -> (f64, u32, Vec<f64>) {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    let target = usize::try_from(target).ok().filter(|t| *t < logits.len());
    let Some(target) = target else {
        return (0.0, best as u32, vec![0.0; logits.len()]);
    };
    let top = f64::from(logits[best]);
    let mass: f64 = logits.iter().map(|l| (f64::from(*l) - top).exp()).sum();
    let log_sum = top + mass.ln();
    let gradient = logits.iter().enumerate().map(|(id, logit)| {
        let one = f64::from(u8::from(id == target));
        f64::from(weight) * ((f64::from(*logit) - log_sum).exp() - one)
    });
    let loss = log_sum - f64::from(logits[target]);
    (loss, best as u32, gradient.collect())
}

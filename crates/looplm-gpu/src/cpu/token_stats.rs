/// What the head says of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenStat {
    /// Entropy of the distribution, in nats.
    pub entropy: f64,
    /// Log of the sum of exponentials.
    pub log_sum: f64,
    /// (id, probability), the most probable first.
    pub top: Vec<(u32, f64)>,
}

/// Twin of `token_stats` for one row of logits.
pub fn token_stats(logits: &[f32], top_k: usize) -> TokenStat {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let log_sum = f64::from(top)
        + logits
            .iter()
            .map(|l| f64::from(l - top).exp())
            .sum::<f64>()
            .ln();
    let log_p: Vec<f64> = logits.iter().map(|l| f64::from(*l) - log_sum).collect();
    let entropy = -log_p.iter().map(|l| l.exp() * l).sum::<f64>();
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|a, b| {
        logits[*b as usize]
            .total_cmp(&logits[*a as usize])
            .then(a.cmp(b))
    });
    let top = order
        .into_iter()
        .take(top_k)
        .map(|id| (id, log_p[id as usize].exp()))
        .collect();
    TokenStat {
        entropy,
        log_sum,
        top,
    }
}

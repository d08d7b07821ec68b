//! How two distributions over the next token differ.

/// Logits of one position as a distribution.
pub(super) struct Distribution<'a> {
    logits: &'a [f32],
    /// What to take from a logit for the logarithm of its probability.
    norm: f64,
    /// The token with the highest logit, the first of equals.
    pub(super) best: usize,
}

impl<'a> Distribution<'a> {
    pub(super) fn of(logits: &'a [f32]) -> Self {
        let mut best = 0;
        for (token, logit) in logits.iter().enumerate() {
            if *logit > logits[best] {
                best = token;
            }
        }
        let largest = f64::from(logits[best]);
        let sum: f64 = logits.iter().map(|&x| (f64::from(x) - largest).exp()).sum();
        Self {
            logits,
            norm: largest + sum.ln(),
            best,
        }
    }

    fn log(&self, token: usize) -> f64 {
        f64::from(self.logits[token]) - self.norm
    }

    /// KL(self || other) in nats: what is lost by coding what follows `self` with `other`.
    pub(super) fn divergence(&self, other: &Distribution<'_>) -> f64 {
        let tokens = 0..self.logits.len();
        let sum: f64 = tokens
            .map(|token| {
                let log = self.log(token);
                log.exp() * (log - other.log(token))
            })
            .sum();
        // Rounding can leave a hair below zero.
        sum.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divergence(a: &[f32], b: &[f32]) -> f64 {
        Distribution::of(a).divergence(&Distribution::of(b))
    }

    #[test]
    fn divergences_are_those_of_the_definition() {
        // (3/4, 1/4) against (1/2, 1/2): 3/4 ln 3/2 + 1/4 ln 1/2.
        let found = divergence(&[3f32.ln(), 0.0], &[5.0, 5.0]);
        let wanted = 0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln();
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        let other_way = divergence(&[5.0, 5.0], &[3f32.ln(), 0.0]);
        let wanted = 0.5 * (2.0f64 / 3.0).ln() + 0.5 * 2f64.ln();
        assert!((other_way - wanted).abs() < 1e-6, "{other_way} {wanted}");
    }

    #[test]
    fn a_shift_of_all_logits_and_large_ones_are_no_difference() {
        assert!(divergence(&[1.0, 2.0, 3.0], &[101.0, 102.0, 103.0]) < 1e-9);
        assert_eq!(divergence(&[1000.0, -1000.0], &[1000.0, -1000.0]), 0.0);
        assert!(divergence(&[0.0, 1000.0], &[1000.0, 0.0]) > 999.0);
    }

    #[test]
    fn the_first_of_equals_is_best() {
        assert_eq!(Distribution::of(&[1.0, 3.0, 3.0, -1.0]).best, 1);
    }
}

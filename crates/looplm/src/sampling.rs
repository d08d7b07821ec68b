//! How the next token is drawn.

use looplm_gpu::kernels::SampleRequest;

use crate::error::Error;

/// How the next token is drawn, in the order Transformers applies it: repetition penalty, temperature, top-k, top-p,
/// min-p. The draw depends only on the logits, the seed and the position, so the same seed on the same adapter gives the
/// same text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the most probable token.
    pub temperature: f32,
    /// Keep the k most probable tokens; 0 is off.
    pub top_k: u32,
    /// Keep the most probable tokens that together reach p; 1 is off.
    pub top_p: f32,
    /// Keep tokens at least this probable relative to the most probable; 0 is off.
    pub min_p: f32,
    /// Above 1 makes tokens that occurred before less likely; 1 is off.
    pub repetition_penalty: f32,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], naming the first that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let finite = |x: f32| x.is_finite();
        let rules = [
            (
                "temperature",
                finite(self.temperature) && self.temperature >= 0.0,
                "at least 0",
                self.temperature,
            ),
            (
                "top_p",
                self.top_p > 0.0 && self.top_p <= 1.0,
                "above 0 and at most 1",
                self.top_p,
            ),
            (
                "min_p",
                (0.0..=1.0).contains(&self.min_p),
                "between 0 and 1",
                self.min_p,
            ),
            (
                "repetition_penalty",
                finite(self.repetition_penalty) && self.repetition_penalty > 0.0,
                "above 0",
                self.repetition_penalty,
            ),
        ];
        match rules.into_iter().find(|(_, fine, ..)| !fine) {
            Some((name, _, range, found)) => Err(Error::invalid(
                name,
                format!("must be {range}, but is {found}"),
            )),
            None => Ok(()),
        }
    }

    /// The draw of the token at `position`, which joins the sequence at once if it is to be `note`d.
    pub(crate) fn request(&self, position: usize, sequence: u32, note: bool) -> SampleRequest {
        SampleRequest {
            // Below this the softmax is a step function in f32 and 1 / temperature overflows.
            temperature: if self.temperature < 1e-6 {
                0.0
            } else {
                self.temperature
            },
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed_low: self.seed as u32,
            seed_high: (self.seed >> 32) as u32,
            position: position as u32,
            sequence,
            note: u32::from(note),
            pad: [0; 2],
        }
    }
}

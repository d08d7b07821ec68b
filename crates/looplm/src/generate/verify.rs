//! Early exits that only guess.

use super::GenerateOptions;
use crate::{
    batch::Verification,
    error::Error,
    exit::{Exit, ExitRule},
    kv_policy::KvPolicy,
    row::Step,
    sampling::Sampling,
};

/// Whether an early exit only guesses the next token, which then begins while the current one goes on to the last step. What
/// that step says is the token; if it says another, what was built on the guess is taken back. So the answer is that of full
/// depth, greedy and sampled, to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Guess where nothing else was asked for (the rule is `full`, the KV cache too) and where it pays.
    #[default]
    Auto,
    /// The rule is final: a token that leaves early is read from the step it left at.
    Off,
    /// The rule guesses, later than it says or not at all where that pays more.
    On,
    /// The rule guesses, whatever comes of it.
    Always,
}

impl Verify {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::On, Self::Always, Self::Off];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Always => "always",
            Self::Off => "off",
        }
    }
}

impl std::str::FromStr for Verify {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|verify| verify.name() == text);
        let names = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("an early exit is verified {names}"))
    }
}

/// What guesses when nothing was said.
const AUTO_RULE: ExitRule = ExitRule::Gate(0.5);

impl GenerateOptions {
    /// How tokens are guessed and made certain, if they are.
    pub(super) fn verification(
        &self,
        steps: Step,
        sampling: &Sampling,
    ) -> Result<Option<Verification>, Error> {
        let full = self.exit == Exit::default();
        let (rule, adaptive) = match self.verify {
            Verify::Off => return Ok(None),
            Verify::Auto if !full || self.kv != KvPolicy::Full => return Ok(None),
            Verify::Auto => (AUTO_RULE.into(), true),
            Verify::On | Verify::Always if full => (AUTO_RULE.into(), self.verify == Verify::On),
            Verify::On | Verify::Always => (self.exit, self.verify == Verify::On),
        };
        if self.kv != KvPolicy::Full {
            let message = format!(
                "needs the KV policy full: with {} an early exit changes what later tokens find",
                self.kv
            );
            return Err(Error::invalid("verify", message));
        }
        // With a penalty a draw depends on all tokens before it, among which there would be guesses.
        if steps.get() == 1 || sampling.repetition_penalty != 1.0 {
            let full = Exit::default();
            return Ok((self.verify != Verify::Auto).then_some(Verification {
                rule: full,
                adaptive: false,
                counts_as_exit: false,
            }));
        }
        Ok(Some(Verification {
            rule,
            adaptive,
            counts_as_exit: !full,
        }))
    }
}

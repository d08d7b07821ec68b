//! An answer as it comes, and what it came to.

use std::io;

use looplm::generate::{Finish, Generation, Token};
use looplm::{Error, LoopLm};

use crate::args::SamplingArgs;
use crate::failure::Failure;
use crate::shade;

/// What an answer came to.
pub(crate) struct Answer {
    /// Tokens generated.
    pub(crate) ids: Vec<u32>,
    /// The text they make.
    pub(crate) text: String,
    /// For each token the step at which it left, from 1.
    pub(crate) exit_steps: Vec<usize>,
    /// Its figures.
    pub(crate) finish: Finish,
}

impl Answer {
    /// Takes all tokens, each shown to `seen`. An abort ends the answer and is no failure.
    pub(crate) fn take(
        generation: &mut Generation,
        aborted: &dyn Fn() -> bool,
        mut seen: impl FnMut(&Token) -> io::Result<()>,
    ) -> Result<Self, Failure> {
        let (mut ids, mut text, mut exit_steps) = (Vec::new(), String::new(), Vec::new());
        loop {
            match pollster::block_on(generation.next(aborted)) {
                Ok(Some(token)) => {
                    seen(&token)?;
                    ids.push(token.id);
                    text.push_str(&token.text);
                    exit_steps.push(token.exit_step);
                }
                Ok(None) | Err(Error::Aborted) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            ids,
            text,
            exit_steps,
            finish: generation.finish(),
        })
    }

    /// Takes all tokens while others take theirs.
    pub(crate) async fn collect(generation: &mut Generation) -> Result<Self, Error> {
        let (mut ids, mut text, mut exit_steps) = (Vec::new(), String::new(), Vec::new());
        while let Some(token) = generation.next(&|| false).await? {
            ids.push(token.id);
            text.push_str(&token.text);
            exit_steps.push(token.exit_step);
        }
        Ok(Self {
            ids,
            text,
            exit_steps,
            finish: generation.finish(),
        })
    }

    /// One line of figures; the steps' shades are their legend.
    pub(crate) fn summary(&self, steps: usize) -> String {
        let (tokens, seconds) = (self.ids.len(), self.finish.seconds);
        let exits: Vec<String> = (1..=steps)
            .map(|step| (step, self.exit_steps.iter().filter(|&&s| s == step).count()))
            .filter(|&(_, count)| count > 0)
            .map(|(step, count)| {
                let style = shade::style(step, steps);
                format!("{style}step {step}{style:#} ({count})")
            })
            .collect();
        let mut line = format!(
            "{tokens} {} in {seconds:.2} s",
            if tokens == 1 { "token" } else { "tokens" }
        );
        if tokens > 0 && seconds > 0.0 {
            line += &format!(
                " ({:.1}/s), {} passes, left at {}",
                tokens as f64 / seconds,
                self.finish.passes,
                exits.join(", ")
            );
            if self.finish.cached_tokens > 0 {
                let (cached, prompt) = (self.finish.cached_tokens, self.finish.prompt_tokens);
                line += &format!(", {cached} of {prompt} tokens of the prompt were there already");
            }
            let guesses: usize = self.finish.drafts.iter().map(|d| d.drafted).sum();
            if guesses > 0 {
                line += &format!(", {} of {guesses} guesses right", self.finish.accepted);
            }
        }
        line + &format!("; {}", self.finish.reason.name())
    }
}

/// The seed to mention: of an answer that was drawn, with a seed nobody chose.
pub(crate) fn chosen_seed(
    model: &LoopLm,
    args: &SamplingArgs,
    generation: &Generation,
) -> Option<u64> {
    let sampled = args
        .temperature
        .map_or(model.generation_config().do_sample == Some(true), |t| {
            t > 0.0
        });
    (sampled && args.seed.is_none()).then(|| generation.seed())
}

//! A request's prompt: where its sequence begins, and what its last token thinks.

use super::{
    kept::Kept,
    lane::{Lane, Stage},
    request::Wanted,
};
use crate::{engine::Engine, error::Error, exit::Exit, schedule::Prefill, trace::StepTrace};

#[derive(Debug)]
pub(super) struct Prefilling {
    pub(super) passes: std::iter::Peekable<Prefill>,
    /// The token after the prompt, once the rule has fired, and the step it was read from.
    first: Option<(u32, usize)>,
}

impl Lane {
    /// Begins, now that there is room.
    pub(super) async fn begin(
        &mut self,
        engine: &mut Engine,
        kept: &mut Kept,
    ) -> Result<(), Error> {
        let (id, cached) = match kept.take(engine, &self.request) {
            Some(there) => there,
            None => {
                let id = engine.begin(self.request.steps, self.request.kv).await?;
                (id, 0)
            }
        };
        self.sequence = Some(id);
        self.figures.cached_tokens = cached;
        engine.append(id, &self.request.prompt[cached..]).await?;
        let (end, steps) = (self.request.prompt.len(), self.request.steps);
        let passes = Prefill::new(id, cached, end, steps, engine.max_rows()).peekable();
        self.stage = Stage::Prefilling(Box::new(Prefilling {
            passes,
            first: None,
        }));
        Ok(())
    }

    /// What is to be known of the prompt's last token after a pass of `step`, of the chunk that holds it.
    pub(super) fn prefill_wants(&self, step: usize) -> Wanted {
        let steps = self.steps();
        let decided = match &self.stage {
            Stage::Prefilling(prefilling) => prefilling.first.is_some(),
            _ => true,
        };
        let asks = self.request.verify.is_none() && !decided;
        let exit = self.request.exit;
        let may_leave = asks && step >= exit.first_step(steps);
        let last = step == steps;
        Wanted {
            position: self.request.prompt.len() - 1,
            draw: may_leave || (last && !decided),
            lens: self.request.top_k.is_some() || (asks && exit.rule.needs_head()),
            report: may_leave || last,
        }
    }

    /// Takes in what came of such a pass.
    pub(super) fn prefilled(&mut self, steps: Vec<StepTrace>, token: Option<u32>) {
        let total = self.steps();
        let n = steps.len();
        let exit = match self.request.verify {
            Some(_) => Exit::default(),
            None => self.request.exit,
        };
        let Stage::Prefilling(prefilling) = &mut self.stage else {
            return;
        };
        if let (None, Some(token)) = (prefilling.first, token)
            && exit.leaves(&steps, total)
        {
            prefilling.first = Some((token, n));
        }
        let (true, Some((token, exit_step))) = (n == total, prefilling.first) else {
            return;
        };
        self.stage = Stage::Decoding;
        let exit_step = match self.request.verify {
            Some(_) => total,
            None => exit_step,
        };
        self.release(token, self.request.prompt.len(), exit_step, None, steps);
        self.pending = Some(token);
    }
}

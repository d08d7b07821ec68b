//! From a prompt to tokens, one at a time, each with what its steps thought.

use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::{
    batch::{Figures, LaneId, NewToken, Next, Request},
    error::Error,
    exit::Exit,
    generation_config::GenerationConfig,
    kv_policy::KvPolicy,
    model::{LoopLm, let_others_run},
    sampling::Sampling,
    tokenizer::{StopMatcher, StreamDecoder},
    trace::{MAX_TOP_K, StepTrace},
};

mod verify;

pub use crate::batch::{DraftCount, PassRow, PassTrace};
pub use verify::Verify;

/// Longest answer if nothing else is said.
const DEFAULT_NEW_TOKENS: usize = 256;

/// How to generate. What is `None` comes from the folder's `generation_config.json`, or is off.
#[derive(Debug, Clone, Default)]
pub struct GenerateOptions {
    /// Most tokens to generate; 256 if absent, and the end of the context ends the answer too.
    pub max_new_tokens: Option<usize>,
    /// 0 is greedy, which is the default unless the folder says to sample.
    pub temperature: Option<f32>,
    /// Keep the k most probable tokens; 0 is off.
    pub top_k: Option<u32>,
    /// Keep the most probable tokens that together reach p.
    pub top_p: Option<f32>,
    /// Keep tokens at least this probable relative to the most probable.
    pub min_p: Option<f32>,
    /// Above 1 makes tokens that occurred before less likely.
    pub repetition_penalty: Option<f32>,
    /// Seed of the draws; the clock if absent.
    pub seed: Option<u64>,
    /// Recurrent steps; more than the model was trained with is extrapolation.
    pub steps: Option<usize>,
    /// When a token leaves the loop.
    pub exit: Exit,
    /// What tokens leave in the KV cache for those after them.
    pub kv: KvPolicy,
    /// Whether full depth has the last word.
    pub verify: Verify,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// List this many of the head's best tokens at every step.
    pub trace_top_k: Option<usize>,
    /// Note which tokens took which step in which pass; see [`Finish::timeline`].
    pub timeline: bool,
    /// Whether to go on where an answer before it ended that asked for this, too: of a prompt that begins as that one's tokens did, as
    /// in a conversation, only the rest is computed, which shortens the wait for the first token. One sequence is kept, in memory
    /// that no other answer needs. What is kept was computed in other passes, so an answer may differ from one without it
    /// where two tokens are as good as equally likely.
    pub cache_prompt: bool,
    /// So many tokens at the end of the prompt are the beginning of the answer, which another [`Generation`] gave: this one
    /// goes on with its text where that one stopped, and counts them.
    pub answered: usize,
}

impl GenerateOptions {
    fn sampling(&self, folder: &GenerationConfig) -> Result<Sampling, Error> {
        let temperature = self.temperature.unwrap_or(match folder.do_sample {
            Some(true) => folder.temperature.unwrap_or(1.0),
            _ => 0.0,
        });
        let sampling = Sampling {
            temperature,
            top_k: self.top_k.or(folder.top_k).unwrap_or(0),
            top_p: self.top_p.or(folder.top_p).unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            repetition_penalty: self
                .repetition_penalty
                .or(folder.repetition_penalty)
                .unwrap_or(1.0),
            seed: self.seed.unwrap_or_else(|| {
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_nanos() as u64)
            }),
        };
        sampling.check()?;
        Ok(sampling)
    }
}

/// A generated token.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The text that became complete with it; empty within a character, or while it may begin a stop text.
    pub text: String,
    /// Its place in the sequence, prompt included, from 0.
    pub position: usize,
    /// The step whose state it was read from, from 1. Of a verified token, the step that guessed it right, or the last.
    pub exit_step: usize,
    /// Of a verified token, the step that guessed it, if that was right.
    pub draft_step: Option<usize>,
    /// What each step that was taken thought of it.
    pub steps: Vec<StepTrace>,
    /// What was guessed to come after it when it became certain, and may yet be taken back.
    pub drafts: Vec<u32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop id or stop text.
    Stop,
    /// As many tokens as were asked for.
    Length,
    /// It was closed or aborted before.
    Aborted,
}

impl FinishReason {
    /// Its name: `stop`, `length`, `aborted`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Aborted => "aborted",
        }
    }
}

/// The figures of an answer so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// Why it ended, or [`FinishReason::Aborted`] if it has not.
    pub reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those that did not have to be computed: see [`GenerateOptions::cache_prompt`].
    pub cached_tokens: usize,
    /// Tokens generated.
    pub new_tokens: usize,
    /// Passes that rows of it were in, those of the prompt included. What was computed ahead of its end is in no figure.
    pub passes: usize,
    /// Passes of the prompt alone.
    pub prefill_passes: usize,
    /// Rows computed, those of the prompt included: one for each step of each token.
    pub row_steps: usize,
    /// Guesses that full depth confirmed.
    pub accepted: usize,
    /// Rows computed for tokens that were taken back.
    pub discarded: usize,
    /// Guesses by the step that made them, from step 1.
    pub drafts: Vec<DraftCount>,
    /// Bytes of keys and values held, or at the end.
    pub kv_bytes: u64,
    /// Every pass but those of the prompt, if asked for.
    pub timeline: Vec<PassTrace>,
    /// Time spent in [`Generation::next`], in seconds.
    pub seconds: f64,
}

/// An answer in progress. Dropping it gives its place in the KV cache back. Answers of one model share its passes.
#[derive(Debug)]
pub struct Generation {
    model: LoopLm,
    /// Not yet given to the engine.
    request: Option<Request>,
    lane: Option<LaneId>,
    sampling: Sampling,
    limit: usize,
    /// Tokens of the prompt that are the beginning of the answer.
    answered: usize,
    /// Tokens given to the caller, those before this generation included.
    given: usize,
    figures: Figures,
    decoder: Option<StreamDecoder>,
    stop: StopMatcher,
    reason: FinishReason,
    seconds: f64,
    ended: bool,
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.close();
    }
}

impl Generation {
    /// Prepares to continue `prompt`. Nothing is computed before the first [`Generation::next`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options out of range, an empty prompt, or ids outside the vocabulary;
    /// [`Error::ContextFull`] if the prompt alone is too long; [`Error::TokenizerMissing`] if there are stop texts but no
    /// tokenizer to compare them with.
    pub fn new(model: &LoopLm, prompt: Vec<u32>, options: GenerateOptions) -> Result<Self, Error> {
        let sampling = options.sampling(model.generation_config())?;
        let steps = model.steps(options.steps)?;
        options.exit.check(steps)?;
        let verify = options.verification(steps, &sampling)?;
        let (vocab, context) = (model.config().vocab_size, model.info().context);
        if prompt.is_empty() {
            return Err(Error::invalid(
                "prompt",
                "is empty; give at least one token",
            ));
        }
        if let Some(bad) = prompt.iter().find(|id| **id as usize >= vocab) {
            return Err(Error::invalid(
                "ids",
                format!("token id {bad} is outside the vocabulary of {vocab}"),
            ));
        }
        if prompt.len() > context {
            let reason = "the longest context of this model".to_owned();
            return Err(Error::ContextFull {
                limit: context,
                needed: prompt.len(),
                reason,
            });
        }
        if options.trace_top_k.is_some_and(|k| k > MAX_TOP_K) {
            return Err(Error::invalid(
                "trace.topK",
                format!("must be at most {MAX_TOP_K}"),
            ));
        }
        let stop_ids = model.info().stop_ids.clone();
        let mut stop = StopMatcher::new(stop_ids.clone(), options.stop.clone());
        let Some(asked) = prompt.len().checked_sub(options.answered) else {
            return Err(Error::invalid("answered", "is more than the prompt"));
        };
        let decoder = match model.tokenizer() {
            Ok(tokenizer) => {
                let mut decoder = StreamDecoder::after(tokenizer, &prompt[..asked], true)?;
                // Again, so that both hold back now what they held back then.
                for &id in &prompt[asked..] {
                    stop.push(&decoder.push(tokenizer, id)?);
                }
                Some(decoder)
            }
            Err(error) if !options.stop.is_empty() => return Err(error),
            Err(_) => None,
        };
        let folder_limit = model.generation_config().max_new_tokens.map(|n| n as usize);
        let limit = options
            .max_new_tokens
            .or(folder_limit)
            .unwrap_or(DEFAULT_NEW_TOKENS);
        let request = Request {
            steps,
            exit: options.exit,
            kv: options.kv,
            verify,
            sampling,
            top_k: options.trace_top_k,
            limit: limit.saturating_sub(options.answered),
            explicit_limit: options.max_new_tokens.is_some(),
            stop_ids: stop_ids.clone(),
            timeline: options.timeline,
            cache_prompt: options.cache_prompt,
            prompt,
        };
        Ok(Self {
            figures: Figures {
                prompt_tokens: request.prompt.len(),
                ..Figures::default()
            },
            request: Some(request),
            lane: None,
            sampling,
            limit,
            answered: options.answered,
            given: options.answered,
            decoder,
            stop,
            reason: FinishReason::Aborted,
            seconds: 0.0,
            ended: false,
            model: model.clone(),
        })
    }

    /// The seed in use, to repeat the answer with.
    pub fn seed(&self) -> u64 {
        self.sampling.seed
    }

    /// The figures so far.
    pub fn finish(&self) -> Finish {
        let f = &self.figures;
        Finish {
            reason: self.reason,
            prompt_tokens: f.prompt_tokens - self.answered,
            cached_tokens: f.cached_tokens,
            new_tokens: self.given,
            passes: f.passes,
            prefill_passes: f.prefill_passes,
            row_steps: f.row_steps,
            accepted: f.drafts.iter().map(|d| d.accepted).sum(),
            discarded: f.discarded,
            drafts: f.drafts.clone(),
            kv_bytes: f.kv_bytes,
            timeline: f.timeline.clone(),
            seconds: self.seconds,
        }
    }

    /// The next token, or `None` when the answer has ended. `aborted` is asked before every submission. Where nothing is decided
    /// within a token, up to 16 come of one submission, as long as that takes no more than 100 ms.
    ///
    /// # Errors
    /// [`Error::Aborted`], [`Error::ContextFull`], [`Error::Disposed`], and what the device reports. The answer has ended
    /// then, and its place in the KV cache is free.
    pub async fn next(&mut self, aborted: &dyn Fn() -> bool) -> Result<Option<Token>, Error> {
        let start = Instant::now();
        let result = self.advance(aborted).await;
        self.seconds += start.elapsed().as_secs_f64();
        if result.is_err() {
            self.close();
        }
        result
    }

    /// Ends the answer now.
    pub fn close(&mut self) {
        self.ended = true;
        self.request = None;
        if let Some(lane) = self.lane.take() {
            self.model.close(lane);
        }
    }

    fn end(&mut self, reason: FinishReason) {
        self.reason = reason;
        self.close();
    }

    async fn advance(&mut self, aborted: &dyn Fn() -> bool) -> Result<Option<Token>, Error> {
        if self.ended {
            return Ok(None);
        }
        if self.given >= self.limit {
            self.end(FinishReason::Length);
            return Ok(None);
        }
        let model = self.model.clone();
        loop {
            if aborted() {
                return Err(Error::Aborted);
            }
            let mut guard = model.engine().await?;
            let (engine, batch) = guard.parts();
            let lane = match (self.lane, self.request.take()) {
                (Some(lane), _) => lane,
                (None, Some(request)) => *self.lane.insert(batch.submit(request)),
                (None, None) => return Ok(None),
            };
            let mut next = batch.take(lane)?;
            if matches!(next, Next::Wait) {
                batch.tick(engine).await;
                self.note(batch.figures(engine, lane, self.figures.timeline.len()));
                next = batch.take(lane)?;
            } else {
                self.note(batch.figures(engine, lane, self.figures.timeline.len()));
            }
            match next {
                Next::Token(token) => return self.token(*token).map(Some),
                Next::End(reason) => {
                    self.end(reason);
                    return Ok(None);
                }
                Next::Wait => {}
            }
            drop(guard);
            let_others_run().await;
        }
    }

    fn note(&mut self, figures: Option<Figures>) {
        if let Some(mut figures) = figures {
            let mut timeline = std::mem::take(&mut self.figures.timeline);
            timeline.append(&mut figures.timeline);
            self.figures = Figures {
                timeline,
                ..figures
            };
        }
    }

    fn token(&mut self, token: NewToken) -> Result<Token, Error> {
        self.given += 1;
        let text = self.text(token.id)?;
        Ok(Token {
            id: token.id,
            text,
            position: token.position,
            exit_step: token.exit_step,
            draft_step: token.draft_step,
            steps: token.steps,
            drafts: token.drafts,
        })
    }

    /// The text that `id` completes, and the end of the answer if it is one.
    fn text(&mut self, id: u32) -> Result<String, Error> {
        let full = self.given >= self.limit;
        if self.stop.is_stop_id(id) {
            let text = self.rest()?;
            self.end(FinishReason::Stop);
            return Ok(text);
        }
        let mut text = String::new();
        if let (Some(decoder), Ok(tokenizer)) = (&mut self.decoder, self.model.tokenizer()) {
            let passed = self.stop.push(&decoder.push(tokenizer, id)?);
            text = passed.text;
            if passed.stopped {
                self.end(FinishReason::Stop);
                return Ok(text);
            }
        }
        if full {
            text.push_str(&self.rest()?);
            self.end(FinishReason::Length);
        }
        Ok(text)
    }

    /// What was held back: an incomplete character, or the beginning of a stop text that did not come.
    fn rest(&mut self) -> Result<String, Error> {
        let held = match (self.decoder.take(), self.model.tokenizer()) {
            (Some(decoder), Ok(tokenizer)) => decoder.finish(tokenizer)?,
            _ => String::new(),
        };
        let passed = self.stop.push(&held);
        Ok(if passed.stopped {
            passed.text
        } else {
            passed.text + &self.stop.finish()
        })
    }
}

//! From a prompt to tokens, one at a time, each with what its steps thought.

use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::{
    engine::{Ask, Place, Report},
    error::Error,
    exit::ExitRule,
    generation_config::GenerationConfig,
    model::{EngineGuard, LoopLm, let_others_run},
    row::{Pass, SequenceId, Step},
    sampling::Sampling,
    schedule::{Decode, Prefill},
    tokenizer::{StopMatcher, StreamDecoder},
    trace::{MAX_TOP_K, StepTrace},
};

/// Longest answer if nothing else is said.
const DEFAULT_NEW_TOKENS: usize = 256;

/// How to generate. What is `None` comes from the folder's `generation_config.json`, or is off.
#[derive(Debug, Clone, Default)]
pub struct GenerateOptions {
    /// Most tokens to generate. If absent, the end of the context ends the answer too.
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
    /// Which step's state goes to the head.
    pub exit: ExitRule,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// List this many of the head's best tokens at every step.
    pub trace_top_k: Option<usize>,
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
    /// The step whose state it was read from, from 1.
    pub exit_step: usize,
    /// What each step thought of it.
    pub steps: Vec<StepTrace>,
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finish {
    /// Why it ended, or [`FinishReason::Aborted`] if it has not.
    pub reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens generated.
    pub new_tokens: usize,
    /// Passes through the stack.
    pub passes: usize,
    /// Time spent in [`Generation::next`], in seconds.
    pub seconds: f64,
}

/// An answer in progress. Dropping it gives its place in the KV cache back.
#[derive(Debug)]
pub struct Generation {
    model: LoopLm,
    sequence: Option<SequenceId>,
    prompt: Vec<u32>,
    /// The last token drawn, which no pass has seen yet.
    pending: Option<u32>,
    steps: Step,
    exit: ExitRule,
    sampling: Sampling,
    top_k: Option<usize>,
    limit: usize,
    /// Whether the caller asked for this many tokens, so that a full context is an error.
    explicit_limit: bool,
    decoder: Option<StreamDecoder>,
    stop: StopMatcher,
    finish: Finish,
    ended: bool,
}

impl Drop for Generation {
    fn drop(&mut self) {
        if let Some(id) = self.sequence.take() {
            self.model.end(id);
        }
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
        let decoder = match model.tokenizer() {
            Ok(tokenizer) => Some(StreamDecoder::after(tokenizer, &prompt, true)?),
            Err(error) if !options.stop.is_empty() => return Err(error),
            Err(_) => None,
        };
        let folder_limit = model.generation_config().max_new_tokens.map(|n| n as usize);
        let finish = Finish {
            reason: FinishReason::Aborted,
            prompt_tokens: prompt.len(),
            new_tokens: 0,
            passes: 0,
            seconds: 0.0,
        };
        Ok(Self {
            sequence: None,
            pending: None,
            steps,
            exit: options.exit,
            sampling,
            top_k: options.trace_top_k,
            limit: options
                .max_new_tokens
                .or(folder_limit)
                .unwrap_or(DEFAULT_NEW_TOKENS),
            explicit_limit: options.max_new_tokens.is_some(),
            decoder,
            stop: StopMatcher::new(model.info().stop_ids.clone(), options.stop),
            finish,
            ended: false,
            prompt,
            model: model.clone(),
        })
    }

    /// The seed in use, to repeat the answer with.
    pub fn seed(&self) -> u64 {
        self.sampling.seed
    }

    /// The figures so far.
    pub fn finish(&self) -> Finish {
        self.finish
    }

    /// The next token, or `None` when the answer has ended. `aborted` is asked before every submission.
    ///
    /// # Errors
    /// [`Error::Aborted`], [`Error::ContextFull`], [`Error::Disposed`], and what the device reports. The answer has ended
    /// then, and its place in the KV cache is free.
    pub async fn next(&mut self, aborted: &dyn Fn() -> bool) -> Result<Option<Token>, Error> {
        let start = Instant::now();
        let result = self.advance(aborted).await;
        self.finish.seconds += start.elapsed().as_secs_f64();
        if result.is_err() {
            self.close();
        }
        result
    }

    /// Ends the answer now.
    pub fn close(&mut self) {
        self.ended = true;
        if let Some(id) = self.sequence.take() {
            self.model.end(id);
        }
    }

    fn end(&mut self, reason: FinishReason) {
        self.finish.reason = reason;
        self.close();
    }

    async fn advance(&mut self, aborted: &dyn Fn() -> bool) -> Result<Option<Token>, Error> {
        if self.ended {
            return Ok(None);
        }
        if self.limit == 0 {
            self.end(FinishReason::Length);
            return Ok(None);
        }
        if aborted() {
            return Err(Error::Aborted);
        }
        let computed = match self.sequence {
            None => self.prefill(aborted).await?,
            Some(id) => self.decode(id).await?,
        };
        let Some((report, id)) = computed else {
            return Ok(None);
        };
        self.pending = Some(id);
        let position = self.finish.prompt_tokens + self.finish.new_tokens;
        self.finish.new_tokens += 1;
        let text = self.text(id)?;
        Ok(Some(Token {
            id,
            text,
            position,
            exit_step: report.exit_step,
            steps: report.steps,
        }))
    }

    async fn prefill(
        &mut self,
        aborted: &dyn Fn() -> bool,
    ) -> Result<Option<(Report, u32)>, Error> {
        let model = self.model.clone();
        let mut engine = model.engine().await?;
        let id = engine.begin(self.steps, self.exit).await?;
        self.sequence = Some(id);
        let prompt = std::mem::take(&mut self.prompt);
        engine.append(id, &prompt).await?;
        let place = (id, prompt.len() - 1);
        let mut passes =
            Prefill::new(id, 0, prompt.len(), self.steps, engine.max_rows()).peekable();
        while let Some(pass) = passes.next() {
            if aborted() {
                return Err(Error::Aborted);
            }
            let ends = passes.peek().is_none();
            let last_row = pass.rows.last().copied();
            let last_chunk = last_row.is_some_and(|row| row.position == place.1);
            let outcome = self
                .submit(&mut engine, &[pass], place, last_chunk, ends)
                .await?;
            if outcome.is_some() {
                return Ok(outcome);
            }
            // Others may have the engine between the chunks of a long prompt, not between the steps of one: the states
            // of a chunk may take all the room there is.
            if last_row.is_some_and(|row| row.step == self.steps) {
                drop(engine);
                let_others_run().await;
                engine = model.engine().await?;
            }
        }
        Ok(None)
    }

    async fn decode(&mut self, id: SequenceId) -> Result<Option<(Report, u32)>, Error> {
        let model = self.model.clone();
        let mut engine = model.engine().await?;
        let position = engine.tokens(id)?.len();
        if position == engine.context() && !self.explicit_limit {
            drop(engine);
            self.end(FinishReason::Length);
            return Ok(None);
        }
        let Some(token) = self.pending.take() else {
            return Ok(None);
        };
        engine.append(id, &[token]).await?;
        let passes: Vec<Pass> = Decode::new(id, position, self.steps).collect();
        self.submit(&mut engine, &passes, (id, position), true, true)
            .await
    }

    /// Runs passes; at the end of them, draws the token after `place`.
    async fn submit(
        &mut self,
        engine: &mut EngineGuard<'_>,
        passes: &[Pass],
        place: Place,
        lens: bool,
        draw: bool,
    ) -> Result<Option<(Report, u32)>, Error> {
        let here = [place];
        let draws = [(place, self.sampling)];
        let ask = Ask {
            lens: if lens && self.top_k.is_some() {
                &here
            } else {
                &[]
            },
            top_k: self.top_k.unwrap_or(0),
            report: if draw { &here } else { &[] },
            draw: if draw { &draws } else { &[] },
        };
        let mut outcome = engine.submit(passes, &ask).await?;
        self.finish.passes += passes.len();
        Ok(outcome.reports.pop().zip(outcome.tokens.pop()))
    }

    /// The text that `id` completes, and the end of the answer if it is one.
    fn text(&mut self, id: u32) -> Result<String, Error> {
        let full = self.finish.new_tokens >= self.limit;
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

//! `looplm chat`: a conversation in the terminal.

use std::io::Write;

use looplm::chat::{ChatError, ChatOptions, ChatTemplate, Message};
use looplm::checkpoint::FolderSource;
use looplm::generate::{FinishReason, GenerateOptions, Generation};
use looplm::tokenizer::TokenizerConfig;
use looplm::{Error, LoopLm};

use crate::answer::{Answer, chosen_seed};
use crate::args::ChatArgs;
use crate::failure::Failure;
use crate::input::{Entry, Input};
use crate::interrupt::Interrupt;
use crate::shade::{self, Shaded};
use crate::{load, say};

/// What to enter to start afresh.
const NEW: &str = "/new";

pub(crate) fn run(args: &ChatArgs) -> Result<(), Failure> {
    let source = load::open(&args.model, args.sampling.steps, args.sampling.exit())?;
    require_template(&source)?;
    let model = load::model(&source, &args.load.options())?;
    model.tokenizer()?;
    let mut input = Input::open()?;
    let mut conversation = Conversation {
        steps: model.steps(args.sampling.steps)?.get(),
        interrupt: Interrupt::listen(!input.is_editor())?,
        messages: opening(args),
        model,
        args,
    };
    if input.is_editor() {
        conversation.greet();
    }
    loop {
        let line = match input.next("> ")? {
            Entry::End => return Ok(()),
            Entry::Interrupted => {
                say::aside("Ctrl-D leaves");
                continue;
            }
            Entry::Line(line) => line,
        };
        match line.trim() {
            "" => {}
            NEW => conversation.messages = opening(args),
            said => match conversation.answer(said) {
                Err(Failure::Model(error)) if input.is_editor() && is_passing(&error) => {
                    say::error(&error)
                }
                other => other?,
            },
        }
    }
}

/// Finds out before the weights are read that there is no way to write a conversation.
fn require_template(source: &FolderSource) -> Result<(), Failure> {
    pollster::block_on(async {
        let config = TokenizerConfig::read(source).await?;
        let template = ChatTemplate::read(source, &config).await?;
        template.map(drop).ok_or_else(|| ChatError::Missing.into())
    })
}

fn message(role: &str, content: &str) -> Message {
    Message {
        role: role.to_owned(),
        content: content.to_owned(),
    }
}

fn opening(args: &ChatArgs) -> Vec<Message> {
    args.system
        .iter()
        .map(|text| message("system", text))
        .collect()
}

/// Whether a conversation can go on after an error.
fn is_passing(error: &Error) -> bool {
    !matches!(error, Error::Gpu(_) | Error::Disposed)
}

struct Conversation<'a> {
    model: LoopLm,
    args: &'a ChatArgs,
    steps: usize,
    interrupt: Interrupt,
    messages: Vec<Message>,
}

impl Conversation<'_> {
    fn greet(&self) {
        let legend = shade::legend(self.steps);
        // On standard error and by a stream that knows whether colours are wanted.
        let _ = writeln!(
            anstream::stderr(),
            "each token has the shade of the step it left at: {legend}"
        );
        say::aside(&format!(
            "Ctrl-C stops an answer, Ctrl-D leaves, {NEW} starts a new conversation"
        ));
    }

    /// Says something to the model and writes its answer. What failed is not part of the conversation.
    fn answer(&mut self, said: &str) -> Result<(), Failure> {
        self.messages.push(message("user", said));
        match self.reply() {
            Ok(text) => {
                self.messages.push(message("assistant", &text));
                Ok(())
            }
            Err(failure) => {
                self.messages.pop();
                if let Failure::Model(Error::ContextFull { .. }) = failure {
                    say::note(&format!("{NEW} starts a new conversation"));
                }
                Err(failure)
            }
        }
    }

    fn reply(&self) -> Result<String, Failure> {
        let options = ChatOptions {
            enable_thinking: self.args.enable_thinking(),
            ..ChatOptions::default()
        };
        let prompt = self.model.chat_prompt(&self.messages, options)?;
        // The template wrote the special tokens already.
        let ids = self.model.tokenizer()?.encode(&prompt, false)?;
        let sampling = &self.args.sampling;
        let options = GenerateOptions {
            cache_prompt: true,
            ..sampling.options(self.args.max_new_tokens)
        };
        let mut generation = Generation::new(&self.model, ids, options)?;
        let mut out = Shaded::stdout(self.steps);
        let answer = self.interrupt.during(|aborted| {
            Answer::take(&mut generation, aborted, |token| {
                out.write(&token.text, token.exit_step)
            })
        })?;
        out.end_line()?;
        let mut summary = answer.summary(self.steps);
        if answer.finish.reason == FinishReason::Aborted {
            summary += " by Ctrl-C";
        }
        if let Some(seed) = chosen_seed(&self.model, sampling, &generation) {
            summary += &format!(", seed {seed}");
        }
        say::aside(&summary);
        Ok(answer.text)
    }
}

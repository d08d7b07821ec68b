//! A chat template that runs: minijinja, set up as Transformers sets up Jinja.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;

use super::{ChatError, ChatOptions, ChatSource, Message};
use crate::checkpoint::Source;
use crate::error::excerpt;
use crate::tokenizer::TokenizerConfig;

const NAME: &str = "chat_template";
/// Instructions one rendering may take: a template that loops for ever ends as an error.
const FUEL: u64 = 50_000_000;

/// A parsed chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate").finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// Finds a folder's template, as [`ChatSource::read`] does, and parses it.
    ///
    /// # Errors
    /// Those of [`ChatSource::read`] and [`ChatTemplate::parse`].
    pub async fn read(
        source: &dyn Source,
        config: &TokenizerConfig,
    ) -> Result<Option<ChatTemplate>, ChatError> {
        let found = ChatSource::read(source, config).await?;
        found.map(ChatTemplate::parse).transpose()
    }

    /// Parses a template. `config` gives it `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// [`ChatError::Template`].
    pub fn new(template: String, config: &TokenizerConfig) -> Result<ChatTemplate, ChatError> {
        ChatTemplate::parse(ChatSource::new(template, config))
    }

    /// Parses a template.
    ///
    /// # Errors
    /// [`ChatError::Template`].
    pub fn parse(source: ChatSource) -> Result<ChatTemplate, ChatError> {
        // As Transformers sets Jinja up: a line with nothing but a block leaves nothing behind.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|e| explain(&e))?;
        let mut environment = Environment::new();
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message.clone())
                    .with_source(Refusal(message)))
            },
        );
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment
            .add_template_owned(NAME, source.template)
            .map_err(|e| explain(&e))?;
        Ok(ChatTemplate {
            environment,
            bos_token: source.bos_token,
            eos_token: source.eos_token,
        })
    }

    /// Writes a conversation as the text the model is to continue. It holds its special tokens, so encode it without
    /// adding any.
    ///
    /// # Errors
    /// [`ChatError::Template`] or [`ChatError::Refused`].
    pub fn render(&self, messages: &[Message], options: ChatOptions) -> Result<String, ChatError> {
        let thinking = options
            .enable_thinking
            .map_or(Value::UNDEFINED, Value::from);
        let variables = context! {
            messages => Serde(messages),
            tools => (),
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
            add_generation_prompt => options.add_generation_prompt,
            enable_thinking => thinking,
        };
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|e| explain(&e))?;
        template.render(variables).map_err(|e| explain(&e))
    }
}

/// Carries the words of `raise_exception` out of the engine.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn explain(error: &Error) -> ChatError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        if let Some(Refusal(message)) = e.downcast_ref() {
            return ChatError::Refused {
                message: excerpt(message),
            };
        }
        cause = e.source();
    }
    ChatError::Template {
        line: error.line(),
        message: excerpt(&error.to_string()),
    }
}

/// JSON as Python writes it, where the engine's own filter escapes `<` and `>` for HTML.
fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted and without effect: text is never escaped to ASCII here.
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let failed = |e: serde_json::Error| Error::new(ErrorKind::InvalidOperation, e.to_string());
    let mut bytes = Vec::new();
    match indent {
        Some(n) => {
            let indent = " ".repeat(n.min(16));
            let format = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            value
                .serialize(&mut serde_json::Serializer::with_formatter(
                    &mut bytes, format,
                ))
                .map_err(failed)?;
        }
        None => value
            .serialize(&mut serde_json::Serializer::with_formatter(
                &mut bytes, Spaced,
            ))
            .map_err(failed)?,
    }
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))?;
    Ok(Value::from_safe_string(text))
}

/// One line, with a space after each comma and colon.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The present time (UTC) in a format of `strftime`.
fn strftime_now(format: &str) -> Result<String, Error> {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(format, &now)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))
}

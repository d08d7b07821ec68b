//! `looplm generate --batch`: many prompts side by side. Their tokens share the passes, each at its own depth.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use futures::future::join_all;
use looplm::LoopLm;
use looplm::error::Coded;
use looplm::generate::{GenerateOptions, Generation};
use serde::{Deserialize, Serialize};

use super::json::Answered;
use crate::answer::Answer;
use crate::args::GenerateArgs;
use crate::failure::Failure;
use crate::say;

/// A line of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt: Option<String>,
    ids: Option<Vec<u32>>,
    max_new_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    seed: Option<u64>,
    exit: Option<String>,
}

/// What is printed for a line: its number in the file, and the answer or what was wrong.
#[derive(Serialize)]
struct Printed<'a> {
    line: usize,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    answer: Option<Answered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Wrong>,
}

#[derive(Serialize)]
struct Wrong {
    code: &'static str,
    message: String,
}

/// A line is wrong, the others run.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error("not a request: {0}")]
    Json(#[from] serde_json::Error),
    #[error("give either a prompt or ids")]
    Prompt,
    #[error("{0}")]
    Exit(String),
    #[error(transparent)]
    Model(#[from] looplm::Error),
}

impl LineError {
    fn wrong(&self) -> Wrong {
        let code = match self {
            Self::Model(error) => error.code(),
            _ => "invalid-argument",
        };
        Wrong {
            code,
            message: self.to_string(),
        }
    }
}

pub(super) fn run(model: &LoopLm, file: &Path, args: &GenerateArgs) -> Result<(), Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::Read {
        path: file.to_owned(),
        reason: error.to_string(),
    })?;
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
        .collect();
    if lines.is_empty() {
        let reason = "there is no prompt in it".to_owned();
        return Err(Failure::Read {
            path: file.to_owned(),
            reason,
        });
    }
    let answers = lines.iter().map(|(_, line)| answer(model, line, args));
    let answers = pollster::block_on(join_all(answers));
    let mut out = io::stdout().lock();
    let mut failed = 0;
    for ((line, _), answer) in lines.iter().zip(&answers) {
        failed += usize::from(answer.is_err());
        print(&mut out, *line, answer, args.json)?;
    }
    out.flush()?;
    if failed > 0 {
        let lines = lines.len();
        return Err(Failure::Lines { failed, lines });
    }
    Ok(())
}

async fn answer(model: &LoopLm, line: &str, args: &GenerateArgs) -> Result<Answer, LineError> {
    let line: Line = serde_json::from_str(line)?;
    let prompt = match (&line.prompt, &line.ids) {
        (Some(text), None) => model
            .tokenizer()?
            .encode(text, true)
            .map_err(looplm::Error::from)?,
        (None, Some(ids)) => ids.clone(),
        _ => return Err(LineError::Prompt),
    };
    let general = args.sampling.options(args.max_new_tokens);
    let mut exit = general.exit;
    if let Some(rule) = &line.exit {
        exit.rule = rule.parse().map_err(LineError::Exit)?;
    }
    let options = GenerateOptions {
        max_new_tokens: line.max_new_tokens.or(general.max_new_tokens),
        temperature: line.temperature.or(general.temperature),
        top_k: line.top_k.or(general.top_k),
        top_p: line.top_p.or(general.top_p),
        seed: line.seed.or(general.seed),
        exit,
        ..general
    };
    let mut generation = Generation::new(model, prompt, options)?;
    Ok(Answer::collect(&mut generation).await?)
}

fn print(
    out: &mut impl Write,
    line: usize,
    answer: &Result<Answer, LineError>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        let printed = Printed {
            line,
            answer: answer.as_ref().ok().map(Answered::new),
            error: answer.as_ref().err().map(LineError::wrong),
        };
        serde_json::to_writer(&mut *out, &printed).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        return Ok(());
    }
    match answer {
        Ok(answer) => writeln!(out, "{line}: {}", answer.text)?,
        Err(error) => say::error(&format!("line {line}: {error}")),
    }
    Ok(())
}

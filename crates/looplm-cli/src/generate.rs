//! `looplm generate`: a prompt continued, or many.

mod batch;
mod json;

use std::io::{self, Write};

use looplm::LoopLm;
use looplm::generate::Generation;

use crate::answer::{Answer, chosen_seed};
use crate::args::{GenerateArgs, PromptArgs};
use crate::failure::Failure;
use crate::shade::Shaded;
use crate::{load, say};

pub(crate) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let source = load::open(&args.model, args.sampling.steps, args.sampling.exit())?;
    let model = load::model(&source, &args.load.options())?;
    if let Some(file) = &args.prompt.batch {
        return batch::run(&model, file, args);
    }
    let steps = model.steps(args.sampling.steps)?.get();
    let prompt = prompt(&model, &args.prompt)?;
    let mut generation =
        Generation::new(&model, prompt, args.sampling.options(args.max_new_tokens))?;
    if args.json {
        let answer = Answer::take(&mut generation, &|| false, |_| Ok(()))?;
        return print_json(&answer);
    }
    let mut out = Shaded::stdout(steps);
    let has_text = model.tokenizer().is_ok();
    let answer = Answer::take(&mut generation, &|| false, |token| {
        if has_text {
            out.write(&token.text, token.exit_step)
        } else {
            out.write(&format!("{} ", token.id), token.exit_step)
        }
    })?;
    out.end_line()?;
    let seed =
        chosen_seed(&model, &args.sampling, &generation).map(|seed| format!(", seed {seed}"));
    say::aside(&(answer.summary(steps) + &seed.unwrap_or_default()));
    Ok(())
}

fn prompt(model: &LoopLm, args: &PromptArgs) -> Result<Vec<u32>, Failure> {
    match (&args.ids, &args.prompt) {
        (Some(ids), _) => Ok(ids.0.clone()),
        (None, text) => Ok(model
            .tokenizer()?
            .encode(text.as_deref().unwrap_or_default(), true)?),
    }
}

fn print_json(answer: &Answer) -> Result<(), Failure> {
    let mut out = io::stdout();
    serde_json::to_writer(&mut out, &json::Answered::new(answer)).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

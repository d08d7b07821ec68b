//! A model that answers programs, for benches that ask it in turns with others: `web/bench/peers/native.mjs`.
//!
//! `cargo run --release -p looplm --example answers -- FOLDER [--format q4] [--kv f16]`
//!
//! It speaks lines of JSON. Once loaded it says `{"loaded": {...}}`. To a line `{"ids": [...], "count": N}` it says `{"first": ms}`
//! as soon as it has the first token, and with the last `{"answer": {"ids": [...], "first": ms, "last": ms}}`, milliseconds since
//! it read the question. Answers are greedy, of `count` tokens unless they end before, and every token takes all steps.

use std::{
    io::{BufRead, Write, stdin, stdout},
    time::Instant,
};

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    engine::EngineOptions,
    generate::{GenerateOptions, Generation, Verify},
    model::LoadOptions,
};
use pollster::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

#[derive(Deserialize)]
struct Question {
    ids: Vec<u32>,
    count: usize,
}

fn main() -> Result<(), Failure> {
    let (folder, options) = arguments()?;
    let started = Instant::now();
    let source = FolderSource::new(folder)?;
    let model = block_on(LoopLm::load(&source, &options, &mut |_| ()))?;
    let ms = milliseconds(started);
    let info = model.info();
    say(&json!({ "loaded": {
        "ms": ms,
        "adapter": { "description": info.adapter.name, "driver": info.adapter.driver, "backend": info.adapter.backend },
        "notes": [
            format!("looplm {}", env!("CARGO_PKG_VERSION")),
            format!("weights {}", info.format),
            format!("{} keys and values", options.engine.kv_format.name()),
            "f32 activations".to_owned(),
            format!("tier {}, {} lanes", info.adapter.tier.name(), info.tuning.lanes),
        ],
    }}))?;
    for line in stdin().lock().lines() {
        answer(&model, serde_json::from_str(&line?)?)?;
    }
    Ok(())
}

fn arguments() -> Result<(String, LoadOptions), Failure> {
    let mut folder = None;
    let mut options = LoadOptions {
        // Where workgroups are worth measuring, they are.
        tunings: Some(Default::default()),
        engine: EngineOptions::default(),
        ..LoadOptions::default()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--format" => options.precision.format = value()?.parse()?,
            "--kv" => options.engine.kv_format = value()?.parse()?,
            _ if argument.starts_with("--") || folder.is_some() => {
                return Err(format!("unknown argument {argument}").into());
            }
            _ => folder = Some(argument),
        }
    }
    Ok((folder.ok_or("which folder?")?, options))
}

fn answer(model: &LoopLm, question: Question) -> Result<(), Failure> {
    let started = Instant::now();
    let options = GenerateOptions {
        max_new_tokens: Some(question.count),
        temperature: Some(0.0),
        verify: Verify::Off,
        ..GenerateOptions::default()
    };
    let mut generation = Generation::new(model, question.ids, options)?;
    let (mut ids, mut first, mut last) = (Vec::new(), 0.0, 0.0);
    while let Some(token) = block_on(generation.next(&|| false))? {
        last = milliseconds(started);
        if ids.is_empty() {
            first = last;
            say(&json!({ "first": first }))?;
        }
        ids.push(token.id);
    }
    say(&json!({ "answer": { "ids": ids, "first": first, "last": last } }))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn say(line: &Value) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

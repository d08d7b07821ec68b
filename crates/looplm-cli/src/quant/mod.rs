//! `looplm eval quant`: what smaller weights change, and what they save.

mod report;
mod table;

use std::io::{self, Write};

use looplm::checkpoint::{Checkpoint, FolderSource};
use looplm::conversion::{Conversion, ConversionOptions};
use looplm::engine::{EngineOptions, KvFormat};
use looplm::exit::{Exit, ExitRule};
use looplm::model::LoadOptions;
use looplm::precision::{Precision, WeightFormat};
use looplm::{Error, LoopLm};
use pollster::block_on;

use crate::args::QuantArgs;
use crate::config;
use crate::failure::Failure;
use crate::fidelity;
use crate::interrupt::StopRequest;
use crate::text_file::TextFile;
use crate::{load, say};
use report::{FORMAT, FormatReport, Report};

/// Bytes of the weight files of the model in a precision, heads included.
fn file_bytes(source: &FolderSource, precision: Precision) -> Result<u64, Failure> {
    let options = ConversionOptions {
        precision,
        shard_bytes: None,
    };
    Ok(block_on(Conversion::plan(source, options))?.target_bytes())
}

/// Bytes of the weight files as they are.
fn stored_bytes(source: &FolderSource, model: &LoopLm) -> Result<u64, Failure> {
    let summary = block_on(async {
        let checkpoint = Checkpoint::open(source, model.config()).await?;
        checkpoint.summarize().await
    })?;
    Ok(summary.files.iter().map(|(_, bytes)| bytes).sum())
}

fn options(precision: Precision, kv_format: KvFormat) -> LoadOptions {
    LoadOptions {
        engine: EngineOptions {
            kv_format,
            ..EngineOptions::default()
        },
        precision,
        ..LoadOptions::default()
    }
}

fn threshold(model: &LoopLm) -> f32 {
    let own = model.config().early_exit_threshold as f32;
    if own > 0.0 && own < 1.0 { own } else { Q }
}

/// The gate's threshold where the model names none.
const Q: f32 = 0.8;
/// Tokens of a sequence that belongs to no task, at most.
const LENGTH: usize = 64;

pub(crate) fn run(args: &QuantArgs) -> Result<(), Failure> {
    let file = args.out.as_deref().map(TextFile::new).transpose()?;
    let stop = StopRequest::listen()?;
    let report = match report(args, &|| stop.is_asked()) {
        Err(Failure::Model(Error::Aborted)) => {
            say::note("stopped; nothing was written");
            stop.end();
        }
        report => report?,
    };
    if let Some(file) = &file {
        let mut text = serde_json::to_vec_pretty(&report).map_err(io::Error::from)?;
        text.push(b'\n');
        file.write(&text)?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        for line in table::lines(&report) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

fn report(args: &QuantArgs, aborted: &dyn Fn() -> bool) -> Result<Report, Failure> {
    let (folder, task) = match config::trained(&args.model, args.task.as_deref()) {
        Ok(trained) => (trained.folder.clone(), Some(trained)),
        Err(Failure::NoTask { .. }) => (args.model.clone(), None),
        Err(failure) => return Err(failure),
    };
    let source = load::open(&folder, args.steps, Exit::default())?;
    let reference = load::model(&source, &options(Precision::default(), KvFormat::F32))?;
    if reference.info().format != WeightFormat::Stored {
        return Err(Failure::Quantized {
            path: folder,
            format: reference.info().format,
        });
    }
    let steps = reference.steps(args.steps)?;
    let q = args.q.unwrap_or_else(|| threshold(&reference));
    let documents = fidelity::documents(&reference, task, args.samples, LENGTH, aborted)?;
    let mut formats = Vec::new();
    for precision in args.precisions() {
        let model = load::model(&source, &options(precision, args.kv_format))?;
        let exit = ExitRule::Gate(q).into();
        let difference = fidelity::compare([&reference, &model], &documents, steps, exit, aborted)?;
        let bytes = file_bytes(&source, precision)?;
        let memory = model.info().memory.weights;
        formats.push(FormatReport::new(precision, bytes, memory, &difference));
        block_on(model.dispose());
    }
    let name = args.model.canonicalize().unwrap_or(args.model.clone());
    Ok(Report {
        format: FORMAT,
        model: name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        adapter: reference.info().adapter.name.clone(),
        steps: steps.get(),
        measured: report::Measured::of(&documents),
        q,
        kv_format: args.kv_format.to_string(),
        reference: report::Reference {
            bytes: stored_bytes(&source, &reference)?,
            memory: reference.info().memory.weights,
        },
        formats,
    })
}

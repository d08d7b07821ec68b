//! `looplm convert`: a folder with smaller weights.

mod check;

use std::time::Instant;

use indicatif::HumanBytes;
use looplm::Error;
use looplm::conversion::{ConversionOptions, ConvertError, convert_folder};
use looplm::precision::{Precision, WeightFormat};
use pollster::block_on;

use crate::args::ConvertArgs;
use crate::failure::Failure;
use crate::interrupt::StopRequest;
use crate::{progress, say};

pub(crate) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let stop = StopRequest::listen()?;
    if let Some(format) = args.format {
        convert(args, format, &stop)?;
    }
    if !args.check {
        return Ok(());
    }
    match check::run(args, &|| stop.is_asked()) {
        Err(Failure::Model(Error::Aborted)) => {
            say::note("stopped before the check was done");
            stop.end();
        }
        result => result,
    }
}

fn convert(args: &ConvertArgs, format: WeightFormat, stop: &StopRequest) -> Result<(), Failure> {
    let begun = Instant::now();
    let options = ConversionOptions {
        precision: Precision {
            format,
            head: args.head,
        },
        shard_bytes: args.shard_size,
    };
    let bar = progress::bytes("converting weights");
    let mut progress = |done: u64, of: u64| {
        bar.set_length(of);
        bar.set_position(done);
        !stop.is_asked()
    };
    let outcome = block_on(convert_folder(
        &args.model,
        &args.out,
        options,
        &mut progress,
    ));
    bar.finish_and_clear();
    let converted = match outcome {
        Err(ConvertError::Aborted) => {
            say::note("stopped; nothing was written");
            stop.end();
        }
        outcome => outcome?,
    };
    for warning in &converted.warnings {
        say::warning(warning);
    }
    let (before, after) = converted.bytes;
    let files = match converted.files {
        1 => "one file".to_owned(),
        n => format!("{n} files"),
    };
    say::aside(&format!(
        "wrote {}: weights of {} in {files}, {:.0} % of the {} they were; {:.1} s",
        args.out.display(),
        HumanBytes(after),
        after as f64 / before.max(1) as f64 * 100.0,
        HumanBytes(before),
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

//! What a model costs on this device: tokens a second at several lengths of context, passes, prefill, the first token, bytes
//! read against a streaming read of the same run, memory. A run only counts if its tokens are those of f32.
//!
//!     cargo run --release -p looplm --example bench -- [--size tiny,125m] [--model FOLDER] [--format f16,q8,q4,stored]
//!         [--contexts 128,1024,4096] [--json] [--write FOLDER]
//!
//! Times are wall time around submissions and their readback, the median of several with the spread of the middle half.
//! Absolute numbers say little on a shared machine: compare within a run.

mod agreement;
mod clock;
mod generated;
mod measure;
mod memory;
mod options;
mod report;
mod run;

use std::process::ExitCode;

use clock::Failure;
use options::Options;

fn main() -> Result<ExitCode, Failure> {
    let options = Options::parse(std::env::args().skip(1))?;
    if let Some(folder) = &options.write {
        for model in &options.models {
            model.write(folder)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut all_count = true;
    for model in &options.models {
        let source = model.source()?;
        for format in &options.formats {
            let result = run::run(model, &*source, *format, &options.contexts)?;
            all_count &= result.counts();
            if options.json {
                println!("{}", result.json());
            } else {
                report::print(&result);
            }
        }
    }
    Ok(if all_count {
        ExitCode::SUCCESS
    } else {
        eprintln!("a run does not count: its tokens are not those of f32");
        ExitCode::FAILURE
    })
}

//! `cargo xtask bench`: the native measurements.

use crate::process;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::setup;
use anyhow::Result;
use std::process::Command;

/// The bench programs: every kernel by itself, then whole passes, prefill and decode.
const PROGRAMS: [(&str, &str); 2] = [("looplm-gpu", "kernels"), ("looplm", "bench")];

/// What the bench programs are told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object a program instead of tables
    #[arg(long)]
    json: bool,
}

/// Builds the bench programs for speed and runs them, one after the other.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    setup::require(&[Requirement::Vulkan])?;
    for (package, example) in PROGRAMS {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args([
                "run",
                "--release",
                "--package",
                package,
                "--example",
                example,
                "--",
            ])
            .args(options.json.then_some("--json"))
            .current_dir(&project.root);
        process::run(&mut command)?;
    }
    Ok(())
}

//! `cargo xtask bench`: the native measurements.

use crate::process;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::setup;
use anyhow::Result;
use std::process::Command;

/// What the bench program is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Arguments of the bench program (`cargo xtask bench -- --help` lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the bench program for speed and runs it.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    setup::require(&[Requirement::Vulkan])?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "run",
            "--release",
            "--package",
            "looplm",
            "--example",
            "bench",
            "--",
        ])
        .args(&options.arguments)
        .current_dir(&project.root);
    process::run(&mut command)
}

//! The project's own commands, run as `cargo xtask COMMAND`. What they do and need is in docs/BUILDING.md.

mod bench;
mod browsers;
mod build;
mod checks;
mod demo;
mod npm;
mod process;
mod project;
mod requirements;
mod retrain;
mod serve;
mod setup;
mod stamp;
mod wasm;
mod wasm_toolchain;

use clap::{Parser, Subcommand};
use project::Project;
use std::process::ExitCode;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build all it needs and serve the page with the shipped model
    Demo(demo::Options),
    /// Run every test: Rust, TypeScript, and the npm package and the page in real browsers
    Test(checks::Options),
    /// Build the wasm module, the npm package and the page
    Build(build::Options),
    /// Check what is missing on this machine, and install it where that can be done
    Setup,
    /// Measure the kernels and whole passes, or with `train` the updates of training
    Bench(bench::Options),
    /// Train a shipped model again, from its train.toml to its files
    Retrain(retrain::Options),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let result = Project::find().and_then(|project| match command {
        Command::Demo(options) => demo::run(&project, &options),
        Command::Test(options) => checks::run(&project, &options),
        Command::Build(options) => build::run(&project, &options),
        Command::Setup => setup::run(&project),
        Command::Bench(options) => bench::run(&project, &options),
        Command::Retrain(options) => retrain::run(&project, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        assert!(
            Arguments::try_parse_from(["xtask", "demo", "--check", "--prompt", "left", "--fast"])
                .is_ok()
        );
        assert!(
            Arguments::try_parse_from(["xtask", "demo", "--prompt", "left"]).is_err(),
            "without --check"
        );
        assert!(Arguments::try_parse_from(["xtask", "bench", "--json"]).is_ok());
        assert!(
            Arguments::try_parse_from([
                "xtask", "bench", "train", "--json", "--sizes", "small", "--torch"
            ])
            .is_ok()
        );
        assert!(Arguments::try_parse_from(["xtask", "test", "--only", "everything"]).is_err());
    }
}

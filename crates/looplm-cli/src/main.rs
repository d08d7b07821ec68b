//! The program `looplm`: looped language models in a terminal.

mod accuracy;
mod answer;
mod args;
mod chat;
mod config;
mod convert;
mod eval;
mod exits;
mod failure;
mod fidelity;
mod forward;
mod gate;
mod generate;
mod held_out;
mod info;
mod input;
mod interrupt;
mod load;
mod loss;
mod number;
mod progress;
mod quant;
mod say;
mod shade;
mod tensor_file;
mod text_file;
mod train;
mod tunings;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    quieten_driver();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::explain(&error),
    };
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            say::error(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Info(args) => info::run(args),
        Command::Forward(args) => forward::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Chat(args) => chat::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Train(args) => train::run(args),
        Command::Eval(args) => eval::command(args),
        Command::Gate(args) => gate::run(args),
        Command::Loss(args) => loss::run(args),
    }
}

/// Mesa's device selection asks the display which GPU it uses, and writes "error: XDG_RUNTIME_DIR is invalid" to standard
/// error where there is none: on servers and in containers. The adapter is chosen without it, so it is switched off there.
fn quieten_driver() {
    #[cfg(target_os = "linux")]
    {
        let is_set = |name| std::env::var_os(name).is_some();
        if !is_set("XDG_RUNTIME_DIR") && !is_set("MESA_VK_DEVICE_SELECT") {
            // SAFETY: the program has just begun and has one thread, so nobody reads the environment meanwhile.
            unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
        }
    }
}

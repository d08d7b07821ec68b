//! `cargo xtask retrain`: makes a shipped model again, from its configuration to its files.

use crate::process;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::setup;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Held-out samples that the figures beside a model are taken from.
const SAMPLES: &str = "2048";

/// The configuration of a shipped model, and of the same parameters without a loop, which it is compared with.
const LOOPED: &str = "train.toml";
const ONCE: &str = "once.toml";

/// Which model.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A folder of models/ that has a train.toml
    name: String,
}

/// Trains models/NAME again with `looplm train`, teaches its gate, measures it, and puts the files in its place. A run
/// that was stopped goes on where it was.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let folder = project.path("models").join(&options.name);
    let config = folder.join(LOOPED);
    ensure!(
        config.is_file(),
        "there is no {}; models that can be made again have one",
        config.display()
    );
    setup::require(&[Requirement::Vulkan])?;
    let work = project.target.join("retrain").join(&options.name);
    fs::create_dir_all(&work).with_context(|| work.display().to_string())?;

    let looped = work.join("looped");
    train(project, &config, &looped)?;
    let gate = answer(project, &["gate", text(&looped)?, "--json"])?;
    let gated = looped.join("gated");
    let mut metrics = json!({
        "evaluation": evaluate(project, &gated, &config)?,
        "gate": gate,
    });
    let once = folder.join(ONCE);
    if once.is_file() {
        let run = work.join("once");
        train(project, &once, &run)?;
        metrics["once"] = evaluate(project, &run, &once)?;
        copy(&run.join("train.log"), &folder.join("once.log"))?;
    }
    for entry in fs::read_dir(&gated).with_context(|| gated.display().to_string())? {
        let entry = entry?;
        copy(&entry.path(), &folder.join(entry.file_name()))?;
    }
    copy(&looped.join("train.log"), &folder.join("train.log"))?;
    let file = folder.join("metrics.json");
    fs::write(&file, format!("{metrics:#}\n")).with_context(|| file.display().to_string())?;
    println!("{} is made anew", folder.display());
    Ok(())
}

fn train(project: &Project, config: &Path, run: &Path) -> Result<()> {
    // The log names the run folder: from the root of the repository, where the program runs.
    let out = run.strip_prefix(&project.root).unwrap_or(run);
    let mut arguments = vec!["train", text(config)?, "--out", text(out)?];
    if run.exists() {
        arguments.push("--resume");
    }
    process::run(&mut looplm(project, &arguments))
}

fn evaluate(project: &Project, model: &Path, config: &Path) -> Result<Value> {
    let task = ["--task", text(config)?];
    let rest = ["--samples", SAMPLES, "--json"];
    answer(
        project,
        &[&["eval", text(model)?][..], &task, &rest].concat(),
    )
}

/// What the program says in JSON.
fn answer(project: &Project, arguments: &[&str]) -> Result<Value> {
    let output = looplm(project, arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    ensure!(
        output.status.success(),
        "looplm {} failed",
        arguments.join(" ")
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("looplm {}: not JSON", arguments.join(" ")))
}

fn looplm(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["run", "--quiet", "--release", "--package", "looplm-cli"])
        .args(["--bin", "looplm", "--"])
        .args(arguments)
        .current_dir(&project.root);
    command
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not Unicode", path.display()))
}

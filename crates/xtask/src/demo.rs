//! `cargo xtask demo`: the page with the shipped model, for a person or, with `--check`, for a headless browser.

use crate::browsers::CHROMIUM;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::{build, process, serve, setup};
use anyhow::{Context, Result};
use std::process::{Command, Stdio};

/// How to show the page.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port to serve on [default: the first free one from 8310]
    #[arg(long)]
    port: Option<u16>,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Ask the page in a headless Chromium, print its answer with the exit steps, and end
    #[arg(long)]
    check: bool,
    /// What to ask with --check [default: the shipped model's example]
    #[arg(long, requires = "check")]
    prompt: Option<String>,
    #[command(flatten)]
    build: build::Options,
}

/// Builds the page and shows it.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    if options.check {
        setup::require(&[Requirement::Node, Requirement::Chromium])?;
    }
    build::run(project, &options.build)?;
    if options.check {
        return check(project, options.port, options.prompt.as_deref());
    }
    let server = serve::serve(project.page(), options.port)?;
    println!("\nThe demo is at {}  (Ctrl-C ends it)", server.url());
    if !options.no_open && has_display() {
        open(&server.url());
    }
    server.wait();
    Ok(())
}

/// Asks the built page in a headless Chromium.
pub(crate) fn check(project: &Project, port: Option<u16>, prompt: Option<&str>) -> Result<()> {
    let prompt = match prompt {
        Some(prompt) => prompt.to_owned(),
        None => example_prompt(project)?,
    };
    let server = serve::serve(project.page(), port)?;
    let mut command = Command::new("node");
    command
        .arg(project.path("tests/browser/demo-check.mjs"))
        .args([server.url(), prompt])
        .env(CHROMIUM.variable, CHROMIUM.find()?)
        .current_dir(&project.root);
    process::run(&mut command).context("the page did not answer as it should")
}

/// The example in the shipped model's config.json.
fn example_prompt(project: &Project) -> Result<String> {
    let path = project.path("models/shell-game/config.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("could not read {}", path.display()))?;
    let config: serde_json::Value =
        serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let example = config["looplm_task"]["example"].as_str();
    Ok(example
        .with_context(|| format!("{} has no looplm_task.example", path.display()))?
        .to_owned())
}

fn has_display() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let desktop =
        cfg!(any(target_os = "macos", windows)) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    desktop && !is_set("CI") && !is_set("SSH_CONNECTION")
}

/// Opens the address in the person's browser. Not a reason to fail: the address is on the screen.
fn open(url: &str) {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        Command::new("explorer")
    } else {
        Command::new("xdg-open")
    };
    let started = command
        .arg(url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if started.is_err() {
        println!("No browser could be started here; open the address yourself.");
    }
}

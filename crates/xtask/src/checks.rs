//! `cargo xtask test`: everything that has to hold, the quick things first.

use crate::process;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::{chromium, demo, npm, setup, wasm};
use anyhow::{Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// rustfmt, clippy, and the native tests of every crate
    Rust,
    /// prettier, eslint, types, and the unit tests of the npm package and the page
    Ts,
    /// The size of the npm package, and package and page in a real Chromium
    Browser,
}

/// Runs the tests. Every step runs that can, also after another one failed, so that one run shows all there is.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let wanted = |part: Part| options.only.is_none_or(|only| only == part);
    let mut report = Report::default();

    let mut needs = Vec::new();
    if wanted(Part::Rust) {
        needs.push(Requirement::Vulkan);
    }
    if wanted(Part::Ts) || wanted(Part::Browser) {
        needs.push(Requirement::Node);
    }
    if wanted(Part::Browser) {
        needs.push(Requirement::Chromium);
    }
    let machine = report.step("what the machine needs", true, || setup::require(&needs));

    if wanted(Part::Rust) {
        report.step("Rust: rustfmt", true, || {
            cargo(project, &["fmt", "--all", "--check"])
        });
    }
    let mut package = false;
    if wanted(Part::Ts) || wanted(Part::Browser) {
        let installed = report.step("npm packages", machine, || npm::install(project));
        if wanted(Part::Ts) {
            report.step("TypeScript: prettier", installed, || {
                npm::tool(project, "prettier", &["--check", "."])
            });
        }
        package = report.step("npm package: build", installed, || {
            npm::build_package(project)
        });
        if wanted(Part::Ts) {
            report.step("TypeScript: eslint", package, || {
                npm::tool(project, "eslint", &["--max-warnings=0", "."])
            });
            for workspace in ["pkg", "web"] {
                report.step(&format!("{workspace}: types"), package, || {
                    npm::script(project, workspace, "typecheck")
                });
                report.step(&format!("{workspace}: unit tests"), package, || {
                    npm::script(project, workspace, "test")
                });
            }
        }
    }
    if wanted(Part::Rust) {
        report.step("Rust: clippy", true, || {
            cargo(
                project,
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "--deny",
                    "warnings",
                ],
            )
        });
        report.step("Rust: tests", machine, || {
            cargo(project, &["test", "--workspace", "--no-fail-fast"])
        });
    }
    if wanted(Part::Browser) {
        let wasm = report.step("wasm: build", package, || wasm::build(project, false));
        report.step("npm package: size", wasm && package, || {
            npm::script(project, "pkg", "test:built")
        });
        let page = report.step("page: build", wasm && package, || npm::build_page(project));
        report.step(
            "browser: the npm package and the page",
            wasm && package,
            || browser_tests(project),
        );
        report.step("browser: cargo xtask demo --check", page, || {
            demo::check(project, None, None)
        });
    }
    report.finish(options.only)
}

fn cargo(project: &Project, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Without a desktop session it is not set, and Mesa says so once a device: hundreds of lines that mean nothing.
        command.env("XDG_RUNTIME_DIR", &project.target);
    }
    process::run(command.args(arguments).current_dir(&project.root))
}

fn browser_tests(project: &Project) -> Result<()> {
    let tests: Vec<PathBuf> = crate::stamp::files_below(&project.path("tests/browser"))?
        .into_iter()
        .filter(|file| file.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    ensure!(!tests.is_empty(), "there is no test in tests/browser");
    let mut command = Command::new("node");
    command
        // One at a time: each starts a browser that renders on the CPU.
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        // A page that hangs is a failure, not a run without an end; the limit is for a whole file.
        .arg("--test-timeout=1200000")
        .args(tests)
        .env(chromium::VARIABLE, chromium::find()?)
        .current_dir(&project.root);
    process::run(&mut command)
}

/// What became of the steps so far.
#[derive(Default)]
struct Report {
    steps: Vec<(String, Outcome, Duration)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    /// Something it needs has failed.
    NotRun,
}

impl Report {
    /// Does a step where what it needs is `ready`; true where it passed.
    fn step(&mut self, name: &str, ready: bool, work: impl FnOnce() -> Result<()>) -> bool {
        let started = Instant::now();
        let outcome = if ready {
            eprintln!("\n=== {name}");
            match work() {
                Ok(()) => Outcome::Passed,
                Err(error) => {
                    eprintln!("FAILED: {error:#}");
                    Outcome::Failed(format!("{error:#}"))
                }
            }
        } else {
            Outcome::NotRun
        };
        let passed = outcome == Outcome::Passed;
        self.steps
            .push((name.to_owned(), outcome, started.elapsed()));
        passed
    }

    /// The summary, and whether everything passed.
    fn summary(&self) -> (String, bool) {
        let mut text = String::new();
        for (name, outcome, time) in &self.steps {
            let seconds = format!("{:.1} s", time.as_secs_f32());
            text.push_str(&match outcome {
                Outcome::Passed => format!("  passed   {seconds:>9}  {name}\n"),
                Outcome::Failed(error) => format!("  FAILED   {seconds:>9}  {name}: {error}\n"),
                Outcome::NotRun => format!(
                    "  NOT RUN  {:>9}  {name} (something it needs has failed)\n",
                    ""
                ),
            });
        }
        (
            text,
            self.steps
                .iter()
                .all(|(_, outcome, _)| *outcome == Outcome::Passed),
        )
    }

    fn finish(&self, only: Option<Part>) -> Result<()> {
        let (text, passed) = self.summary();
        println!("\n=== summary\n{text}");
        if let Some(part) = only {
            println!("Only the part `{part:?}` was asked for.");
        }
        if !passed {
            bail!("not every step passed");
        }
        println!("Every step passed.");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_could_not_run_is_no_success() {
        let mut report = Report::default();
        assert!(report.step("one", true, || Ok(())));
        assert!(report.summary().1);
        let failed = report.step("two", true, || bail!("it broke"));
        assert!(!failed);
        assert!(
            !report.step("three", failed, || Ok(())),
            "what it needs has failed"
        );
        let (text, passed) = report.summary();
        assert!(!passed);
        assert!(
            text.contains("two: it broke") && text.contains("NOT RUN") && text.contains("three"),
            "{text}"
        );
    }

    #[test]
    fn a_step_that_is_not_run_alone_fails_the_whole() {
        let mut report = Report::default();
        report.step("one", false, || Ok(()));
        assert!(report.finish(None).is_err());
    }
}

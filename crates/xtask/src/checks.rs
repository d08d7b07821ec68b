//! `cargo xtask test`: everything that has to hold, the quick things first.

use crate::browsers::{CHROMIUM, FIREFOX};
use crate::process;
use crate::project::Project;
use crate::requirements::Requirement;
use crate::{demo, npm, setup, wasm};
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
    /// The size of the npm package, package and page in Chromium, and the package in Firefox where there is one
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
            || chromium_tests(project),
        );
        let name = "browser: the npm package in Firefox";
        let built = wasm && package;
        let firefox = if built {
            firefox_is_here(project)
        } else {
            Ok(())
        };
        match firefox {
            Ok(()) => _ = report.step(name, built, || firefox_tests(project)),
            Err(why) => report.leave_out(name, &why),
        }
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

fn chromium_tests(project: &Project) -> Result<()> {
    let tests: Vec<PathBuf> = crate::stamp::files_below(&project.path("tests/browser"))?
        .into_iter()
        .filter(|file| file.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    ensure!(!tests.is_empty(), "there is no test in tests/browser");
    process::run(
        node_tests(project, tests)
            .env(CHROMIUM.variable, CHROMIUM.find()?)
            .env_remove(WHICH_BROWSER),
    )
}

/// The environment variable that has the package's tests run in Firefox.
const WHICH_BROWSER: &str = "LOOPLM_BROWSER";

/// What browsers do differently: shaders, storage, waiting, memory. The others take long and say little more.
const IN_FIREFOX: &[&str] = &[
    "cache",
    "compile",
    "generation",
    "memory",
    "no-webgpu",
    "parity",
    "shaders",
    "training",
];

fn firefox_tests(project: &Project) -> Result<()> {
    let file = |name| project.path(&format!("tests/browser/pkg/{name}.test.mjs"));
    let tests = IN_FIREFOX.iter().map(file).collect();
    process::run(
        node_tests(project, tests)
            .env(FIREFOX.variable, FIREFOX.find()?)
            .env(WHICH_BROWSER, "firefox"),
    )
}

/// Installs one where that can be done; otherwise, and where it has no adapter, says why its tests are left out.
fn firefox_is_here(project: &Project) -> Result<(), String> {
    setup::require(&[Requirement::Vulkan, Requirement::Firefox])
        .and_then(|()| FIREFOX.find())
        .and_then(|program| {
            let mut probe = Command::new("node");
            probe
                .arg(project.path("tests/browser/firefox-adapter.mjs"))
                .env(FIREFOX.variable, program);
            process::run_for(&mut probe, Duration::from_secs(60))
        })
        .map_err(|error| format!("{error:#}"))
}

fn node_tests(project: &Project, tests: Vec<PathBuf>) -> Command {
    let mut command = Command::new("node");
    command
        // Two at a time: each starts a browser that renders on the CPU, and compiles shaders on one core for most of its time.
        .args(["--test", "--test-reporter=spec", "--test-concurrency=2"])
        // A page that hangs is a failure, not a run without an end; the limit is for a whole file.
        .arg("--test-timeout=2400000")
        .args(tests)
        .current_dir(&project.root);
    command
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
    /// The machine lacks something that not everybody has to have.
    LeftOut(String),
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

    /// Notes a step that does not run here, which is no failure.
    fn leave_out(&mut self, name: &str, why: &str) {
        let outcome = Outcome::LeftOut(why.to_owned());
        self.steps.push((name.to_owned(), outcome, Duration::ZERO));
    }

    /// The summary, and whether everything passed that ran.
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
                Outcome::LeftOut(why) => format!("  left out {:>9}  {name}: {why}\n", ""),
            });
        }
        (
            text,
            self.steps
                .iter()
                .all(|(_, outcome, _)| matches!(outcome, Outcome::Passed | Outcome::LeftOut(_))),
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
        let left_out = |(_, outcome, _): &(_, Outcome, _)| matches!(outcome, Outcome::LeftOut(_));
        println!(
            "Every step passed{}.",
            if self.steps.iter().any(left_out) {
                " that ran; see what was left out"
            } else {
                ""
            }
        );
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
    fn what_is_left_out_is_told_and_no_failure() {
        let mut report = Report::default();
        report.step("one", true, || Ok(()));
        report.leave_out("two", "there is no such browser");
        let (text, passed) = report.summary();
        assert!(passed);
        assert!(
            text.contains("left out") && text.contains("two: there is no such browser"),
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

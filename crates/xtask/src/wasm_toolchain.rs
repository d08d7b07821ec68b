//! A Rust compiler with the target wasm32-unknown-unknown. There are two ways to one:
//!
//! 1. the toolchain in use has the target's standard library (`rustup target add` brings it), and
//! 2. Debian's own Rust packages, whose sources of the standard library are built together with the crate, for machines
//!    where rustup cannot download.

use crate::process::{self, find_program, output_of};
use crate::setup::{apt_install, can_use_apt};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The target's name.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The environment variable that chooses a way: `rustup` or `debian`.
const VARIABLE: &str = "XTASK_WASM_TOOLCHAIN";

const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// How long rustup may take where there is another way.
const RUSTUP_LIMIT_WITH_ALTERNATIVE: Duration = Duration::from_secs(60);
const RUSTUP_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A compiler for wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasmToolchain {
    /// The toolchain that compiles everything else.
    Usual,
    /// Debian's packages `rustc-web`, `cargo-web`, `rust-web-src` and `lld`.
    Debian,
}

impl fmt::Display for WasmToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usual => "the toolchain in use",
            Self::Debian => "Debian's rustc-web",
        })
    }
}

impl WasmToolchain {
    /// `cargo build` for the target; the caller adds what to build.
    pub(crate) fn cargo_build(self) -> Command {
        let mut command = match self {
            Self::Usual => {
                Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            }
            Self::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    // Not rustup's proxies, which would choose another compiler.
                    .env("PATH", "/usr/bin:/bin")
                    .env("RUSTC", "/usr/bin/rustc")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("RUSTC_WRAPPER")
                    // Building the standard library is an unstable feature of cargo.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env(
                        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                        "/usr/bin/wasm-ld",
                    );
                command
            }
        };
        command.args(["build", "--target", TARGET]);
        if self == Self::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

/// Makes sure that there is a compiler for wasm, or says both ways of getting one.
pub(crate) fn require() -> Result<WasmToolchain> {
    find_or_install().map_err(|error| anyhow!("{}", explanation(&format!("{error:#}"))))
}

fn find_or_install() -> Result<WasmToolchain> {
    match std::env::var(VARIABLE).as_deref() {
        Ok("rustup") => require_usual(RUSTUP_LIMIT),
        Ok("debian") => require_debian(),
        Ok(other) if !other.is_empty() => {
            bail!("{VARIABLE} is `{other}`, and can be `rustup` or `debian`")
        }
        _ if usual_has_target() => Ok(WasmToolchain::Usual),
        _ if debian_is_here() => Ok(WasmToolchain::Debian),
        _ if can_use_apt() => require_usual(RUSTUP_LIMIT_WITH_ALTERNATIVE).or_else(|error| {
            eprintln!("{error:#}; using Debian's own Rust packages instead");
            require_debian()
        }),
        _ => require_usual(RUSTUP_LIMIT),
    }
}

fn require_usual(limit: Duration) -> Result<WasmToolchain> {
    if usual_has_target() {
        return Ok(WasmToolchain::Usual);
    }
    let rustup = find_program("rustup").context("there is no rustup here")?;
    eprintln!("The Rust toolchain lacks the target {TARGET}: adding it with rustup");
    let mut command = Command::new(rustup);
    command
        .args(["target", "add", TARGET])
        // One attempt: with no network the answer is the same every time, and its backtrace tells nobody anything.
        .env("RUSTUP_MAX_RETRIES", "0")
        .env_remove("RUST_BACKTRACE");
    process::run_for(&mut command, limit)?;
    ensure!(
        usual_has_target(),
        "rustup added the target, but `rustc` on PATH does not have it"
    );
    Ok(WasmToolchain::Usual)
}

fn require_debian() -> Result<WasmToolchain> {
    if !debian_is_here() && can_use_apt() {
        apt_install(DEBIAN_PACKAGES)?;
    }
    ensure!(
        debian_is_here(),
        "Debian's Rust packages are not all installed"
    );
    Ok(WasmToolchain::Debian)
}

/// Whether the toolchain in use has the target's standard library.
fn usual_has_target() -> bool {
    let folder =
        output_of(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| {
        let library = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
        Path::new(&folder).read_dir().is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_str().is_some_and(library))
        })
    })
}

fn debian_is_here() -> bool {
    let programs = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/bin/wasm-ld"];
    programs
        .iter()
        .all(|program| process::is_program(Path::new(program)))
        && Path::new("/usr/lib/rustlib/src/rust/library/std").is_dir()
}

fn explanation(trouble: &str) -> String {
    format!(
        "there is no Rust compiler for {TARGET}: {trouble}. There are two ways to one:\n  \
         - with rustup and a network: `rustup target add {TARGET}`\n  \
         - on Debian, as root: `apt-get install --no-install-recommends {}`",
        DEBIAN_PACKAGES.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn the_explanation_has_both_ways() {
        let text = explanation("there is no rustup here");
        assert!(
            text.contains("rustup target add wasm32-unknown-unknown"),
            "{text}"
        );
        assert!(
            text.contains(
                "apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld"
            ),
            "{text}"
        );
    }

    #[test]
    fn debians_way_builds_the_standard_library_with_debians_compiler() {
        let command = WasmToolchain::Debian.cargo_build();
        assert_eq!(command.get_program(), "/usr/bin/cargo");
        assert!(
            command
                .get_args()
                .any(|word| word == "-Zbuild-std=std,panic_abort")
        );
        let rustc = command
            .get_envs()
            .find(|(name, _)| *name == "RUSTC")
            .and_then(|(_, value)| value);
        assert_eq!(rustc, Some(OsStr::new("/usr/bin/rustc")));
        assert!(
            !WasmToolchain::Usual
                .cargo_build()
                .get_args()
                .any(|word| word.to_string_lossy().starts_with("-Z"))
        );
    }
}

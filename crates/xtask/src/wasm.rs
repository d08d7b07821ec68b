//! The wasm modules: compiled by cargo, given their JavaScript by wasm-bindgen, made small by wasm-opt.

use crate::process;
use crate::project::Project;
use crate::stamp::Inputs;
use crate::wasm_toolchain::{self, TARGET};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

/// A wasm module of the npm package.
struct Module {
    /// The crate it is compiled from.
    package: &'static str,
    /// The name of its JavaScript; the wasm beside it is called `NAME_bg.wasm`.
    name: &'static str,
}

/// Several, so that a page loads what it needs: what runs models; what runs their chat templates; what trains them.
const MODULES: &[Module] = &[
    Module {
        package: "looplm-wasm",
        name: "looplm",
    },
    Module {
        package: "looplm-chat-wasm",
        name: "looplm_chat",
    },
    Module {
        package: "looplm-train-wasm",
        name: "looplm_train",
    },
];

/// The profile of Cargo.toml that the modules are compiled with.
const PROFILE: &str = "wasm";

/// With the features that every browser with WebGPU has, and that the compiler's output may use. The compiler has seen to
/// the size: `-Oz` takes 2 % more bytes away, and leaves the rest so much less alike that it is 2 % larger compressed.
const WASM_OPT_ARGUMENTS: &[&str] = &[
    "-O1",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Builds `pkg/dist/wasm/`. `fast` leaves wasm-opt out.
pub(crate) fn build(project: &Project, fast: bool) -> Result<()> {
    let lock =
        std::fs::read_to_string(project.path("Cargo.lock")).context("could not read Cargo.lock")?;
    let version = wasm_bindgen_version(&lock)?;
    let folder = compile(project)?;
    for module in MODULES {
        finish(project, module, &folder, &version, fast)
            .with_context(|| format!("the wasm module of {}", module.package))?;
    }
    Ok(())
}

/// Compiles all modules at once, since most of what they are made of is the same; the folder they are in.
fn compile(project: &Project) -> Result<PathBuf> {
    // A target folder of its own: features and compiler differ from the native build's.
    let target = project.target.join("wasm");
    let mut command = wasm_toolchain::require()?.cargo_build();
    command
        .args(["--profile", PROFILE, "--target-dir"])
        .arg(&target)
        .current_dir(&project.root);
    for module in MODULES {
        command.args(["--package", module.package]);
    }
    process::run(&mut command)?;
    Ok(target.join(TARGET).join(PROFILE))
}

/// Makes of a compiled module what the npm package has of it.
fn finish(
    project: &Project,
    module: &Module,
    compiled: &Path,
    version: &str,
    fast: bool,
) -> Result<()> {
    let compiled = compiled.join(format!("{}.wasm", module.package.replace('-', "_")));
    let bytes = std::fs::read(&compiled)
        .with_context(|| format!("could not read {}", compiled.display()))?;
    let output = project.wasm_output();
    let wasm = output.join(format!("{}_bg.wasm", module.name));
    let stamp = Inputs::default()
        .value(&bytes)
        .value(version)
        .value(WASM_OPT_ARGUMENTS)
        .value(fast)
        .stamp(project, &format!("wasm-{}", module.name));
    if stamp.is_current(&wasm) {
        return Ok(());
    }
    stamp.clear();
    eprintln!("wasm-bindgen {version}: {}", wasm.display());
    bind(module.name, bytes, &output)?;
    if !fast {
        optimize(project, &wasm)?;
    }
    stamp.write()
}

fn bind(name: &str, wasm: Vec<u8>, output: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_bytes(name, wasm)
        .web(true)?
        .typescript(true)
        // The npm package says itself where the wasm is; a default path in here makes bundlers copy it twice.
        .omit_default_module_path(true)
        .generate(output)
        .context("wasm-bindgen failed")
}

fn optimize(project: &Project, wasm: &Path) -> Result<()> {
    let program = project.path("node_modules/binaryen/bin/wasm-opt");
    let optimized = wasm.with_extension("wasm.optimized");
    let mut command = Command::new("node");
    command
        .arg(&program)
        .arg(wasm)
        .args(WASM_OPT_ARGUMENTS)
        .arg("-o")
        .arg(&optimized);
    ensure!(
        program.exists(),
        "wasm-opt is missing: {} comes with `npm ci`",
        program.display()
    );
    process::run(&mut command)?;
    std::fs::rename(&optimized, wasm).context("could not put the optimized wasm in place")
}

/// The version of wasm-bindgen in the lock file, which has to be the same for the library in the wasm and the program
/// that reads it.
fn wasm_bindgen_version(lock: &str) -> Result<String> {
    let version_of = |name: &str| -> Result<String> {
        let versions = locked_versions(lock, name);
        match versions.as_slice() {
            [version] => Ok(version.clone()),
            [] => bail!("Cargo.lock has no {name}; do the wasm modules depend on it?"),
            _ => bail!(
                "Cargo.lock has {name} more than once: {}",
                versions.join(", ")
            ),
        }
    };
    let library = version_of("wasm-bindgen")?;
    let program = version_of("wasm-bindgen-cli-support")?;
    ensure!(
        library == program,
        "Cargo.lock has wasm-bindgen {library} but wasm-bindgen-cli-support {program}: \
         run `cargo update -p wasm-bindgen-cli-support --precise {library}`"
    );
    Ok(library)
}

fn locked_versions(lock: &str, name: &str) -> Vec<String> {
    let value = |line: &str, key: &str| -> Option<String> {
        Some(
            line.strip_prefix(key)?
                .strip_prefix(" = \"")?
                .strip_suffix('"')?
                .to_owned(),
        )
    };
    let lines: Vec<&str> = lock.lines().collect();
    // Cargo writes the version on the line after the name.
    lines
        .windows(2)
        .filter(|pair| value(pair[0], "name").as_deref() == Some(name))
        .filter_map(|pair| value(pair[1], "version"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(library: &str, program: &str) -> String {
        format!(
            "version = 4\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"{library}\"\nsource = \"s\"\n\n\
             [[package]]\nname = \"wasm-bindgen-cli-support\"\nversion = \"{program}\"\n"
        )
    }

    #[test]
    fn the_two_wasm_bindgens_have_to_be_of_one_version() -> Result<()> {
        assert_eq!(
            wasm_bindgen_version(&lock("0.2.130", "0.2.130"))?,
            "0.2.130"
        );
        let error = wasm_bindgen_version(&lock("0.2.130", "0.2.131")).expect_err("they differ");
        assert!(error.to_string().contains("--precise 0.2.130"), "{error}");
        let error = wasm_bindgen_version("version = 4\n").expect_err("there is none");
        assert!(error.to_string().contains("has no wasm-bindgen"), "{error}");
        let twice = lock("0.2.130", "0.2.130") + &lock("0.2.129", "0.2.130");
        assert!(wasm_bindgen_version(&twice).is_err());
        Ok(())
    }

    #[test]
    fn this_repositorys_lock_file_is_read() -> Result<()> {
        let lock = std::fs::read_to_string(Project::find()?.path("Cargo.lock"))?;
        assert_eq!(locked_versions(&lock, "xtask"), [env!("CARGO_PKG_VERSION")]);
        assert_eq!(locked_versions(&lock, "wasm-bindgen-cli-support").len(), 1);
        Ok(())
    }
}

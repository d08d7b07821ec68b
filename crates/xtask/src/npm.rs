//! The JavaScript side: installing what the lock file says, and running the packages' scripts.

use crate::process;
use crate::project::Project;
use crate::requirements::npm_program;
use crate::stamp::Inputs;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// npm in the root of the repository.
pub(crate) fn npm(project: &Project) -> Result<Command> {
    let mut command =
        Command::new(npm_program().context("npm is not installed (no `npm` on PATH)")?);
    command.current_dir(&project.root);
    Ok(command)
}

/// A script of one of the packages: `pkg`, `web`.
pub(crate) fn script(project: &Project, package: &str, script: &str) -> Result<()> {
    process::run(npm(project)?.args(["run", "--silent", script, "--workspace", package]))
}

/// A program that an npm package brings, for example `prettier`.
pub(crate) fn tool(project: &Project, name: &str, arguments: &[&str]) -> Result<()> {
    process::run(
        npm(project)?
            .args(["exec", "--no", "--", name])
            .args(arguments),
    )
}

/// Runs `npm ci`, unless what the lock file lists is installed already.
pub(crate) fn install(project: &Project) -> Result<()> {
    let lock = read_json(&project.path("package-lock.json"))?;
    // npm keeps a lock file of what is really there in this place.
    let installed = read_json(&project.path("node_modules/.package-lock.json")).ok();
    if installed.is_some_and(|installed| is_installed(&lock, &installed)) {
        return Ok(());
    }
    process::run(npm(project)?.arg("ci"))
}

/// Builds the npm package's JavaScript and types into `pkg/dist/`.
pub(crate) fn build_package(project: &Project) -> Result<()> {
    let inputs = Inputs::default()
        .files(&project.path("pkg"))?
        .files(&project.path("tsconfig.base.json"))?
        .files(&project.path("package-lock.json"))?;
    let stamp = inputs.stamp(project, "package");
    if stamp.is_current(&project.path("pkg/dist/index.js")) {
        return Ok(());
    }
    stamp.clear();
    script(project, "pkg", "build")?;
    stamp.write()
}

/// Builds the page into `web/dist/`, with the models beside it, so that any static host can serve that folder.
pub(crate) fn build_page(project: &Project) -> Result<()> {
    let inputs = Inputs::default()
        .files(&project.path("web"))?
        .files(&project.path("pkg/dist"))?
        .files(&project.path("models"))?
        .files(&project.path("tsconfig.base.json"))?
        .files(&project.path("package-lock.json"))?;
    let stamp = inputs.stamp(project, "page");
    if stamp.is_current(&project.page().join("index.html")) {
        return Ok(());
    }
    stamp.clear();
    script(project, "web", "build")?;
    copy_folder(&project.path("models"), &project.page().join("models"))?;
    stamp.write()
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// Whether every package of the lock file is there in the version it says. Optional ones may be absent: they are for
/// other systems.
fn is_installed(lock: &Value, installed: &Value) -> bool {
    let Some(wanted) = lock["packages"].as_object() else {
        return false;
    };
    wanted
        .iter()
        .filter(|(path, _)| path.contains("node_modules/"))
        .all(|(path, package)| {
            let found = &installed["packages"][path];
            if found.is_null() {
                return package["optional"] == true || package["peer"] == true;
            }
            found["version"] == package["version"] && found["resolved"] == package["resolved"]
        })
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for file in crate::stamp::files_below(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        if let Some(folder) = copy.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(&file, &copy)
            .with_context(|| format!("could not copy {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn installed_means_every_package_in_its_version() {
        let lock = json!({ "packages": {
            "": { "name": "root" },
            "pkg": { "version": "0.1.0" },
            "node_modules/looplm": { "resolved": "pkg", "link": true },
            "node_modules/vite": { "version": "8.0.0" },
            "node_modules/only-on-a-mac": { "version": "1.0.0", "optional": true },
        }});
        let with_vite = |version: &str| {
            json!({ "packages": {
                "pkg": { "version": "0.1.0" },
                "node_modules/looplm": { "resolved": "pkg", "link": true },
                "node_modules/vite": { "version": version },
            }})
        };
        assert!(is_installed(&lock, &with_vite("8.0.0")));
        assert!(
            !is_installed(&lock, &with_vite("7.9.9")),
            "another version is there"
        );
        assert!(
            !is_installed(&lock, &json!({ "packages": {} })),
            "nothing is there"
        );
        assert!(
            !is_installed(&json!({}), &with_vite("8.0.0")),
            "a lock file without packages says nothing"
        );
    }

    #[test]
    fn a_folder_is_copied_whole() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let from = folder.path().join("models");
        std::fs::create_dir_all(from.join("shell-game"))?;
        std::fs::write(from.join("shell-game/config.json"), "{}")?;
        let to = folder.path().join("web/models");
        copy_folder(&from, &to)?;
        assert_eq!(
            std::fs::read_to_string(to.join("shell-game/config.json"))?,
            "{}"
        );
        Ok(())
    }
}

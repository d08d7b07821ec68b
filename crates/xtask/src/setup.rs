//! Finding out what is missing on this machine, and installing it: with apt where that is here and we are root,
//! otherwise a person is told what to install. Nothing is installed without saying so.

use crate::process;
use crate::project::Project;
use crate::requirements::{Requirement, is_ubuntu};
use crate::wasm_toolchain;
use anyhow::{Result, bail};
use std::process::Command;

/// `cargo xtask setup`: all that any command needs.
pub(crate) fn run(project: &Project) -> Result<()> {
    require(&[
        Requirement::Node,
        Requirement::Vulkan,
        Requirement::Chromium,
    ])?;
    let toolchain = wasm_toolchain::require()?;
    println!("Node, a Vulkan driver, Chromium and a compiler for wasm ({toolchain}) are here.");
    println!(
        "Next: `cargo xtask demo` or `cargo xtask test` in {}.",
        project.root.display()
    );
    Ok(())
}

/// Makes sure that the machine offers all of these, or says what a person has to install.
pub(crate) fn require(requirements: &[Requirement]) -> Result<()> {
    let mut missing = missing_of(requirements);
    let ubuntu = is_ubuntu();
    if !packages_of(&missing, ubuntu).is_empty() && can_use_apt() {
        for (_, trouble) in &missing {
            eprintln!("{trouble}");
        }
        if let Err(error) = apt_install(&packages_of(&missing, ubuntu)) {
            eprintln!("warning: {error:#}");
        }
        missing = missing_of(requirements);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut for_root = packages_of(&missing, ubuntu);
    if can_use_apt() {
        for_root.clear();
    }
    bail!("{}", explanation(&missing, &for_root));
}

fn packages_of(missing: &[(Requirement, String)], ubuntu: bool) -> Vec<&'static str> {
    missing
        .iter()
        .flat_map(|(requirement, _)| requirement.packages(ubuntu))
        .copied()
        .collect()
}

fn missing_of(requirements: &[Requirement]) -> Vec<(Requirement, String)> {
    requirements
        .iter()
        .filter_map(|&requirement| Some((requirement, requirement.missing()?)))
        .collect()
}

/// `for_root` are the packages that this program would install as root.
fn explanation(missing: &[(Requirement, String)], for_root: &[&str]) -> String {
    let mut text = String::from("this machine lacks something:");
    for (requirement, trouble) in missing {
        text.push_str(&format!(
            "\n  - {trouble}.\n    Install {}.",
            requirement.by_hand()
        ));
    }
    if !for_root.is_empty() {
        text.push_str(&format!(
            "\nOn Debian and Ubuntu, `cargo xtask setup` installs these itself when it runs as root: {}",
            for_root.join(" ")
        ));
    }
    text
}

/// Whether packages can be installed: on a system with apt, as root.
pub(crate) fn can_use_apt() -> bool {
    let root = process::output_of(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    root && process::find_program("apt-get").is_some()
}

/// Installs Debian packages, and says so.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    eprintln!("Installing with apt, as root: {}", packages.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // A fresh machine or container has no package lists, a long-lived one old ones. Where they cannot be brought up
    // to date, the ones that are here may still do.
    if let Err(error) = process::run(apt().args(["update", "-q"])) {
        eprintln!("warning: {error:#}; going on with the package lists that are here");
    }
    process::run(
        apt()
            .args(["install", "-qy", "--no-install-recommends"])
            .args(packages),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_explanation_names_each_thing_and_what_brings_it() {
        let missing = [
            (Requirement::Node, "Node is not installed".to_owned()),
            (Requirement::Chromium, "no Chromium was found".to_owned()),
        ];
        let text = explanation(&missing, &["chromium"]);
        assert!(
            text.contains("Node is not installed.\n    Install Node 20.19 or newer"),
            "{text}"
        );
        assert!(
            text.contains("no Chromium was found.\n    Install Chromium or Google Chrome"),
            "{text}"
        );
        assert!(text.ends_with("when it runs as root: chromium"), "{text}");
        assert!(!explanation(&missing, &[]).contains("when it runs as root"));
        assert_eq!(packages_of(&missing, false), ["chromium"]);
        assert!(
            packages_of(&missing[..1], false).is_empty(),
            "apt does not bring Node"
        );
    }
}

//! What the commands need from the machine, how to see that it is missing, and what brings it.

use crate::browsers::{CHROMIUM, FIREFOX};
use crate::process::{find_program, output_of};
use std::path::Path;
use std::process::Command;

/// Something the machine has to offer. The wasm target is not here: see [`crate::wasm_toolchain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// Node with npm: the npm package, the page, and the driver of the browser tests.
    Node,
    /// A Vulkan driver (Linux only; elsewhere the system has a graphics interface that wgpu uses).
    Vulkan,
    /// A Chromium or Chrome.
    Chromium,
    /// A Firefox, for the tests that run in one where there is one.
    Firefox,
}

/// The oldest Node that the build tools run on.
const OLDEST_NODE: (u32, u32) = (20, 19);

impl Requirement {
    /// Why this machine does not meet the requirement, or `None` where it does.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Node => node_trouble(
                output_of(Command::new("node").arg("--version")).as_deref(),
                npm_program().is_some(),
            ),
            Self::Vulkan => vulkan_trouble(),
            Self::Chromium => CHROMIUM.find().err().map(|error| error.to_string()),
            Self::Firefox => FIREFOX.find().err().map(|error| error.to_string()),
        }
    }

    /// The packages that bring it on Debian, or on `ubuntu`, if the distribution's own will do.
    pub(crate) fn packages(self, ubuntu: bool) -> &'static [&'static str] {
        match self {
            // Debian 12 ships Node 18, which is too old: better none than one that fails later.
            Self::Node => &[],
            Self::Vulkan => &["libvulkan1", "mesa-vulkan-drivers"],
            // Ubuntu has none, only ones that lead to snaps, which do not run in a container.
            Self::Chromium | Self::Firefox if ubuntu => &[],
            Self::Chromium => &["chromium"],
            Self::Firefox => &["firefox-esr"],
        }
    }

    /// What a person has to install where xtask cannot.
    pub(crate) fn by_hand(self) -> &'static str {
        match self {
            Self::Node => "Node 20.19 or newer, with npm (https://nodejs.org)",
            Self::Vulkan => {
                "a Vulkan driver. Debian and Ubuntu: `apt-get install libvulkan1 mesa-vulkan-drivers`; \
                 Fedora: `dnf install vulkan-loader mesa-vulkan-drivers`; Arch: `pacman -S vulkan-icd-loader vulkan-swrast`. \
                 Mesa brings lavapipe, which needs no GPU"
            }
            Self::Chromium => {
                "Chromium or Google Chrome. Debian: `apt-get install chromium`; Ubuntu: download \
                 https://dl.google.com/linux/direct/google-chrome-stable_current_amd64.deb, then \
                 `apt-get install ./google-chrome-stable_current_amd64.deb`; elsewhere https://www.google.com/chrome. \
                 If you have one in another place, name the program in the environment variable CHROME"
            }
            Self::Firefox => {
                "Firefox 141 or newer. Debian: `apt-get install firefox-esr`; elsewhere https://www.firefox.com (a snap cannot be \
                 driven by tests). If you have one in another place, name the program in the environment variable FIREFOX"
            }
        }
    }
}

/// Whether this is Ubuntu.
pub(crate) fn is_ubuntu() -> bool {
    std::fs::read_to_string("/etc/os-release").is_ok_and(|text| names_ubuntu(&text))
}

/// `release` is what `/etc/os-release` says. Distributions made from Ubuntu have another ID, and a Chromium of their own.
fn names_ubuntu(release: &str) -> bool {
    release
        .lines()
        .filter_map(|line| line.strip_prefix("ID="))
        .any(|id| id.trim_matches('"') == "ubuntu")
}

/// npm's program, which has another name on Windows.
pub(crate) fn npm_program() -> Option<std::path::PathBuf> {
    if cfg!(windows) {
        let node = find_program("node")?;
        Some(node.with_file_name("npm.cmd")).filter(|npm| npm.is_file())
    } else {
        find_program("npm")
    }
}

/// `version` is what `node --version` printed.
fn node_trouble(version: Option<&str>, npm: bool) -> Option<String> {
    let Some(version) = version else {
        return Some("Node is not installed (no `node` on PATH)".to_owned());
    };
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST_NODE {
        return Some(format!(
            "Node {version} is too old: {}.{} or newer is needed",
            OLDEST_NODE.0, OLDEST_NODE.1
        ));
    }
    (!npm).then(|| "npm is not installed (no `npm` on PATH)".to_owned())
}

fn vulkan_trouble() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // `ldconfig` is in a folder that is not on every user's PATH.
    let libraries = ["ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"]
        .iter()
        .find_map(|program| output_of(Command::new(program).arg("-p")))
        .unwrap_or_default();
    if !libraries.contains("libvulkan.so.1") {
        return Some(
            "there is no Vulkan loader (libvulkan.so.1), which the native tests need".to_owned(),
        );
    }
    let named_by_hand = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let drivers = [
        "/usr/share/vulkan/icd.d",
        "/etc/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
    ];
    let some_driver = |folder: &&str| {
        Path::new(folder)
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_some())
    };
    if named_by_hand || drivers.iter().any(some_driver) {
        return None;
    }
    Some("there is no Vulkan driver, which the native tests need".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_has_to_be_there_and_new_enough() {
        assert_eq!(node_trouble(Some("v20.19.0"), true), None);
        assert_eq!(node_trouble(Some("v24.1.0"), true), None);
        let old = node_trouble(Some("v18.20.4"), true).expect("18 is too old");
        assert_eq!(old, "Node v18.20.4 is too old: 20.19 or newer is needed");
        assert!(node_trouble(Some("v20.18.3"), true).is_some());
        assert!(
            node_trouble(None, true)
                .expect("no node")
                .contains("not installed")
        );
        assert!(
            node_trouble(Some("v22.0.0"), false)
                .expect("no npm")
                .contains("npm")
        );
    }

    #[test]
    fn ubuntu_has_no_package_of_a_browser() {
        assert!(names_ubuntu("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n"));
        assert!(!names_ubuntu("ID=debian\n"));
        assert!(!names_ubuntu("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(Requirement::Chromium.packages(true).is_empty());
        assert!(Requirement::Chromium.by_hand().contains("Ubuntu"));
        assert_eq!(
            Requirement::Vulkan.packages(true),
            Requirement::Vulkan.packages(false)
        );
    }

    #[test]
    fn every_requirement_says_what_to_install() {
        assert!(Requirement::Node.by_hand().contains("20.19"));
        for requirement in [Requirement::Vulkan, Requirement::Chromium] {
            for package in requirement.packages(false) {
                assert!(
                    requirement.by_hand().contains(package),
                    "{requirement:?} does not name {package}"
                );
            }
        }
    }
}

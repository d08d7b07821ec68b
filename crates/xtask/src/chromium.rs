//! Finding a Chromium or Chrome.

use crate::process::{find_program, is_program};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variable that names the browser, for a person who has several.
pub(crate) const VARIABLE: &str = "CHROME";

const PROGRAMS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

const OTHER_PLACES: &[&str] = &[
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
];

/// The browser to use: the one that CHROME names, or the first in the usual places.
pub(crate) fn find() -> Result<PathBuf> {
    choose(std::env::var_os(VARIABLE), find_program)
}

fn choose(named: Option<OsString>, on_path: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = named.filter(|name| !name.is_empty()) {
        let path = PathBuf::from(&named);
        if is_program(&path) {
            return Ok(path);
        }
        return match on_path(&named.to_string_lossy()) {
            Some(path) => Ok(path),
            // Not falling back: the person asked for this one.
            None => bail!(
                "the environment variable {VARIABLE} names {}, which is no program",
                path.display()
            ),
        };
    }
    let installed = PROGRAMS.iter().find_map(|name| on_path(name));
    let elsewhere = || {
        OTHER_PLACES
            .iter()
            .map(PathBuf::from)
            .find(|path| is_program(path))
    };
    match installed.or_else(elsewhere) {
        Some(path) => Ok(path),
        None => bail!("no Chromium or Chrome was found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_with(program: &'static str) -> impl Fn(&str) -> Option<PathBuf> {
        move |name| (name == program).then(|| PathBuf::from("/somewhere").join(program))
    }

    #[test]
    fn the_usual_names_are_found() -> Result<()> {
        assert_eq!(
            choose(None, path_with("google-chrome"))?,
            PathBuf::from("/somewhere/google-chrome")
        );
        assert_eq!(
            choose(Some(OsString::new()), path_with("chromium"))?,
            PathBuf::from("/somewhere/chromium")
        );
        Ok(())
    }

    #[test]
    fn the_one_a_person_names_is_used_or_complained_about() -> Result<()> {
        let named = Some(OsString::from("my-chrome"));
        assert_eq!(
            choose(named.clone(), path_with("my-chrome"))?,
            PathBuf::from("/somewhere/my-chrome")
        );
        let error = choose(named, path_with("chromium"))
            .expect_err("another browser is not what was asked for");
        assert!(error.to_string().contains("my-chrome"), "{error}");
        Ok(())
    }
}

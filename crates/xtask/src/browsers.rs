//! Finding the browsers that tests run in.

use crate::process::{find_program, is_program};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;

/// A browser, and where it may be.
pub(crate) struct Browser {
    name: &'static str,
    /// The environment variable that names the program, for a person who has several.
    pub(crate) variable: &'static str,
    programs: &'static [&'static str],
    other_places: &'static [&'static str],
}

pub(crate) const CHROMIUM: Browser = Browser {
    name: "Chromium or Chrome",
    variable: "CHROME",
    programs: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
    ],
    other_places: &[
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
    ],
};

pub(crate) const FIREFOX: Browser = Browser {
    name: "Firefox",
    variable: "FIREFOX",
    programs: &["firefox-esr", "firefox"],
    other_places: &[
        "/Applications/Firefox.app/Contents/MacOS/firefox",
        "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
    ],
};

impl Browser {
    /// The program to use: the one that the variable names, or the first in the usual places.
    pub(crate) fn find(&self) -> Result<PathBuf> {
        self.choose(std::env::var_os(self.variable), find_program)
    }

    fn choose(
        &self,
        named: Option<OsString>,
        on_path: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<PathBuf> {
        if let Some(named) = named.filter(|name| !name.is_empty()) {
            let path = PathBuf::from(&named);
            if is_program(&path) {
                return Ok(path);
            }
            return match on_path(&named.to_string_lossy()) {
                Some(path) => Ok(path),
                // Not falling back: the person asked for this one.
                None => bail!(
                    "the environment variable {} names {}, which is no program",
                    self.variable,
                    path.display()
                ),
            };
        }
        let installed = self.programs.iter().find_map(|name| on_path(name));
        let elsewhere = || {
            self.other_places
                .iter()
                .map(PathBuf::from)
                .find(|path| is_program(path))
        };
        match installed.or_else(elsewhere) {
            Some(path) => Ok(path),
            None => bail!("no {} was found", self.name),
        }
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
            CHROMIUM.choose(None, path_with("google-chrome"))?,
            PathBuf::from("/somewhere/google-chrome")
        );
        assert_eq!(
            CHROMIUM.choose(Some(OsString::new()), path_with("chromium"))?,
            PathBuf::from("/somewhere/chromium")
        );
        Ok(())
    }

    #[test]
    fn the_one_a_person_names_is_used_or_complained_about() -> Result<()> {
        let named = Some(OsString::from("my-chrome"));
        assert_eq!(
            CHROMIUM.choose(named.clone(), path_with("my-chrome"))?,
            PathBuf::from("/somewhere/my-chrome")
        );
        let error = CHROMIUM
            .choose(named, path_with("chromium"))
            .expect_err("another browser is not what was asked for");
        assert!(error.to_string().contains("my-chrome"), "{error}");
        Ok(())
    }
}

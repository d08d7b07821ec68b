//! Where things are in the repository.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The repository and the folder that build outputs go to.
pub(crate) struct Project {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

impl Project {
    /// The repository that cargo runs this program for, or else the one it was compiled in: two checkouts that share a
    /// target folder share the program.
    pub(crate) fn find() -> Result<Self> {
        let here = std::env::var_os("CARGO_MANIFEST_DIR");
        let here = here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here).join("../..").canonicalize().context(
            "the repository that xtask was compiled in is gone; run it as `cargo xtask`",
        )?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(folder).context("CARGO_TARGET_DIR")?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where the wasm module and its JavaScript go: part of the npm package.
    pub(crate) fn wasm_output(&self) -> PathBuf {
        self.path("pkg/dist/wasm")
    }

    /// The built page, whole: any static host can serve this folder.
    pub(crate) fn page(&self) -> PathBuf {
        self.path("web/dist")
    }
}

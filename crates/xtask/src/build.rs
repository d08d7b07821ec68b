//! `cargo xtask build`: the wasm modules, the npm package and the page, each only where something it is made of changed.

use crate::project::Project;
use crate::requirements::Requirement;
use crate::{npm, setup, wasm};
use anyhow::Result;

/// What to build.
#[derive(clap::Args)]
// `demo` has these among its own, and clap wants one group of a name.
#[group(skip)]
pub(crate) struct Options {
    /// Leave out wasm-opt: quicker to build, larger and slower wasm
    #[arg(long)]
    pub(crate) fast: bool,
}

/// Builds everything that the page is made of.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    setup::require(&[Requirement::Node])?;
    npm::install(project)?;
    wasm::build(project, options.fast)?;
    npm::build_package(project)?;
    npm::build_page(project)?;
    npm::script(project, "pkg", "sizes")?;
    println!("The page is in {}", project.page().display());
    Ok(())
}

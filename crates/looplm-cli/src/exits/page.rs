//! The page of a report: one file with everything in it.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::report::Report;
use super::tables::{self, Table};
use super::{figures, plot};
use crate::failure::Failure;

/// The page, but for what was found. Its name makes what is put into it text and not markup.
const TEMPLATE: (&str, &str) = ("page.html", include_str!("page.html"));

/// What is put into it. Figures are SVG.
#[derive(Serialize)]
struct Found<'a> {
    report: &'a Report,
    /// Rules of a style sheet.
    dark: String,
    trade_off: String,
    points: Table,
    at_steps: Option<Table>,
    by_difficulty: Option<Table>,
    depth: String,
    depth_table: Table,
    bars: Option<[String; 2]>,
    decoding_table: Option<Table>,
    kv_table: Option<Table>,
    /// Tokens at full depth.
    tokens: Option<usize>,
}

/// Writes it.
pub(super) fn page(report: &Report) -> Result<String, Failure> {
    let decoding = report.decoding.as_ref();
    let full = decoding.and_then(|measured| measured.runs.first());
    let found = Found {
        report,
        dark: plot::dark_theme(),
        trade_off: figures::trade_off(report)?,
        points: tables::points(report),
        at_steps: tables::at_steps(report),
        by_difficulty: tables::by_difficulty(report),
        depth: figures::depth(report)?,
        depth_table: tables::depth(report),
        bars: decoding.map(figures::decoding).transpose()?.flatten(),
        decoding_table: decoding.map(|measured| tables::decoding(&measured.runs)),
        kv_table: decoding.map(|measured| tables::kv_policies(&measured.kv_policies)),
        tokens: full.map(|run| run.tokens),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(lines_of_their_own()?);
    environment.add_template(TEMPLATE.0, TEMPLATE.1)?;
    Ok(environment.get_template(TEMPLATE.0)?.render(Serde(found))?)
}

/// Blocks on lines of their own leave no empty lines behind.
fn lines_of_their_own() -> Result<SyntaxConfig, Failure> {
    Ok(SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?)
}

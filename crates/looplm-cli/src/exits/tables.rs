//! The figures of a report as tables.

use serde::Serialize;

use super::compare::Lead;
use super::measure::Run;
use super::report::Report;
use super::words::{self, number, percent};
use crate::accuracy;

/// A table; the first column names its row.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(caption: impl Into<String>, head: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            head: head.iter().map(|cell| (*cell).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// As plain text.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut table = accuracy::Table::new(self.head.clone());
        for row in &self.rows {
            table.row(row.clone());
        }
        table.lines()
    }
}

/// Accuracy by difficulty and number of steps.
pub(super) fn depth(report: &Report) -> Table {
    let mut table = Table::new(
        "Accuracy of runs of 1 to 8 steps, by difficulty",
        &["difficulty", "targets"],
    );
    let steps = report.depth.first().map_or(0, |row| row.accuracy.len());
    table.head.extend((1..=steps).map(|t| format!("T = {t}")));
    for row in &report.depth {
        let mut cells = vec![row.name.clone(), row.targets.to_string()];
        cells.extend(row.accuracy.iter().map(|&a| percent(a)));
        table.rows.push(cells);
    }
    table
}

/// Every threshold of every rule.
pub(super) fn points(report: &Report) -> Table {
    let mut table = Table::new(
        "Every rule and threshold",
        &["rule", "mean exit step", "accuracy"],
    );
    for point in report.rules.iter().flat_map(|curve| &curve.points) {
        table.rows.push(vec![
            point.exit.clone(),
            number(point.mean_steps, 2),
            percent(point.accuracy),
        ]);
    }
    table
}

/// The rules at the same mean steps.
pub(super) fn at_steps(report: &Report) -> Option<Table> {
    let comparison = report.comparison.as_ref()?;
    let mut table = Table::new("Accuracy at the same mean exit step", &["rule"]);
    let steps = comparison.steps.iter().map(|&steps| number(steps, 1));
    table.head.extend(steps);
    table.head.push("average".to_owned());
    table.head.push("behind the best (points)".to_owned());
    for row in &comparison.at_steps {
        let mut cells = vec![row.rule.to_owned()];
        let accuracy = row.accuracy.iter();
        cells.extend(accuracy.map(|a| percent(a.unwrap_or(f64::NAN))));
        let average = comparison.averages.iter().find(|a| a.rule == row.rule);
        let narrow = comparison.narrow.iter().find(|n| n.rule == row.rule);
        let (share, behind) = match (average, narrow) {
            (Some(average), _) if average.behind.mean > 0.0 => {
                (average.accuracy, interval(average.behind))
            }
            (Some(average), _) => (average.accuracy, "best".to_owned()),
            (None, Some(narrow)) => {
                let (from, to) = (number(narrow.from, 1), number(narrow.to, 1));
                let behind = interval(narrow.behind);
                (f64::NAN, format!("{behind} from {from} to {to}"))
            }
            (None, None) => (f64::NAN, "–".to_owned()),
        };
        cells.extend([percent(share), behind]);
        table.rows.push(cells);
    }
    Some(table)
}

/// Points of accuracy and their interval.
fn interval(lead: Lead) -> String {
    let (mean, low, high) = (
        words::points(lead.mean),
        words::points(lead.low),
        words::points(lead.high),
    );
    format!("{mean} ({low} to {high})")
}

/// What each difficulty comes to at the cheapest threshold that keeps full depth's accuracy.
pub(super) fn by_difficulty(report: &Report) -> Option<Table> {
    let names: Vec<&str> = report.depth.iter().map(|row| row.name.as_str()).collect();
    let (_, difficulties) = names.split_last()?;
    if report.cheapest.is_empty() || difficulties.is_empty() {
        return None;
    }
    let mut table = Table::new(
        "Mean exit step and accuracy by difficulty, for the cheapest threshold of each rule within half a point of full depth",
        &["rule"],
    );
    table
        .head
        .extend(difficulties.iter().map(|d| (*d).to_owned()));
    for cheapest in &report.cheapest {
        let mut points = report.rules.iter().flat_map(|curve| &curve.points);
        let Some(point) = points.find(|p| p.exit == cheapest.exit) else {
            continue;
        };
        let mut cells = vec![point.exit.clone()];
        cells.extend(
            point
                .difficulties
                .iter()
                .map(|d| format!("{} / {}", number(d.mean_steps, 2), percent(d.accuracy))),
        );
        table.rows.push(cells);
    }
    Some(table)
}

/// Decoding with early exits.
pub(super) fn decoding(runs: &[Run]) -> Table {
    let mut table = Table::new(
        "Decoding, one answer after another",
        &[
            "rule",
            "how",
            "tokens/s",
            "passes/token",
            "rows/token",
            "as full depth",
            "right",
        ],
    );
    for run in runs {
        let how = match (run.rule, run.verified) {
            ("full", _) => "no exits",
            (_, true) => "verified",
            (_, false) => "final, last-exited",
        };
        table.rows.push(vec![
            run.exit.clone(),
            how.to_owned(),
            number(run.tokens_per_second, 1),
            number(run.passes_per_token, 2),
            number(run.row_steps_per_token, 2),
            percent(run.equal),
            percent(run.right),
        ]);
    }
    table
}

/// Full depth with every KV policy.
pub(super) fn kv_policies(runs: &[Run]) -> Table {
    let mut table = Table::new(
        "KV policies at full depth",
        &[
            "policy",
            "bytes/token",
            "as full",
            "right",
            "tokens/s",
            "passes/token",
        ],
    );
    for run in runs {
        table.rows.push(vec![
            run.kv.to_owned(),
            number(run.kv_bytes_per_token, 0),
            percent(run.equal),
            percent(run.right),
            number(run.tokens_per_second, 1),
            number(run.passes_per_token, 2),
        ]);
    }
    table
}

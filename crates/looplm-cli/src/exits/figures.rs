//! What is drawn of a report, as SVG.

use super::measure::{Measured, Run};
use super::plot::{Bars, Group, Line, Lines, Tone, bars, lines};
use super::report::Report;
use super::words::percent;
use crate::failure::Failure;

/// Accuracy against mean exit steps, a line for each rule.
pub(super) fn trade_off(report: &Report) -> Result<String, Failure> {
    let of = report.rules.iter().map(|curve| Line {
        name: curve.rule.to_owned(),
        tone: Tone::Rule(curve.family),
        points: curve
            .points
            .iter()
            .map(|p| (p.mean_steps, p.accuracy))
            .collect(),
    });
    let of: Vec<Line> = of.collect();
    let names: Vec<&str> = report.rules.iter().map(|curve| curve.rule).collect();
    let full = (report.steps as f64, report.full_accuracy);
    let label = format!(
        "Lines of accuracy against mean exit step for the rules {}, and the point of full depth at {} steps and {}. The \
         numbers are in the tables below.",
        names.join(", "),
        report.steps,
        percent(full.1)
    );
    lines(&Lines {
        label: &label,
        x: "mean exit step",
        steps: 0.95..full.0 + 0.08,
        lines: &of,
        point: Some((full.0, full.1, "full depth")),
        upright: None,
    })
}

/// Accuracy of runs of 1 to 8 steps, a line for each difficulty.
pub(super) fn depth(report: &Report) -> Result<String, Failure> {
    let rows = report.depth.iter().filter(|row| row.targets > 0);
    let count = report.depth.len().saturating_sub(1);
    let of = rows.enumerate().map(|(i, row)| Line {
        name: row.name.clone(),
        tone: match i < count {
            true => Tone::of_difficulty(i, count),
            false => Tone::Ink,
        },
        points: (1..)
            .map(f64::from)
            .zip(row.accuracy.iter().copied())
            .collect(),
    });
    let of: Vec<Line> = of.collect();
    let names: Vec<&str> = of.iter().map(|line| line.name.as_str()).collect();
    let most = report.depth.first().map_or(1, |row| row.accuracy.len()) as f64;
    let trained = format!("trained with {}", report.trained_steps);
    let label = format!(
        "Lines of accuracy against the number of steps of a run, 1 to {most}, for {}. The model was trained with {}. The \
         numbers are in the table below.",
        names.join(", "),
        report.trained_steps
    );
    lines(&Lines {
        label: &label,
        x: "steps of the run, T",
        steps: 0.85..most + 0.15,
        lines: &of,
        point: None,
        upright: Some((report.trained_steps as f64, &trained)),
    })
}

/// Tokens a second and passes a token, bars for each rule and threshold.
pub(super) fn decoding(measured: &Measured) -> Result<Option<[String; 2]>, Failure> {
    let Some((full, runs)) = measured.runs.split_first().filter(|(_, r)| !r.is_empty()) else {
        return Ok(None);
    };
    let speed = draw(full, runs, "Tokens a second", |run| {
        let same = match run.verified {
            true => String::new(),
            false => format!(", {:.0} % the same", 100.0 * run.equal),
        };
        let value = run.tokens_per_second;
        (value, format!("{value:.0}{same}"))
    })?;
    let passes = draw(full, runs, "Passes a token", |run| {
        let value = run.passes_per_token;
        (value, format!("{value:.2}"))
    })?;
    Ok(Some([speed, passes]))
}

/// A bar's length, and what stands behind it.
type Value = fn(&Run) -> (f64, String);

fn draw(full: &Run, runs: &[Run], what: &str, value: Value) -> Result<String, Failure> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        let at = groups.iter().position(|group| group.name == run.exit);
        let at = at.unwrap_or_else(|| {
            groups.push(Group {
                name: run.exit.clone(),
                values: vec![None, None],
            });
            groups.len() - 1
        });
        let found = Some(value(run)).filter(|(length, _)| length.is_finite());
        groups[at].values[usize::from(run.verified)] = found;
    }
    let label = format!(
        "Bars of {} for each rule and threshold, final and verified, beside full depth with {:.2}. The numbers are in the \
         table below.",
        what.to_lowercase(),
        value(full).0
    );
    bars(&Bars {
        label: &label,
        x: what,
        kinds: &[("final", Tone::Final), ("verified", Tone::Verified)],
        groups: &groups,
        full: value(full).0,
    })
}

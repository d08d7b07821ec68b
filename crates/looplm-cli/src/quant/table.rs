//! The figures of `looplm eval quant` for a person.

use indicatif::HumanBytes;

use super::report::{FormatReport, Report};
use crate::accuracy::Table;

pub(super) fn lines(report: &Report) -> Vec<String> {
    let positions = match report.measured.targets {
        0 => format!("{} positions", report.measured.positions),
        n => format!("{n} targets"),
    };
    let mut lines = vec![format!(
        "against f32 arithmetic on the stored weights ({}), over {positions} of {}",
        HumanBytes(report.reference.bytes),
        report.measured.described
    )];
    let steps = || (1..=report.steps).map(|step| format!("step {step}"));
    let mut table = Table::new(
        ["format", ""]
            .map(str::to_owned)
            .into_iter()
            .chain(steps())
            .collect(),
    );
    for format in &report.formats {
        for (what, cells) in rows(format) {
            let name = match what {
                TOP1 => format.name(),
                _ => "",
            };
            let head = [name.to_owned(), what.to_owned()];
            table.row(head.into_iter().chain(cells).collect());
        }
    }
    lines.extend(table.lines());
    let head = [
        "format",
        "files",
        "of stored",
        "on the device",
        "other exit",
        "steps later",
    ];
    let mut table = Table::new(head.map(str::to_owned).into());
    for format in &report.formats {
        table.row(vec![
            format.name().to_owned(),
            HumanBytes(format.bytes).to_string(),
            percent(format.bytes as f64 / report.reference.bytes as f64, 0),
            HumanBytes(format.memory).to_string(),
            percent(format.exit_changed, 2),
            match format.exit_changed {
                0.0 => "-".to_owned(),
                _ => format!("{:+.2}", format.exit_later),
            },
        ]);
    }
    lines.extend(table.lines());
    lines.push(format!("exit steps are the gate's at q {}", report.q));
    lines
}

const TOP1: &str = "same best token";

fn rows(format: &FormatReport) -> Vec<(&'static str, Vec<String>)> {
    let of = |values: &[f64], text: fn(f64) -> String| values.iter().map(|&v| text(v)).collect();
    let percents = |values: &[f64]| of(values, |v| percent(v, 2));
    let mut rows = vec![
        (TOP1, percents(&format.top1)),
        ("mean KL (nats)", of(&format.kl, nats)),
        ("99 % of KL below", of(&format.kl_p99, nats)),
    ];
    if let (Some(own), Some(reference)) = (&format.accuracy, &format.reference_accuracy) {
        rows.push(("accuracy", percents(own)));
        rows.push(("accuracy as stored", percents(reference)));
    }
    if let Some(everywhere) = &format.everywhere
        && everywhere.top1 != format.top1
    {
        rows.push(("same best token, all positions", percents(&everywhere.top1)));
    }
    rows
}

fn percent(share: f64, digits: usize) -> String {
    format!("{:.digits$} %", share * 100.0)
}

fn nats(value: f64) -> String {
    match value {
        v if v == 0.0 || v >= 1e-4 => format!("{v:.5}"),
        v => format!("{v:.1e}"),
    }
}

//! Lines over steps.

use std::ops::Range;

use plotters::prelude::*;

use super::legend::{self, Entry, Kind, mark, ring};
use super::{FONT, Problem, Tone, svg, text_style};
use crate::failure::Failure;

/// Height of the part above the legend.
const HEIGHT: u32 = 560;

/// A line.
pub(in super::super) struct Line {
    pub(in super::super) name: String,
    pub(in super::super) tone: Tone,
    pub(in super::super) points: Vec<(f64, f64)>,
}

/// A figure of lines: accuracy over steps.
pub(in super::super) struct Lines<'a> {
    /// What the figure shows, read out in its place.
    pub(in super::super) label: &'a str,
    /// What lies along the horizontal axis.
    pub(in super::super) x: &'a str,
    pub(in super::super) steps: Range<f64>,
    pub(in super::super) lines: &'a [Line],
    /// A point with a name.
    pub(in super::super) point: Option<(f64, f64, &'a str)>,
    /// An upright line with a name.
    pub(in super::super) upright: Option<(f64, &'a str)>,
}

/// Draws it.
pub(in super::super) fn lines(figure: &Lines<'_>) -> Result<String, Failure> {
    let mut entries: Vec<Entry<'_>> = figure
        .lines
        .iter()
        .enumerate()
        .map(|(i, line)| Entry {
            name: &line.name,
            tone: line.tone,
            mark: Some(i),
            kind: Kind::Line,
        })
        .collect();
    let point = figure.point.map(|(.., name)| (name, Kind::Ring));
    let upright = figure.upright.map(|(_, name)| (name, Kind::Line));
    for (name, kind) in [point, upright].into_iter().flatten() {
        entries.push(Entry {
            name,
            tone: Tone::Ink,
            mark: None,
            kind,
        });
    }
    let height = HEIGHT + legend::height(&entries);
    svg(height, figure.label, |root| {
        let (above, below) = root.split_vertically(HEIGHT);
        chart(&above, figure)?;
        legend::draw(&below, &entries)
    })
}

fn chart(area: &super::Area<'_>, figure: &Lines<'_>) -> Result<(), Problem> {
    let ink = Tone::Ink.colour();
    let mut chart = ChartBuilder::on(area)
        .margin_top(20)
        .margin_right(28)
        .set_label_area_size(LabelAreaPosition::Left, 96)
        .set_label_area_size(LabelAreaPosition::Bottom, 76)
        .build_cartesian_2d(figure.steps.clone(), heights(figure))?;
    let whole = |x: &f64| format!("{}", (x * 100.0).round() / 100.0);
    let percent = |y: &f64| format!("{:.0} %", y * 100.0);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(ink.mix(0.15))
        .axis_style(ink.mix(0.6))
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&whole)
        .y_label_formatter(&percent)
        .label_style(text_style(Tone::Ink))
        .x_desc(figure.x)
        .axis_desc_style(("sans-serif", FONT).into_font().color(&ink))
        .set_all_tick_mark_size(5)
        .draw()?;
    if let Some((x, _)) = figure.upright {
        let ends = [heights(figure).start, heights(figure).end];
        let line = ends.map(|y| (x, y));
        chart.draw_series(LineSeries::new(line, ink.mix(0.6).stroke_width(3)))?;
    }
    for (i, line) in figure.lines.iter().enumerate() {
        let points = line.points.iter().copied().filter(|p| p.1.is_finite());
        let style = line.tone.colour().stroke_width(4);
        chart.draw_series(LineSeries::new(points.clone(), style))?;
        for at in points {
            mark(area, chart.backend_coord(&at), i, line.tone)?;
        }
    }
    if let Some((x, y, _)) = figure.point {
        ring(area, chart.backend_coord(&(x, y)))?;
    }
    Ok(())
}

/// From a round share below the lowest point to all.
fn heights(figure: &Lines<'_>) -> Range<f64> {
    let all = figure.lines.iter().flat_map(|line| &line.points);
    let shares = all.map(|p| p.1).filter(|y| y.is_finite());
    let (low, high) = shares.fold((1.0f64, 0.0f64), |(low, high), y| (low.min(y), high.max(y)));
    let room = (high - low).max(0.02) * 0.06;
    (low - room).max(0.0)..(high + room).min(1.005)
}

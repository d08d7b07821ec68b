//! Lying bars, in groups with a name each.

use plotters::prelude::*;

use super::legend::{self, Entry, Kind};
use super::{FONT, Problem, Tone, WIDTH, svg, text_style, text_width};
use crate::failure::Failure;

/// Height of a bar, and what is free between groups.
const BAR: i32 = 26;
const GAP: i32 = 14;
/// Below the bars, for the name of the axis.
const FOOT: i32 = 44;

/// Bars that belong together.
pub(in super::super) struct Group {
    pub(in super::super) name: String,
    /// Of each kind, in the order of [`Bars::kinds`]: how long its bar is, and what stands behind it.
    pub(in super::super) values: Vec<Option<(f64, String)>>,
}

/// A figure of bars.
pub(in super::super) struct Bars<'a> {
    /// What the figure shows, read out in its place.
    pub(in super::super) label: &'a str,
    /// What the length of a bar is.
    pub(in super::super) x: &'a str,
    pub(in super::super) kinds: &'a [(&'a str, Tone)],
    pub(in super::super) groups: &'a [Group],
    /// Where full depth is.
    pub(in super::super) full: f64,
}

/// Draws it.
pub(in super::super) fn bars(figure: &Bars<'_>) -> Result<String, Failure> {
    let mut entries: Vec<Entry<'_>> = figure
        .kinds
        .iter()
        .map(|&(name, tone)| Entry {
            name,
            tone,
            mark: None,
            kind: Kind::Bar,
        })
        .collect();
    entries.push(Entry {
        name: "full depth",
        tone: Tone::Ink,
        mark: None,
        kind: Kind::Line,
    });
    let group = figure.kinds.len() as i32 * BAR + GAP;
    let bars = figure.groups.len() as i32 * group;
    let above = (bars + FOOT) as u32;
    let height = above + legend::height(&entries);
    svg(height, figure.label, |root| {
        let (upper, lower) = root.split_vertically(above);
        chart(&upper, figure, group, bars)?;
        legend::draw(&lower, &entries)
    })
}

fn chart(area: &super::Area<'_>, figure: &Bars<'_>, group: i32, bars: i32) -> Result<(), Problem> {
    let widest = |names: &mut dyn Iterator<Item = i32>| names.max().unwrap_or(0);
    let left = widest(&mut figure.groups.iter().map(|g| text_width(&g.name))) + 16;
    let values = || figure.groups.iter().flat_map(|g| g.values.iter().flatten());
    let lengths = values().map(|(value, _)| *value);
    let most = lengths.fold(figure.full, f64::max).max(f64::MIN_POSITIVE);
    // Behind every bar there is room for what stands there.
    let room = |(value, text): &(f64, String)| {
        let length = f64::from(WIDTH as i32 - left - text_width(text) - 16);
        length * most / value.max(f64::MIN_POSITIVE)
    };
    let whole = f64::from(WIDTH as i32 - left - 16);
    let whole = values().map(room).fold(whole, f64::min);
    let at = |value: f64| left + (whole * value / most).round() as i32;
    let ink = text_style(Tone::Ink);
    for (i, of) in figure.groups.iter().enumerate() {
        let top = i as i32 * group;
        let middle = top + (group - GAP) / 2 - FONT as i32 / 2;
        area.draw(&Text::new(of.name.clone(), (0, middle), ink.clone()))?;
        for (k, (value, (_, tone))) in of.values.iter().zip(figure.kinds).enumerate() {
            let Some((value, text)) = value else { continue };
            let end = at(*value);
            let y = top + k as i32 * BAR;
            let corners = [(left, y + 2), (end, y + BAR - 2)];
            area.draw(&Rectangle::new(corners, tone.colour().filled()))?;
            let beside = (end + 8, y + (BAR - FONT as i32) / 2);
            area.draw(&Text::new(text.clone(), beside, ink.clone()))?;
        }
    }
    let full = vec![(at(figure.full), 0), (at(figure.full), bars - GAP / 2)];
    let line = Tone::Ink.colour().mix(0.6).stroke_width(3);
    area.draw(&PathElement::new(full, line))?;
    let foot = (left, bars + (FOOT - FONT as i32) / 2);
    area.draw(&Text::new(figure.x.to_owned(), foot, ink))
}

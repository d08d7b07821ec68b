//! Which line is which: marks that differ in shape as well as in colour, and their names below the figure.

use plotters::prelude::*;

use super::{Area, FONT, Problem, Tone, WIDTH, text_style, text_width};

/// Half the size of a mark.
const HALF: i32 = 7;
/// Length of the line before a name, and what is free around it.
const SAMPLE: i32 = 44;
const GAP: i32 = 10;
const ROW: i32 = FONT as i32 + 12;

/// Draws the mark of line number `i`.
pub(super) fn mark(
    area: &Area<'_>,
    (x, y): (i32, i32),
    i: usize,
    tone: Tone,
) -> Result<(), Problem> {
    let colour = tone.colour();
    let (h, d) = (HALF, HALF + 2);
    let around: &[(i32, i32)] = match i % 7 {
        0 => return area.draw(&Circle::new((x, y), h, colour.filled())),
        1 => &[(-h, -h), (h, -h), (h, h), (-h, h)],
        2 => &[(0, -d), (d, h), (-d, h)],
        3 => &[(0, -d), (d, 0), (0, d), (-d, 0)],
        4 => &[(0, d), (d, -h), (-d, -h)],
        5 => {
            let style = colour.stroke_width(5);
            area.draw(&PathElement::new([(x - d, y), (x + d, y)], style))?;
            return area.draw(&PathElement::new([(x, y - d), (x, y + d)], style));
        }
        _ => return area.draw(&Cross::new((x, y), h, colour.stroke_width(5))),
    };
    let corners: Vec<(i32, i32)> = around.iter().map(|&(a, b)| (x + a, y + b)).collect();
    area.draw(&Polygon::new(corners, colour.filled()))
}

/// Draws the ring around a single point.
pub(super) fn ring(area: &Area<'_>, at: (i32, i32)) -> Result<(), Problem> {
    area.draw(&Circle::new(at, 13, Tone::Ink.colour().stroke_width(4)))
}

/// A line of the legend.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) tone: Tone,
    /// Its mark, if it has one.
    pub(super) mark: Option<usize>,
    pub(super) kind: Kind,
}

/// What is drawn before a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Line,
    Bar,
    Ring,
}

/// Where the entries go, row by row, and the height they take.
fn places(entries: &[Entry<'_>]) -> (Vec<(i32, i32)>, u32) {
    let (mut x, mut y) = (GAP, 0);
    let mut places = Vec::new();
    for entry in entries {
        let width = SAMPLE + GAP + text_width(entry.name) + 2 * GAP;
        if x > GAP && x + width > WIDTH as i32 {
            (x, y) = (GAP, y + ROW);
        }
        places.push((x, y));
        x += width;
    }
    (places, (y + ROW) as u32 + 2 * GAP as u32)
}

/// The height of a legend.
pub(super) fn height(entries: &[Entry<'_>]) -> u32 {
    places(entries).1
}

/// Draws it.
pub(super) fn draw(area: &Area<'_>, entries: &[Entry<'_>]) -> Result<(), Problem> {
    for (entry, (x, y)) in entries.iter().zip(places(entries).0) {
        let middle = y + ROW / 2;
        let colour = entry.tone.colour();
        let ends = vec![(x, middle), (x + SAMPLE, middle)];
        match entry.kind {
            Kind::Line => area.draw(&PathElement::new(ends, colour.stroke_width(4)))?,
            Kind::Bar => {
                let corners = [(x, middle - HALF), (x + SAMPLE, middle + HALF)];
                area.draw(&Rectangle::new(corners, colour.filled()))?;
            }
            Kind::Ring => ring(area, (x + SAMPLE / 2, middle))?,
        }
        if let Some(i) = entry.mark {
            mark(area, (x + SAMPLE / 2, middle), i, entry.tone)?;
        }
        let at = (x + SAMPLE + GAP, middle - FONT as i32 / 2);
        area.draw(&Text::new(entry.name.to_owned(), at, text_style(Tone::Ink)))?;
    }
    Ok(())
}

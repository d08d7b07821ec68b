//! Figures as SVG, to stand in a page: colours follow the page's theme, and the page says what is seen.

mod bars;
mod legend;
mod lines;
mod tone;

use std::io;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

pub(super) use bars::{Bars, Group, bars};
pub(super) use lines::{Line, Lines, lines};
pub(super) use tone::{Tone, dark_theme};

use crate::failure::Failure;

/// Width of every figure in its own units; on a phone, about half a CSS pixel each.
const WIDTH: u32 = 800;
const FONT: u32 = 25;

type Problem = DrawingAreaErrorKind<io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn text_style(tone: Tone) -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&tone.colour())
}

/// About how wide a text is.
fn text_width(text: &str) -> i32 {
    (text.chars().count() as f64 * f64::from(FONT) * 0.55) as i32
}

/// Draws a figure of this height. `label` is read out in its place.
fn svg(
    height: u32,
    label: &str,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Problem>,
) -> Result<String, Failure> {
    let mut text = String::new();
    let drawn = {
        let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        draw(&root).and_then(|()| root.present())
    };
    drawn.map_err(|error| Failure::Figure {
        reason: error.to_string(),
    })?;
    // Inside HTML the element needs no namespace, and it is as wide as there is room.
    let inside = text.split_once('>').map_or("", |(_, inside)| inside);
    let label = label
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    Ok(format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">{inside}"
    ))
}

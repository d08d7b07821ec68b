//! Lines on standard error.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

/// One line, whatever line breaks a driver put into its message.
fn line(style: Style, label: &str, message: &str) {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(anstream::stderr(), "{style}{label}:{style:#} {message}");
}

/// Says why the program failed.
pub(crate) fn error(error: &impl Display) {
    line(
        AnsiColor::Red.on_default().bold(),
        "error",
        &error.to_string(),
    );
}

/// Says that something may not be as intended.
pub(crate) fn warning(message: &str) {
    line(AnsiColor::Yellow.on_default().bold(), "warning", message);
}

/// Says something worth knowing.
pub(crate) fn note(message: &str) {
    line(AnsiColor::Cyan.on_default().bold(), "note", message);
}

/// Says how it went, in the background.
pub(crate) fn aside(message: &str) {
    let dim = Style::new().dimmed();
    // Behind a word in a shade of its own, the background goes on.
    let message = message.replace(&format!("{dim:#}"), &format!("{dim:#}{dim}"));
    let _ = writeln!(anstream::stderr(), "{dim}{message}{dim:#}");
}

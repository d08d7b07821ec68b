//! How far a run is: a bar on a terminal, a line now and then in a log.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use looplm_train::metrics::Update;

use crate::failure::Failure;
use crate::say;

/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// The progress of a run, on standard error.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    said: Instant,
}

impl Progress {
    /// `done` of `of` updates are behind.
    pub(crate) fn new(done: u64, of: u64) -> Self {
        let bar = ProgressBar::new(of).with_position(done);
        if let Ok(style) =
            ProgressStyle::with_template("update {pos}/{len} {wide_bar:.cyan/dim} {msg}")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            is_terminal: io::stderr().is_terminal(),
            said: Instant::now(),
        }
    }

    /// An update is done.
    pub(crate) fn update(&mut self, update: &Update) {
        self.bar.set_position(update.update);
        self.bar.set_message(figures(update));
        if !self.is_terminal && self.said.elapsed() >= PAUSE {
            say::aside(&line(update, self.bar.length().unwrap_or(0)));
            self.said = Instant::now();
        }
    }

    /// So many of them are done, and nothing else is known.
    pub(crate) fn at(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Prints lines to standard output, above the bar.
    pub(crate) fn print(&self, lines: &[String]) -> Result<(), Failure> {
        self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            for line in lines {
                writeln!(out, "{line}")?;
            }
            out.flush()
        })?;
        Ok(())
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar of bytes on standard error, on a terminal only.
pub(crate) fn bytes(message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(message);
    if let Ok(style) =
        ProgressStyle::with_template("{msg:18} {wide_bar:.cyan/dim} {bytes}/{total_bytes}")
    {
        bar.set_style(style);
    }
    bar
}

/// A part of a command that takes long, and how far it is, on standard error.
pub(crate) struct Stage {
    what: &'static str,
    bar: ProgressBar,
    is_terminal: bool,
    said: Instant,
}

impl Stage {
    /// `of` of something are to be done.
    pub(crate) fn new(what: &'static str, of: u64) -> Self {
        let bar = ProgressBar::new(of).with_message(what);
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {pos}/{len} {wide_bar:.cyan/dim} {eta} left")
        {
            bar.set_style(style);
        }
        Self {
            what,
            bar,
            is_terminal: io::stderr().is_terminal(),
            said: Instant::now(),
        }
    }

    /// So many are done.
    pub(crate) fn at(&mut self, done: u64) {
        self.bar.set_position(done);
        if !self.is_terminal && self.said.elapsed() >= PAUSE {
            let of = self.bar.length().unwrap_or(0);
            say::aside(&format!("{} {done}/{of}", self.what));
            self.said = Instant::now();
        }
    }
}

impl Drop for Stage {
    /// Takes the bar away, whichever way the part ends.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line for a log.
pub(crate) fn line(update: &Update, of: u64) -> String {
    format!("update {}/{of}: {}", update.update, figures(update))
}

fn figures(update: &Update) -> String {
    format!(
        "loss {:.4}, {} tokens/s, {} left",
        update.loss,
        HumanCount(update.tokens_per_second as u64),
        duration(update.seconds_left)
    )
}

/// Hours, minutes and seconds, as many as it takes.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_person_waits_for() {
        let update = Update {
            update: 7,
            loss: 1.25,
            tokens_per_second: 12345.6,
            seconds_left: 62.4,
            ..Update::default()
        };
        assert_eq!(
            line(&update, 20),
            "update 7/20: loss 1.2500, 12,345 tokens/s, 1 min 02 s left"
        );
        for (seconds, text) in [(-1.0, "0 s"), (59.7, "1 min 00 s"), (3725.0, "1 h 02 min")] {
            assert_eq!(duration(seconds), text);
        }
    }
}

//! Text shaded by the step at which its tokens left the loop: gold left early, purple late, as on the page.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{Ansi256Color, Style};

/// From the first step to the last. Of middle brightness, so that they can be read on dark and on light ground.
const RAMP: [u8; 8] = [178, 172, 173, 167, 168, 132, 133, 97];

/// The shade of a token that left at `step` (from 1) of `steps`.
pub(crate) fn style(step: usize, steps: usize) -> Style {
    let last = steps.saturating_sub(1).max(1);
    let place = (step.saturating_sub(1) * (RAMP.len() - 1) + last / 2) / last;
    Style::new().fg_color(Some(Ansi256Color(RAMP[place.min(RAMP.len() - 1)]).into()))
}

/// The steps' numbers in their shades.
pub(crate) fn legend(steps: usize) -> String {
    let number = |step| {
        let style = style(step, steps);
        format!("{style}{step}{style:#}")
    };
    (1..=steps).map(number).collect::<Vec<_>>().join(" ")
}

/// Standard output for a model's words. Not a terminal: the words as they are.
pub(crate) struct Shaded {
    out: Box<dyn Write>,
    coloured: bool,
    terminal: bool,
    steps: usize,
    /// Whether the last thing written was the end of a line.
    at_line_start: bool,
}

impl Shaded {
    /// For words of a model that takes `steps` steps.
    pub(crate) fn stdout(steps: usize) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let coloured = AutoStream::choice(&stdout) != ColorChoice::Never;
        // The other kind of stream takes escape sequences out, which may be in the words themselves.
        let out: Box<dyn Write> = if coloured {
            Box::new(anstream::stdout())
        } else {
            Box::new(stdout)
        };
        Self {
            out,
            coloured,
            terminal,
            steps,
            at_line_start: true,
        }
    }

    /// Writes what a token that left at `step` (from 1) completed, at once.
    pub(crate) fn write(&mut self, text: &str, step: usize) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let text = if self.terminal {
            harmless(text)
        } else {
            Cow::Borrowed(text)
        };
        self.at_line_start = text.ends_with('\n');
        if self.coloured {
            let style = style(step, self.steps);
            write!(self.out, "{style}{text}{style:#}")?;
        } else {
            self.out.write_all(text.as_bytes())?;
        }
        self.out.flush()
    }

    /// Ends the line, if one was begun.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        if !self.at_line_start {
            self.at_line_start = true;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }
}

/// Keeps a model from moving the cursor, ringing the bell, or renaming the window.
fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(harmful) {
        let shown = text.chars().filter(|&c| c != '\r').map(|c| {
            if harmful(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        });
        Cow::Owned(shown.collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_go_from_one_end_of_the_ramp_to_the_other() {
        for steps in 2..=8 {
            assert_eq!(style(1, steps), style(1, 8), "{steps} steps");
            assert_eq!(style(steps, steps), style(8, 8), "{steps} steps");
            for step in 1..steps {
                assert_ne!(
                    style(step, steps),
                    style(step + 1, steps),
                    "step {step} of {steps}"
                );
            }
        }
        assert_eq!(style(1, 1), style(1, 8));
    }

    #[test]
    fn escape_sequences_do_not_reach_a_terminal() {
        assert_eq!(
            harmless("a\u{1b}[2Jb\r\n\tc\u{9b}"),
            "a\u{fffd}[2Jb\n\tc\u{fffd}"
        );
        assert!(matches!(harmless("plain\n"), Cow::Borrowed(_)));
    }
}

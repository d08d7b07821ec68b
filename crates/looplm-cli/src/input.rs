//! What a person types: a line editor on a terminal, plain lines from anything else.

use std::io::{self, IsTerminal, Stdin};

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::failure::Failure;

/// Where the lines come from.
pub(crate) enum Input {
    /// A person at a terminal.
    Editor(Box<DefaultEditor>),
    /// A file or another program.
    Lines(Stdin),
}

/// What was entered.
pub(crate) enum Entry {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the file.
    End,
}

impl Input {
    /// Standard input.
    pub(crate) fn open() -> Result<Self, Failure> {
        let stdin = io::stdin();
        // The editor draws on standard output.
        if stdin.is_terminal() && io::stdout().is_terminal() {
            Ok(Self::Editor(Box::new(DefaultEditor::new()?)))
        } else {
            Ok(Self::Lines(stdin))
        }
    }

    /// Whether a person sits at it.
    pub(crate) fn is_editor(&self) -> bool {
        matches!(self, Self::Editor(_))
    }

    /// Waits for the next line.
    pub(crate) fn next(&mut self, prompt: &str) -> Result<Entry, Failure> {
        match self {
            Self::Editor(editor) => match editor.readline(prompt) {
                Ok(line) => {
                    editor.add_history_entry(&line)?;
                    Ok(Entry::Line(line))
                }
                Err(ReadlineError::Interrupted) => Ok(Entry::Interrupted),
                Err(ReadlineError::Eof) => Ok(Entry::End),
                Err(error) => Err(error.into()),
            },
            Self::Lines(stdin) => {
                let mut line = String::new();
                match stdin.read_line(&mut line).map_err(ReadlineError::from)? {
                    0 => Ok(Entry::End),
                    _ => Ok(Entry::Line(line)),
                }
            }
        }
    }
}

//! Ctrl-C: stops the answer, not the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

#[derive(Default)]
struct State {
    answering: AtomicBool,
    pressed: AtomicBool,
}

/// The handler of Ctrl-C.
pub(crate) struct Interrupt {
    state: Arc<State>,
}

impl Interrupt {
    /// Handles Ctrl-C from now on. `ends_idle`: whether it ends the program while there is no answer to stop; a line
    /// editor, which sees the key itself, wants it not to.
    pub(crate) fn listen(ends_idle: bool) -> Result<Self, Failure> {
        let state = Arc::new(State::default());
        let seen = state.clone();
        ctrlc::set_handler(move || {
            seen.pressed.store(true, Ordering::Relaxed);
            if ends_idle && !seen.answering.load(Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
        })?;
        Ok(Self { state })
    }

    /// Runs `answer`, which is to stop as soon as what it is given says that Ctrl-C was pressed.
    pub(crate) fn during<T>(&self, answer: impl FnOnce(&dyn Fn() -> bool) -> T) -> T {
        self.state.pressed.store(false, Ordering::Relaxed);
        self.state.answering.store(true, Ordering::Relaxed);
        let result = answer(&|| self.state.pressed.load(Ordering::Relaxed));
        self.state.answering.store(false, Ordering::Relaxed);
        result
    }
}

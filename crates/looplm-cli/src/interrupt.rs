//! Ctrl-C: stops an answer, not the program, and lets training save what it has.

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

/// What asks work that takes long to save what it has and end: Ctrl-C, and on Unix SIGTERM and SIGHUP. Asked again, the
/// program ends at once.
pub(crate) struct StopRequest {
    asked: Arc<AtomicBool>,
}

impl StopRequest {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            use signal_hook::flag;
            // In this order: the first signal finds the flag down, the second finds it up.
            flag::register_conditional_shutdown(signal, INTERRUPTED, asked.clone())
                .and_then(|_| flag::register(signal, asked.clone()))
                .map_err(|e| Failure::Interrupt(ctrlc::Error::System(e)))?;
        }
        let seen = asked.clone();
        ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
        })?;
        Ok(Self { asked })
    }

    /// Whether it was asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends the program, all being saved, as a shell expects of one that was stopped.
    pub(crate) fn end(&self) -> ! {
        std::process::exit(INTERRUPTED)
    }
}

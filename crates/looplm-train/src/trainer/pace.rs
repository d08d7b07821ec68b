//! How fast a run is: time spent in updates alone, so that pauses do not count.

use std::collections::VecDeque;
use web_time::Instant;

/// Updates that the present speed is taken over.
const WINDOW: usize = 32;

/// The clock of a run.
#[derive(Debug, Default)]
pub(super) struct Pace {
    before: f64,
    running: Option<Instant>,
    /// (seconds, tokens) when an update was read.
    recent: VecDeque<(f64, u64)>,
    tokens: u64,
}

impl Pace {
    /// A clock that has run for `seconds`.
    pub(super) fn at(seconds: f64) -> Self {
        Self {
            before: seconds,
            ..Self::default()
        }
    }

    pub(super) fn start(&mut self) {
        self.running = Some(Instant::now());
    }

    pub(super) fn stop(&mut self) {
        self.before = self.seconds();
        self.running = None;
    }

    /// Seconds of training so far.
    pub(super) fn seconds(&self) -> f64 {
        self.before
            + self
                .running
                .map_or(0.0, |since| since.elapsed().as_secs_f64())
    }

    /// An update of this many tokens is done.
    pub(super) fn count(&mut self, tokens: u64) {
        self.tokens += tokens;
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back((self.seconds(), self.tokens));
    }

    fn window(&self) -> Option<(f64, u64)> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let seconds = last.0 - first.0;
        (seconds > 0.0).then_some((seconds, last.1 - first.1))
    }

    /// Tokens a second over the last updates; 0 before there are two.
    pub(super) fn tokens_per_second(&self) -> f32 {
        self.window()
            .map_or(0.0, |(seconds, tokens)| (tokens as f64 / seconds) as f32)
    }

    /// Seconds that `updates` more will take at the present speed; 0 before it is known.
    pub(super) fn seconds_for(&self, updates: u64) -> f64 {
        self.window().map_or(0.0, |(seconds, _)| {
            seconds / (self.recent.len() - 1) as f64 * updates as f64
        })
    }
}

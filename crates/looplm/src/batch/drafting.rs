//! How early a sequence may guess its next token, and when guessing does not pay.

use crate::exit::{Exit, ExitRule};

/// Tokens after which it is asked again whether guessing pays.
const WINDOW: usize = 16;

/// Right guesses in a row that make it guess a step earlier.
const CONFIDENT: usize = 8;

/// What right guesses multiply a gate's threshold with, and the least of all that.
const EASE: (f32, f32) = (0.7, 0.05);

/// Tokens without guesses after it did not pay, at first and at most.
const PAUSES: (usize, usize) = (16, 512);

/// What a row more in a pass costs, as a share of a pass of one row. A device that is bound by reading weights pays little
/// for it, one that is bound by arithmetic much.
#[derive(Debug, Clone, Default)]
pub(super) struct PassCost {
    n: f64,
    rows: f64,
    rows_squared: f64,
    seconds: f64,
    product: f64,
}

impl PassCost {
    /// Share assumed before anything was measured.
    const ASSUMED: f64 = 0.2;

    pub(super) fn measured(&mut self, rows: usize, seconds: f64) {
        const FORGET: f64 = 0.98;
        let rows = rows as f64;
        let with = |sum: &mut f64, value: f64| *sum = FORGET * *sum + value;
        with(&mut self.n, 1.0);
        with(&mut self.rows, rows);
        with(&mut self.rows_squared, rows * rows);
        with(&mut self.seconds, seconds);
        with(&mut self.product, rows * seconds);
    }

    /// The share, from a line through what was measured.
    pub(super) fn of_a_row(&self) -> f64 {
        let spread = self.n * self.rows_squared - self.rows * self.rows;
        if self.n < 8.0 || spread < self.n {
            return Self::ASSUMED;
        }
        let slope = (self.n * self.product - self.rows * self.seconds) / spread;
        let first = (self.seconds - slope * self.rows) / self.n + slope;
        if first <= 0.0 {
            return 1.0;
        }
        (slope / first).clamp(0.0, 1.0)
    }
}

/// The running state of a sequence that guesses.
#[derive(Debug, Clone)]
pub(super) struct Drafting {
    /// The first step that the rule may guess at, and the number of steps.
    base: usize,
    steps: usize,
    /// Whether to change anything at all.
    adaptive: bool,
    earliest: usize,
    /// What a gate's threshold is multiplied with, at most 1.
    scale: f32,
    right: usize,
    /// Tokens for which it does not guess.
    paused: usize,
    pause: usize,
    /// Tokens, passes and rows since it last asked whether it pays.
    window: (usize, usize, usize),
}

impl Drafting {
    pub(super) fn new(base: usize, steps: usize, adaptive: bool) -> Self {
        Self {
            base,
            steps,
            adaptive,
            earliest: base,
            scale: 1.0,
            right: 0,
            paused: 0,
            pause: PAUSES.0,
            window: (0, 0, 0),
        }
    }

    /// The first step at which it may guess now; `None`: not at all.
    pub(super) fn earliest(&self) -> Option<usize> {
        (self.paused == 0 && self.earliest < self.steps).then_some(self.earliest)
    }

    /// Tokens from here on for which it will not guess.
    pub(super) fn tokens_without_guess(&self) -> usize {
        match self.earliest() {
            Some(_) => 0,
            None if self.paused > 0 => self.paused,
            None => usize::MAX,
        }
    }

    /// The rule as it guesses now: a gate whose guesses were right may guess sooner.
    pub(super) fn eased(&self, mut exit: Exit) -> Exit {
        if let ExitRule::Gate(q) | ExitRule::GateDelayed(q) = &mut exit.rule {
            *q *= self.scale;
        }
        exit
    }

    /// A pass with so many rows of the sequence.
    pub(super) fn pass(&mut self, rows: usize) {
        self.window.1 += 1;
        self.window.2 += rows;
    }

    /// A token became certain; `guess` says whether it had been guessed right.
    pub(super) fn token(&mut self, guess: Option<bool>, cost: &PassCost) {
        if !self.adaptive {
            return;
        }
        if self.paused > 0 {
            self.paused -= 1;
            self.window = (0, 0, 0);
            return;
        }
        match guess {
            Some(true) => {
                self.right += 1;
                if self.right >= CONFIDENT {
                    self.right = 0;
                    if self.earliest > self.base {
                        self.earliest -= 1;
                    } else {
                        self.scale = (EASE.0 * self.scale).max(EASE.1);
                    }
                }
            }
            Some(false) => {
                self.right = 0;
                if self.scale < 1.0 {
                    self.scale = (2.0 * self.scale).min(1.0);
                } else {
                    self.earliest += 1;
                }
                if self.earliest >= self.steps {
                    self.earliest = self.steps.saturating_sub(1).max(self.base);
                    self.rest();
                }
            }
            None => {}
        }
        self.window.0 += 1;
        let (tokens, passes, rows) = self.window;
        if tokens >= WINDOW {
            let plain = (tokens * self.steps) as f64;
            let guessed = passes as f64 + (rows.saturating_sub(passes)) as f64 * cost.of_a_row();
            if guessed > plain {
                self.rest();
            } else {
                self.pause = PAUSES.0;
            }
            self.window = (0, 0, 0);
        }
    }

    fn rest(&mut self) {
        self.paused = self.pause;
        self.pause = (2 * self.pause).min(PAUSES.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_row_is_read_off_a_line() {
        let mut cost = PassCost::default();
        assert_eq!(cost.of_a_row(), PassCost::ASSUMED);
        for i in 0..40 {
            let rows = 1 + i % 4;
            cost.measured(rows, 1.0 + 0.25 * (rows as f64 - 1.0));
        }
        assert!((cost.of_a_row() - 0.25).abs() < 0.01, "{}", cost.of_a_row());
    }

    #[test]
    fn wrong_guesses_make_it_guess_later_and_right_ones_earlier() {
        let cost = PassCost::default();
        let mut drafting = Drafting::new(1, 4, true);
        drafting.token(Some(false), &cost);
        assert_eq!(drafting.earliest(), Some(2));
        for _ in 0..CONFIDENT {
            drafting.token(Some(true), &cost);
        }
        assert_eq!(drafting.earliest(), Some(1));
        for _ in 0..3 {
            drafting.token(Some(false), &cost);
        }
        assert_eq!(drafting.earliest(), None, "it rests");
        for _ in 0..PAUSES.0 {
            drafting.token(None, &cost);
        }
        assert_eq!(drafting.earliest(), Some(3), "and begins late");
        let mut fixed = Drafting::new(1, 4, false);
        fixed.token(Some(false), &cost);
        assert_eq!(fixed.earliest(), Some(1));
    }

    #[test]
    fn right_guesses_ease_a_gate_and_wrong_ones_harden_it() {
        let cost = PassCost::default();
        let mut drafting = Drafting::new(1, 4, true);
        let gate = Exit::from(ExitRule::Gate(0.5));
        for _ in 0..2 * CONFIDENT {
            drafting.token(Some(true), &cost);
        }
        let q = |drafting: &Drafting| match drafting.eased(gate).rule {
            ExitRule::Gate(q) => q,
            _ => f32::NAN,
        };
        assert!((q(&drafting) - 0.5 * 0.49).abs() < 1e-6);
        drafting.token(Some(false), &cost);
        assert!((q(&drafting) - 0.49).abs() < 1e-6);
        assert_eq!(drafting.earliest(), Some(1));
        drafting.token(Some(false), &cost);
        drafting.token(Some(false), &cost);
        assert_eq!((q(&drafting), drafting.earliest()), (0.5, Some(2)));
        let step = Exit::from(ExitRule::Step(2));
        assert_eq!(drafting.eased(step), step);
    }

    #[test]
    fn it_rests_when_rows_cost_more_than_passes_save() {
        let mut dear = PassCost::default();
        for i in 0..40 {
            let rows = 1 + i % 4;
            dear.measured(rows, rows as f64);
        }
        let mut drafting = Drafting::new(1, 4, true);
        for _ in 0..WINDOW {
            // Three passes of two rows where four of one would do.
            for _ in 0..3 {
                drafting.pass(2);
            }
            drafting.token(Some(true), &dear);
        }
        assert_eq!(drafting.earliest(), None);
    }
}

//! Times and their spread.

use std::time::Instant;

use serde::Serialize;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// The median of some figures, and where their middle half lies.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Figures.
    pub(crate) n: usize,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let n = figures.len();
        Self {
            median: figures[n / 2],
            low: figures[n / 4],
            high: figures[n * 3 / 4],
            n,
        }
    }

    /// Every figure passed through `change`, which may turn their order around.
    pub(crate) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        let (one, other) = (change(self.low), change(self.high));
        Self {
            median: change(self.median),
            low: one.min(other),
            high: one.max(other),
            n: self.n,
        }
    }
}

/// Seconds that `run` takes.
pub(crate) fn seconds<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<(f64, T), Failure> {
    let start = Instant::now();
    let value = run()?;
    Ok((start.elapsed().as_secs_f64(), value))
}

/// Seconds of each of `repeats` turns of `run`, after one to warm up.
pub(crate) fn time(
    repeats: usize,
    mut run: impl FnMut() -> Result<(), Failure>,
) -> Result<Spread, Failure> {
    run()?;
    let times = (0..repeats).map(|_| Ok(seconds(&mut run)?.0));
    Ok(Spread::of(times.collect::<Result<_, Failure>>()?))
}

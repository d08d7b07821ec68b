//! The learning rate over a run.

use std::f64::consts::PI;

use crate::config::{OptimizerConfig, ScheduleKind};

/// The learning rate of update number `update` (from 0) of a run of `updates`.
///
/// It rises in a line over the warm-up: update u gets (u + 1) / warmup of the highest rate. What comes then is said by
/// [`ScheduleKind`]. Updates beyond the end get the last rate.
pub fn learning_rate(optimizer: &OptimizerConfig, update: u64, updates: u64) -> f32 {
    (optimizer.learning_rate * share(optimizer, update, updates)) as f32
}

/// The rate as a share of the highest.
fn share(o: &OptimizerConfig, update: u64, updates: u64) -> f64 {
    if update < o.warmup {
        return (update + 1) as f64 / o.warmup as f64;
    }
    // From 1 at `from` to the final ratio at the end of the run.
    let progress = |from: u64| {
        let length = updates.saturating_sub(from).max(1);
        (update.saturating_sub(from).min(length)) as f64 / length as f64
    };
    match o.schedule {
        ScheduleKind::Constant => 1.0,
        ScheduleKind::Cosine => {
            let falling = 0.5 * (1.0 + (PI * progress(o.warmup)).cos());
            o.final_ratio + (1.0 - o.final_ratio) * falling
        }
        ScheduleKind::Wsd => {
            let from = updates.saturating_sub(o.decay.unwrap_or(0)).max(o.warmup);
            1.0 - (1.0 - o.final_ratio) * progress(from)
        }
    }
}

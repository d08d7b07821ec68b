//! Firefox looks whether the GPU is done every 100 ms, and whenever something is submitted
//! (<https://bugzilla.mozilla.org/show_bug.cgi?id=1870699>): without more ado every token would take that long. So while a
//! result is awaited there, nothing is submitted, again and again: every millisecond at first, then more patiently.
//!
//! The schedule is tested here with a clock that is none; what it gains in Firefox is in docs/BENCHMARKS.md. To be deleted, with
//! its two uses in `readback.rs` and `device.rs`, when the bug is fixed in every Firefox that has WebGPU.

#[cfg(target_arch = "wasm32")]
mod web;

use std::{future::Future, pin::pin};

use futures::future::{Either, select};

#[cfg(target_arch = "wasm32")]
pub(crate) use web::awaited;

/// Milliseconds between two nudges at first.
const STEP: f64 = 1.0;
/// Milliseconds for which that goes on. Timers are too coarse for it: turns of the event loop are waited out instead.
const EAGER: f64 = 20.0;
/// Milliseconds between two nudges after that.
const PATIENT: f64 = 5.0;
/// Milliseconds after which no more is done: whatever takes so long is not held up by another 100 ms.
const DEADLINE: f64 = 1000.0;

/// What the nudging needs of the world.
trait World {
    /// Milliseconds since any moment.
    fn now(&self) -> f64;
    /// Lets everything that waits in the event loop run once.
    async fn turn(&self);
    /// Waits about so many milliseconds.
    async fn sleep(&self, milliseconds: f64);
    /// Makes the browser look at the GPU.
    fn nudge(&self);
}

/// Waits for `result`, nudging the browser meanwhile.
async fn nudged<F: Future>(world: &impl World, result: F) -> F::Output {
    match select(pin!(result), pin!(nudges(world))).await {
        Either::Left((output, _)) => output,
        Either::Right(((), result)) => result.await,
    }
}

async fn nudges(world: &impl World) {
    let begun = world.now();
    let mut last = begun;
    loop {
        let now = world.now();
        if now - begun > DEADLINE {
            return;
        }
        if now - last >= STEP {
            last = now;
            world.nudge();
        }
        if now - begun < EAGER {
            world.turn().await;
        } else {
            world.sleep(PATIENT).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures::future::poll_fn;

    use super::*;

    /// A turn takes a quarter of a millisecond here.
    const TURN: f64 = 0.25;

    #[derive(Default)]
    struct Fake {
        now: Cell<f64>,
        nudges: RefCell<Vec<f64>>,
        /// When the GPU is done.
        done: f64,
    }

    impl Fake {
        async fn pass(&self, milliseconds: f64) {
            self.now.set(self.now.get() + milliseconds);
            let mut waited = false;
            poll_fn(|context| {
                if std::mem::replace(&mut waited, true) {
                    return std::task::Poll::Ready(());
                }
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
        }

        /// As the browser has it: the result is told by a nudge after the GPU is done, or by the clock's own 100 ms.
        fn result(&self) -> impl Future<Output = f64> + '_ {
            poll_fn(move |context| {
                let nudged = self.nudges.borrow().iter().any(|at| *at >= self.done);
                if nudged || self.now.get() >= (self.done / 100.0).ceil() * 100.0 {
                    return std::task::Poll::Ready(self.now.get());
                }
                context.waker().wake_by_ref();
                // Nobody nudges any longer: only the clock goes on.
                if self.now.get() > DEADLINE {
                    self.now.set(self.now.get() + 1.0);
                }
                std::task::Poll::Pending
            })
        }
    }

    impl World for Fake {
        fn now(&self) -> f64 {
            self.now.get()
        }
        async fn turn(&self) {
            self.pass(TURN).await;
        }
        async fn sleep(&self, milliseconds: f64) {
            self.pass(milliseconds).await;
        }
        fn nudge(&self) {
            self.nudges.borrow_mut().push(self.now.get());
        }
    }

    fn told(done: f64) -> (f64, Vec<f64>) {
        let fake = Fake {
            done,
            ..Fake::default()
        };
        let told = pollster::block_on(nudged(&fake, fake.result()));
        let nudges = fake.nudges.borrow().clone();
        (told, nudges)
    }

    #[test]
    fn a_short_wait_ends_a_millisecond_later_and_a_longer_one_five() {
        for (done, late) in [(0.5, STEP), (7.3, STEP), (19.0, STEP), (300.0, PATIENT)] {
            let (told, nudges) = told(done);
            assert!(told - done <= late + TURN, "{done}: told at {told}");
            assert!(nudges.windows(2).all(|two| two[1] - two[0] >= STEP));
        }
    }

    #[test]
    fn a_result_that_is_there_is_not_waited_for() {
        assert_eq!(told(0.0), (0.0, vec![]));
    }

    #[test]
    fn it_ends_and_the_browser_goes_on_alone() {
        let (told, nudges) = told(1234.0);
        assert!((1234.0..=1300.0).contains(&told), "{told}");
        let last = nudges.last().copied().unwrap_or_default();
        assert!(last <= DEADLINE && last > DEADLINE - 2.0 * PATIENT);
        let eager = nudges.iter().filter(|at| **at <= EAGER).count();
        assert_eq!(eager, 20);
        assert!(nudges.len() < 20 + (DEADLINE / PATIENT) as usize);
    }
}

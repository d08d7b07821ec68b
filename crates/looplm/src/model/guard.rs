//! Access to the engine of a model.

use futures::lock::MutexGuard;

use super::Running;
use crate::{batch::Batch, engine::Engine};

/// The engine of a model, for one caller at a time.
#[derive(Debug)]
pub struct EngineGuard<'a> {
    pub(super) guard: MutexGuard<'a, Option<Running>>,
}

impl EngineGuard<'_> {
    /// The engine, and the requests it works on.
    pub(crate) fn parts(&mut self) -> (&mut Engine, &mut Batch) {
        let running = self.running_mut();
        (&mut running.engine, &mut running.batch)
    }

    fn running_mut(&mut self) -> &mut Running {
        self.guard
            .as_mut()
            .expect("an EngineGuard is made only of a model that has its engine")
    }
}

impl std::ops::Deref for EngineGuard<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        let running = self.guard.as_ref();
        &running
            .expect("an EngineGuard is made only of a model that has its engine")
            .engine
    }
}

impl std::ops::DerefMut for EngineGuard<'_> {
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.running_mut().engine
    }
}

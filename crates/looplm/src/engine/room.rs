//! Room for the tokens that a sequence is to hold, and what is said where there is none.

use looplm_gpu::GpuError;

use super::{Engine, find, unknown_sequence};
use crate::{error::Error, row::SequenceId};

impl Engine {
    /// Room for `count` more tokens of a sequence.
    pub(super) async fn make_room(&mut self, id: SequenceId, count: usize) -> Result<(), Error> {
        let sequence = self.sequence(id)?;
        let needed = sequence.ids.len() + count;
        if needed > self.context {
            let reason = "the longest context of this model".to_owned();
            return Err(Error::ContextFull {
                limit: self.context,
                needed,
                reason,
            });
        }
        let (steps, entries) = (sequence.steps.get(), count * sequence.entries_a_token());
        if let Err(error) = self.find_room(id, needed, entries).await {
            return Err(self.no_room(error, id, (steps, entries), needed));
        }
        let sequence = find(&mut self.sequences, id).ok_or_else(unknown_sequence)?;
        sequence.promised += entries;
        Ok(())
    }

    /// Room for so many positions of a sequence, and for so many entries more.
    async fn find_room(
        &mut self,
        id: SequenceId,
        positions: usize,
        entries: usize,
    ) -> Result<(), Error> {
        self.reserve_map(id.place as usize, positions).await?;
        let promised = self.kv.promise(&self.gpu, entries).await;
        self.rebind_replaced()?;
        promised
    }

    /// Binds the layers' keys and values anew, if they have other buffers.
    pub(super) fn rebind_replaced(&mut self) -> Result<(), Error> {
        if self.kv.take_replaced() {
            self.rebind_kv()?;
        }
        Ok(())
    }

    /// What a sequence is told when there is no room for more of it: how much of it there is room for, if it is alone, else
    /// that there is no memory at present.
    fn no_room(
        &self,
        error: Error,
        id: SequenceId,
        (steps, entries): (usize, usize),
        needed: usize,
    ) -> Error {
        let others = self.sequences.iter().flatten().any(|s| s.id != id);
        match error {
            error if others => error,
            Error::Gpu(error) if !self.kv.exceeds(entries) => {
                let reached = self.kv.capacity() / steps;
                self.fit.explain(error, self.gpu.max_binding(), reached)
            }
            Error::Gpu(GpuError::OutOfMemory { .. }) => Error::ContextFull {
                limit: self.kv.limit() / steps,
                needed,
                reason: format!(
                    "the memory of {} for the keys and values of {steps} steps",
                    self.gpu.report().name
                ),
            },
            other => other,
        }
    }

    pub(super) async fn reserve_map(
        &mut self,
        place: usize,
        positions: usize,
    ) -> Result<(), Error> {
        let grown = self
            .kv
            .reserve_map(&self.gpu, &self.config, place, positions, &self.sequences)
            .await?;
        if grown {
            self.rebind_kv()?;
        }
        Ok(())
    }

    fn rebind_kv(&mut self) -> Result<(), Error> {
        self.plan
            .rebind_kv(&self.gpu, &self.weights, &self.workspace, &self.kv)
    }
}

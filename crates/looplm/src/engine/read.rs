//! Reading whole states and logits back: large, and only for those who ask.

use looplm_gpu::{GpuRow, kernel::Op, stride, wgpu};

use super::{
    Engine,
    ask::{Place, WORD},
    sequence::{Held, Slots},
    submit::state_row,
};
use crate::error::Error;

impl Engine {
    /// Where the states of these tokens are.
    pub(super) fn held(&self, places: &[Place], slots: &Slots) -> Result<Vec<Held>, Error> {
        let find = |place: &Place| slots.get(place.0, place.1);
        let missing = |place: &Place| {
            Error::invalid(
                "ask",
                format!("position {} was not computed just now", place.1),
            )
        };
        places
            .iter()
            .map(|place| find(place).ok_or_else(|| missing(place)))
            .collect()
    }

    /// The hidden states of tokens just computed, after the final norm: [tokens, hidden_size].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if one is not between its steps; what the device reports.
    pub async fn read_states(&mut self, places: &[Place]) -> Result<Vec<f32>, Error> {
        let held = self.held(places, &self.slots)?;
        let row = stride(self.config.hidden_size) as u64 * WORD;
        let bytes = held.len() as u64 * row;
        let mut encoder = self.gpu.encoder();
        for (i, held) in held.iter().enumerate() {
            let from = u64::from(held.slot) * row;
            let (state, at) = (&self.workspace.state, i as u64 * row);
            self.workspace
                .readback
                .copy(&mut encoder, state, from, at, row);
        }
        self.gpu.submit(encoder);
        let states: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.workspace.readback.read(&self.gpu, bytes).await?);
        Ok(states
            .chunks_exact(stride(self.config.hidden_size))
            .flat_map(|state| &state[..self.config.hidden_size])
            .copied()
            .collect())
    }

    /// The logits of tokens just computed, from the state of their last step so far: [tokens, vocab_size].
    ///
    /// # Errors
    /// As [`Engine::read_states`].
    pub async fn read_logits(&mut self, places: &[Place]) -> Result<Vec<f32>, Error> {
        let held = self.held(places, &self.slots)?;
        let row = stride(self.config.vocab_size);
        let mut logits = Vec::with_capacity(places.len() * self.config.vocab_size);
        for chunk in held.chunks(self.workspace.head_rows) {
            let rows: Vec<GpuRow> = chunk.iter().map(state_row).collect();
            self.workspace.tables.clear();
            let table = self.workspace.tables.push(&rows)?;
            self.workspace.tables.upload(&self.gpu);
            let mut encoder = self.gpu.encoder();
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.workspace.tables.select(&mut pass, table);
                self.plan.head.encode(&self.gpu, &mut pass, table)?;
            }
            let bytes = (chunk.len() * row) as u64 * WORD;
            let readback = &self.workspace.readback;
            readback.copy(&mut encoder, &self.workspace.logits, 0, 0, bytes);
            self.gpu.submit(encoder);
            let read: Vec<f32> =
                bytemuck::pod_collect_to_vec(&readback.read(&self.gpu, bytes).await?);
            for values in read.chunks_exact(row) {
                logits.extend_from_slice(&values[..self.config.vocab_size]);
            }
        }
        Ok(logits)
    }
}

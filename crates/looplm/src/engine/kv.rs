//! The KV cache: for each layer a pool of planes. A plane holds the keys and values of one recurrent step of one
//! sequence; all planes are equally long, and grow together by doubling.

use looplm_gpu::{Buffer, Gpu, GpuError, cpu::rotary_table, kernels::AttentionShape};

use crate::{config::Config, error::Error};

/// Positions a plane starts with.
const FIRST_CAPACITY: usize = 256;

/// Keys and values of a layer, [planes, capacity, kv_heads, head_stride] each.
#[derive(Debug)]
pub(super) struct LayerKv {
    pub(super) keys: Buffer,
    pub(super) values: Buffer,
}

/// All layers' planes.
#[derive(Debug)]
pub(super) struct KvCache {
    pub(super) layers: Vec<LayerKv>,
    /// (cos, sin) for every position of a plane.
    pub(super) rotary: Buffer,
    rotary_positions: usize,
    capacity: usize,
    planes: usize,
    free: Vec<u32>,
    context: usize,
}

pub(super) fn attention_shape(config: &Config) -> AttentionShape {
    AttentionShape {
        heads: config.num_attention_heads,
        kv_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
    }
}

/// Bytes of one position in one plane of one layer, keys or values.
fn entry_bytes(config: &Config) -> u64 {
    attention_shape(config).entry() as u64 * 4
}

/// Bytes of the keys and values of one position in one plane, all layers.
pub fn bytes_per_position(config: &Config) -> u64 {
    entry_bytes(config) * 2 * config.num_hidden_layers as u64
}

async fn allocate(
    gpu: &Gpu,
    config: &Config,
    planes: usize,
    capacity: usize,
) -> Result<Vec<LayerKv>, GpuError> {
    let bytes = (planes * capacity) as u64 * entry_bytes(config);
    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for _ in 0..config.num_hidden_layers {
        layers.push(LayerKv {
            keys: Buffer::storage(gpu, "KV cache", bytes).await?,
            values: Buffer::storage(gpu, "KV cache", bytes).await?,
        });
    }
    Ok(layers)
}

async fn rotary(gpu: &Gpu, config: &Config, capacity: usize) -> Result<Buffer, GpuError> {
    Buffer::storage_with(
        gpu,
        "rotary table",
        &rotary_table(config.head_dim, config.rope_theta, capacity),
    )
    .await
}

impl KvCache {
    /// No plane yet; they come with the first sequence.
    pub(super) async fn new(gpu: &Gpu, config: &Config, context: usize) -> Result<Self, Error> {
        let capacity = FIRST_CAPACITY.min(context);
        let planes = config.total_ut_steps.min(crate::row::MAX_STEPS);
        let mut cache = Self {
            layers: Vec::new(),
            rotary: rotary(gpu, config, capacity).await?,
            rotary_positions: capacity,
            capacity,
            planes: 0,
            free: Vec::new(),
            context,
        };
        cache.resize(gpu, config, planes, capacity).await?;
        Ok(cache)
    }

    pub(super) fn bytes(&self) -> u64 {
        let layer = |l: &LayerKv| l.keys.size() + l.values.size();
        self.rotary.size() + self.layers.iter().map(layer).sum::<u64>()
    }

    /// KV entry of position 0 of a plane.
    pub(super) fn base(&self, plane: u32) -> u32 {
        plane * self.capacity as u32
    }

    /// Planes for a new sequence, and whether buffers changed. The number of planes doubles while there is room.
    pub(super) async fn take_planes(
        &mut self,
        gpu: &Gpu,
        config: &Config,
        count: usize,
    ) -> Result<(Vec<u32>, bool), Error> {
        let grown = self.free.len() < count;
        if grown {
            let used = self.planes - self.free.len();
            if used == 0 {
                // Nothing to keep: planes as short as at first leave room for more of them.
                self.capacity = FIRST_CAPACITY.min(self.context);
                (self.planes, self.free) = (0, Vec::new());
            }
            let needed = self.planes + count - self.free.len();
            let fits = self.entries_that_fit(gpu, config) / self.capacity;
            if needed > fits {
                let bytes = (needed * self.capacity) as u64 * entry_bytes(config);
                let what = format!(
                    "the keys and values of one more sequence ({count} planes of {} tokens)",
                    self.capacity
                );
                return Err(GpuError::OutOfMemory {
                    what,
                    needed: bytes,
                }
                .into());
            }
            let doubled = needed.max(2 * self.planes).min(fits);
            self.resize_or(
                gpu,
                config,
                (doubled, self.capacity),
                (needed, self.capacity),
            )
            .await?;
        }
        Ok((self.free.split_off(self.free.len() - count), grown))
    }

    pub(super) fn give_back(&mut self, planes: Vec<u32>) {
        self.free.extend(planes);
        // The lowest are taken first, so that those at the end can be dropped.
        self.free.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Makes every plane hold at least `positions`. Returns whether buffers changed.
    pub(super) async fn reserve(
        &mut self,
        gpu: &Gpu,
        config: &Config,
        positions: usize,
    ) -> Result<bool, Error> {
        if positions <= self.capacity {
            return Ok(false);
        }
        // Planes that nobody uses give their room to those that grow.
        let in_use = (0..self.planes)
            .rev()
            .find(|p| !self.free.contains(&(*p as u32)));
        let planes = if self.entries_that_fit(gpu, config) / self.planes.max(1) < positions {
            in_use.map_or(0, |last| last + 1)
        } else {
            self.planes
        };
        let fits = self.entries_that_fit(gpu, config) / planes.max(1);
        let full = |limit: usize| {
            let reason = format!("the memory of {} for {planes} KV planes", gpu.report().name);
            Error::ContextFull {
                limit,
                needed: positions,
                reason,
            }
        };
        if fits < positions {
            return Err(full(fits));
        }
        let doubled = positions.max(2 * self.capacity).min(self.context).min(fits);
        let room = self.capacity;
        self.resize_or(gpu, config, (planes, doubled), (planes, positions))
            .await
            .map_err(|error| match error {
                Error::Gpu(GpuError::OutOfMemory { .. }) => full(room),
                other => other,
            })?;
        Ok(true)
    }

    /// Entries that one buffer can hold.
    fn entries_that_fit(&self, gpu: &Gpu, config: &Config) -> usize {
        usize::try_from(gpu.max_binding() / entry_bytes(config)).unwrap_or(usize::MAX)
    }

    /// Resizes to `(planes, capacity)` as wished, or as needed if the device has no memory for the wish.
    async fn resize_or(
        &mut self,
        gpu: &Gpu,
        config: &Config,
        wished: (usize, usize),
        needed: (usize, usize),
    ) -> Result<(), Error> {
        match self.resize(gpu, config, wished.0, wished.1).await {
            Err(Error::Gpu(GpuError::OutOfMemory { .. })) if wished != needed => {
                self.resize(gpu, config, needed.0, needed.1).await
            }
            result => result,
        }
    }

    /// New buffers with the old planes in them. The old ones stay until the new ones are there, so that running out of
    /// memory leaves everything as it was.
    async fn resize(
        &mut self,
        gpu: &Gpu,
        config: &Config,
        planes: usize,
        capacity: usize,
    ) -> Result<(), Error> {
        let layers = allocate(gpu, config, planes, capacity).await?;
        let table = if self.rotary_positions == capacity {
            None
        } else {
            Some(rotary(gpu, config, capacity).await?)
        };
        let mut encoder = gpu.encoder();
        let entry = entry_bytes(config);
        let used = |plane: &u64| !self.free.contains(&(*plane as u32));
        for (old, new) in self.layers.iter().zip(&layers) {
            for plane in (0..self.planes.min(planes) as u64).filter(used) {
                let (from, to) = (
                    plane * self.capacity as u64 * entry,
                    plane * capacity as u64 * entry,
                );
                let bytes = self.capacity.min(capacity) as u64 * entry;
                encoder.copy_buffer_to_buffer(old.keys.raw(), from, new.keys.raw(), to, bytes);
                encoder.copy_buffer_to_buffer(old.values.raw(), from, new.values.raw(), to, bytes);
            }
        }
        gpu.submit(encoder);
        self.layers = layers;
        if let Some(table) = table {
            (self.rotary, self.rotary_positions) = (table, capacity);
        }
        self.free.retain(|plane| (*plane as usize) < planes);
        self.give_back((self.planes..planes).map(|p| p as u32).collect());
        (self.planes, self.capacity) = (planes, capacity);
        Ok(())
    }
}

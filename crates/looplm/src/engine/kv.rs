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
            capacity,
            planes: 0,
            free: Vec::new(),
            context,
        };
        cache.resize(gpu, config, planes, capacity).await?;
        Ok(cache)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.layers
            .iter()
            .map(|l| l.keys.size() + l.values.size())
            .sum()
    }

    /// KV entry of position 0 of a plane.
    pub(super) fn base(&self, plane: u32) -> u32 {
        plane * self.capacity as u32
    }

    /// Planes for a new sequence, and whether buffers changed.
    pub(super) async fn take_planes(
        &mut self,
        gpu: &Gpu,
        config: &Config,
        count: usize,
    ) -> Result<(Vec<u32>, bool), Error> {
        let grown = self.free.len() < count;
        if grown {
            let planes = self.planes + count - self.free.len();
            self.resize(gpu, config, planes, self.capacity).await?;
        }
        Ok((self.free.split_off(self.free.len() - count), grown))
    }

    pub(super) fn give_back(&mut self, planes: Vec<u32>) {
        self.free.extend(planes);
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
        let fits = usize::try_from(gpu.max_binding() / entry_bytes(config)).unwrap_or(usize::MAX)
            / self.planes.max(1);
        let capacity = positions.max(2 * self.capacity).min(self.context).min(fits);
        if capacity < positions {
            return Err(self.full(gpu, positions, fits));
        }
        self.resize(gpu, config, self.planes, capacity)
            .await
            .map_err(|error| match error {
                Error::Gpu(GpuError::OutOfMemory { .. }) => {
                    self.full(gpu, positions, self.capacity)
                }
                other => other,
            })?;
        Ok(true)
    }

    fn full(&self, gpu: &Gpu, needed: usize, limit: usize) -> Error {
        let reason = format!(
            "the memory of {} for {} KV planes",
            gpu.report().name,
            self.planes
        );
        Error::ContextFull {
            limit,
            needed,
            reason,
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
        let table = if capacity == self.capacity {
            None
        } else {
            Some(rotary(gpu, config, capacity).await?)
        };
        let mut encoder = gpu.encoder();
        let entry = entry_bytes(config);
        for (old, new) in self.layers.iter().zip(&layers) {
            for plane in 0..self.planes as u64 {
                let (from, to) = (
                    plane * self.capacity as u64 * entry,
                    plane * capacity as u64 * entry,
                );
                let bytes = self.capacity as u64 * entry;
                encoder.copy_buffer_to_buffer(old.keys.raw(), from, new.keys.raw(), to, bytes);
                encoder.copy_buffer_to_buffer(old.values.raw(), from, new.values.raw(), to, bytes);
            }
        }
        gpu.submit(encoder);
        self.layers = layers;
        if let Some(table) = table {
            self.rotary = table;
        }
        self.free
            .extend((self.planes..planes).rev().map(|p| p as u32));
        (self.planes, self.capacity) = (planes, capacity);
        Ok(())
    }
}

//! The KV cache: for each layer a pool of entries, and a map that says where each step finds them.
//!
//! An entry holds the key and the value of one token at one recurrent step, in every layer. The map has a line for each
//! step of each sequence, in which element j is the entry of position j: so steps can share entries (a token that left
//! early, one entry for all steps) without a copy, and entries go back one by one when tokens are taken back.
//! The host keeps what the map says; on the device it is written by the rows themselves as they come.

use std::{cmp::Reverse, collections::BinaryHeap};

use looplm_gpu::{
    Buffer, Gpu, GpuError, KvFormat,
    cpu::rotary_table,
    kernels::{AttentionShape, KvMean, KvMeanOp, KvMove},
    storage_size,
};

use super::{EngineOptions, sequence::Sequence};
use crate::{config::Config, error::Error, row::MAX_STEPS};

/// Positions that a line of the map starts with.
pub(crate) const FIRST_PITCH: usize = 256;

/// Moves of one dispatch.
const MAX_MOVES: usize = 256;

/// Bytes of the table of them.
pub(crate) const MOVE_BYTES: u64 = (MAX_MOVES * size_of::<KvMove>()) as u64;

/// Keys and values of a layer, [entries, kv_heads, head_stride] each, in the cache's format.
#[derive(Debug)]
pub(super) struct LayerKv {
    pub(super) keys: Buffer,
    pub(super) values: Buffer,
}

/// All layers' entries, and the map.
#[derive(Debug)]
pub(super) struct KvCache {
    pub(super) layers: Vec<LayerKv>,
    /// [lines, pitch] of entries.
    pub(super) map: Buffer,
    /// (cos, sin) for every position of a line.
    pub(super) rotary: Buffer,
    /// Entries there are.
    capacity: usize,
    /// Most entries there may be.
    limit: usize,
    /// Those of one sequence as long as the context.
    whole: usize,
    /// Whether layers have other buffers than when this was last asked.
    replaced: bool,
    free: BinaryHeap<Reverse<u32>>,
    /// Free entries that tokens still to be computed will take.
    promised: usize,
    lines: usize,
    pitch: usize,
    context: usize,
    shape: AttentionShape,
    format: KvFormat,
    mean: KvMean,
    moves: Buffer,
}

pub(super) fn attention_shape(config: &Config) -> AttentionShape {
    AttentionShape {
        heads: config.num_attention_heads,
        kv_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
    }
}

/// Bytes of the keys and values of one token at one recurrent step, all layers.
pub fn bytes_per_position(config: &Config, format: KvFormat) -> u64 {
    2 * (config.num_hidden_layers * attention_shape(config).entry_bytes(format)) as u64
}

/// Most entries there may be where kernels bind up to `max_binding`, and `max_bytes` bounds keys and values of all layers.
///
/// # Errors
/// [`GpuError::AdapterTooSmall`], or [`GpuError::OutOfMemory`], if there is no room for a single token.
fn most_entries(
    config: &Config,
    format: KvFormat,
    max_bytes: Option<u64>,
    max_binding: u64,
) -> Result<usize, GpuError> {
    let steps = config.total_ut_steps.min(MAX_STEPS) as u64;
    let entry = attention_shape(config).entry_bytes(format) as u64;
    let what = "the keys and values of a single token";
    storage_size(what, steps * entry, max_binding)?;
    let position = bytes_per_position(config, format);
    let wanted = max_bytes.map_or(u64::MAX, |bytes| bytes / position);
    if wanted < steps {
        return Err(GpuError::OutOfMemory {
            what: what.to_owned(),
            needed: steps * position,
            available: wanted * position,
        });
    }
    Ok(usize::try_from(wanted.min(max_binding / entry)).unwrap_or(usize::MAX))
}

/// Bytes of a cache for sequences of up to `tokens` tokens, which take `config.total_ut_steps` steps.
///
/// # Errors
/// [`GpuError::AdapterTooSmall`], or [`GpuError::OutOfMemory`], if there is no room for a single one.
pub(crate) fn cache_bytes(
    config: &Config,
    options: &EngineOptions,
    tokens: usize,
    max_binding: u64,
) -> Result<u64, GpuError> {
    let (format, steps) = (options.kv_format, config.total_ut_steps.min(MAX_STEPS));
    let most = most_entries(config, format, options.kv_bytes, max_binding)?;
    let entries = tokens.saturating_mul(steps).min(most);
    let layer = 2 * (entries * attention_shape(config).entry_bytes(format)).next_multiple_of(16);
    let rotary = (tokens * config.head_dim / 2 * size_of::<[f32; 2]>()).next_multiple_of(16);
    Ok((config.num_hidden_layers * layer + MAX_STEPS * tokens * 4 + rotary) as u64)
}

impl LayerKv {
    /// `bytes` are those of the keys, or the values.
    async fn new(gpu: &Gpu, bytes: u64) -> Result<Self, GpuError> {
        Ok(Self {
            keys: Buffer::storage(gpu, "KV cache", bytes).await?,
            values: Buffer::storage(gpu, "KV cache", bytes).await?,
        })
    }
}

async fn rotary(gpu: &Gpu, config: &Config, positions: usize) -> Result<Buffer, GpuError> {
    let table = rotary_table(config.head_dim, config.rope_theta, positions);
    Buffer::storage_with(gpu, "rotary table", &table).await
}

impl KvCache {
    /// Room for one sequence to begin with. `max_bytes` bounds keys and values of all layers together.
    pub(super) async fn new(
        gpu: &Gpu,
        config: &Config,
        context: usize,
        format: KvFormat,
        max_bytes: Option<u64>,
    ) -> Result<Self, Error> {
        let shape = attention_shape(config);
        let entry = shape.entry_bytes(format) as u64;
        let limit = most_entries(config, format, max_bytes, gpu.max_binding())?;
        let steps = config.total_ut_steps.min(MAX_STEPS);
        let pitch = FIRST_PITCH.min(context);
        let capacity = (pitch * steps).min(limit);
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for _ in 0..config.num_hidden_layers {
            layers.push(LayerKv::new(gpu, capacity as u64 * entry).await?);
        }
        let cache = Self {
            layers,
            map: Buffer::storage(gpu, "KV map", (MAX_STEPS * pitch * 4) as u64).await?,
            rotary: rotary(gpu, config, pitch).await?,
            capacity,
            limit,
            whole: context.saturating_mul(steps),
            replaced: false,
            free: (0..capacity as u32).map(Reverse).collect(),
            promised: 0,
            lines: MAX_STEPS,
            pitch,
            context,
            shape,
            format,
            mean: KvMean::new(gpu, shape, format),
            moves: Buffer::storage(gpu, "KV moves", MOVE_BYTES).await?,
        };
        Ok(cache)
    }

    /// Bytes of so many entries in one layer, keys or values.
    fn bytes_of(&self, entries: usize) -> u64 {
        entries as u64 * self.shape.entry_bytes(self.format) as u64
    }

    /// Bytes of so many entries in all layers, keys and values.
    pub(super) fn bytes_of_entries(&self, entries: usize) -> u64 {
        2 * self.layers.len() as u64 * self.bytes_of(entries)
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> u64 {
        let layer = |l: &LayerKv| l.keys.size() + l.values.size();
        self.map.size() + self.rotary.size() + self.layers.iter().map(layer).sum::<u64>()
    }

    /// Entries that hold something.
    pub(super) fn used(&self) -> usize {
        self.capacity - self.free.len()
    }

    /// Whether so many more are more than there can ever be.
    pub(super) fn exceeds(&self, entries: usize) -> bool {
        self.used() + self.promised + entries > self.limit
    }

    /// Whether so many more fit into what there is at present.
    pub(super) fn has_spare(&self, entries: usize) -> bool {
        self.used() + self.promised + entries <= self.capacity
    }

    /// Entries there are at present.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Most entries there can ever be.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Elements from one line of the map to the next.
    pub(super) fn pitch(&self) -> u32 {
        self.pitch as u32
    }

    /// Element of the map for position 0 of a line.
    pub(super) fn line(&self, line: usize) -> u32 {
        (line * self.pitch) as u32
    }

    /// An entry, out of those promised.
    pub(super) fn take(&mut self) -> Option<u32> {
        let Reverse(entry) = self.free.pop()?;
        self.promised = self.promised.saturating_sub(1);
        Some(entry)
    }

    /// Gives entries back.
    pub(super) fn give_back(&mut self, entries: impl IntoIterator<Item = u32>) {
        self.free.extend(entries.into_iter().map(Reverse));
    }

    /// Takes a promise back.
    pub(super) fn forget(&mut self, entries: usize) {
        self.promised = self.promised.saturating_sub(entries);
    }

    /// Promises `entries` more, growing by doubling where that is possible, though not beyond what one sequence takes
    /// as long as that is enough. Layers may have other buffers then, also where it fails.
    pub(super) async fn promise(&mut self, gpu: &Gpu, entries: usize) -> Result<(), Error> {
        let needed = self.used() + self.promised + entries;
        if needed > self.capacity {
            if needed > self.limit {
                return Err(GpuError::OutOfMemory {
                    what: format!("{needed} entries of keys and values"),
                    needed: self.bytes_of_entries(needed),
                    available: self.bytes_of_entries(self.limit),
                }
                .into());
            }
            let doubled = match 2 * self.capacity {
                doubled if needed <= self.whole => doubled.min(self.whole),
                doubled => doubled,
            };
            let wished = needed.max(doubled).min(self.limit);
            match self.resize(gpu, wished).await {
                Err(Error::Gpu(GpuError::OutOfMemory { .. })) if wished != needed => {
                    self.resize(gpu, needed).await?;
                }
                result => result?,
            }
        }
        self.promised += entries;
        Ok(())
    }

    /// Whether layers have other buffers than when this was last asked.
    pub(super) fn take_replaced(&mut self) -> bool {
        std::mem::take(&mut self.replaced)
    }

    /// Makes room in the map for sequences at places up to `place`, and positions up to `positions`. Returns whether
    /// buffers changed; the map is written anew then.
    pub(super) async fn reserve_map(
        &mut self,
        gpu: &Gpu,
        config: &Config,
        place: usize,
        positions: usize,
        sequences: &[Option<Sequence>],
    ) -> Result<bool, Error> {
        let lines = (place + 1) * MAX_STEPS;
        if lines <= self.lines && positions <= self.pitch {
            return Ok(false);
        }
        let lines = if lines > self.lines {
            lines.max(2 * self.lines)
        } else {
            self.lines
        };
        let longer = positions > self.pitch;
        let pitch = if longer {
            positions.max(2 * self.pitch).min(self.context)
        } else {
            self.pitch
        };
        let map = Buffer::storage(gpu, "KV map", (lines * pitch * 4) as u64).await?;
        if longer {
            self.rotary = rotary(gpu, config, pitch).await?;
        }
        (self.map, self.lines, self.pitch) = (map, lines, pitch);
        self.write_map(gpu, sequences);
        Ok(true)
    }

    /// Writes to the device what the sequences say of their entries.
    pub(super) fn write_map(&self, gpu: &Gpu, sequences: &[Option<Sequence>]) {
        for sequence in sequences.iter().flatten() {
            for (i, entries) in sequence.map_lines().iter().enumerate() {
                self.write_line(gpu, sequence.first_line() + i, entries);
            }
        }
    }

    /// Writes the beginning of a line.
    pub(super) fn write_line(&self, gpu: &Gpu, line: usize, entries: &[u32]) {
        if !entries.is_empty() {
            let at = u64::from(self.line(line)) * 4;
            self.map.write(gpu, at, bytemuck::cast_slice(entries));
        }
    }

    /// New buffers with the old entries in them, layer by layer, so that no more than one layer is there twice. Where one finds
    /// no memory, those before it have their new buffers, in which all entries are, and the cache is no larger than it was.
    async fn resize(&mut self, gpu: &Gpu, capacity: usize) -> Result<(), Error> {
        let bytes = self.bytes_of(self.capacity.min(capacity));
        if capacity < self.capacity {
            self.free
                .retain(|Reverse(entry)| (*entry as usize) < capacity);
            self.capacity = capacity;
        }
        for layer in 0..self.layers.len() {
            let new = LayerKv::new(gpu, self.bytes_of(capacity)).await?;
            let old = &self.layers[layer];
            let mut encoder = gpu.encoder();
            encoder.copy_buffer_to_buffer(old.keys.raw(), 0, new.keys.raw(), 0, bytes);
            encoder.copy_buffer_to_buffer(old.values.raw(), 0, new.values.raw(), 0, bytes);
            gpu.submit(encoder);
            self.layers[layer] = new;
            self.replaced = true;
            // The old buffers' memory comes back when the copies are done.
            gpu.mark().done(gpu).await?;
        }
        self.give_back(self.capacity as u32..capacity as u32);
        self.capacity = capacity;
        Ok(())
    }

    /// Gives memory back that nobody uses, when most of it is not: entries at the end move to the front, and the rest goes.
    /// Layers may have other buffers then.
    pub(super) async fn trim(
        &mut self,
        gpu: &Gpu,
        sequences: &mut [Option<Sequence>],
    ) -> Result<(), Error> {
        let needed = self.used() + self.promised;
        // A little room, so that the next tokens do not make it grow at once.
        let capacity = (needed + needed / 32).max(64).min(self.limit);
        if 2 * capacity > self.capacity {
            return Ok(());
        }
        let mut places: Vec<u32> = std::mem::take(&mut self.free)
            .into_iter()
            .map(|Reverse(entry)| entry)
            .collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        let mut to = vec![None; self.capacity];
        let mut moves = Vec::new();
        for sequence in sequences.iter_mut().flatten() {
            sequence.renumber(|entry| {
                if (entry as usize) < capacity {
                    return entry;
                }
                *to[entry as usize].get_or_insert_with(|| {
                    let target = places.pop().unwrap_or(entry);
                    moves.push(KvMove {
                        target,
                        count: 1,
                        source: [entry; MAX_STEPS],
                    });
                    target
                })
            });
        }
        self.merge(gpu, &moves)?;
        self.give_back(places);
        let old = moves.iter().map(|one| one.source[0]);
        self.give_back(old.collect::<Vec<_>>());
        self.write_map(gpu, sequences);
        match self.resize(gpu, capacity).await {
            // A layer is there twice for a moment, for which there may be no memory: then what is left stays as it is.
            Err(Error::Gpu(GpuError::OutOfMemory { .. })) => Ok(()),
            result => result,
        }
    }

    /// Runs moves in all layers. No move may read what another writes.
    pub(super) fn merge(&self, gpu: &Gpu, moves: &[KvMove]) -> Result<(), GpuError> {
        for moves in moves.chunks(MAX_MOVES) {
            self.moves.write(gpu, 0, bytemuck::cast_slice(moves));
            let ops: Vec<KvMeanOp> = self
                .layers
                .iter()
                .map(|layer| self.mean.bind(gpu, &self.moves, &layer.keys, &layer.values))
                .collect::<Result<_, _>>()?;
            let mut encoder = gpu.encoder();
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                for op in &ops {
                    op.encode(&mut pass, moves.len())?;
                }
            }
            gpu.submit(encoder);
        }
        Ok(())
    }
}

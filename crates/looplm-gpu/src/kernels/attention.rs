//! attention: causal attention over the keys and values of each row's step. See `shaders/attention.wgsl`.

use std::sync::Arc;

use super::{projection::MAX_FEW_ROWS, qkv::AttentionShape};
use crate::{
    ALIGN,
    buffer::Buffer,
    device::Gpu,
    error::GpuError,
    head_stride,
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, check_size, dispatch},
    kv_format::KvFormat,
    pipeline::Pipeline,
    rows::{ROW_TILE, Table},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "attention",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/attention.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    rows: true,
    entries: &["main_row", "main_merge", "main_tile"],
};

/// Most parts that the keys of a row are seen in.
const MOST_PARTS: usize = 32;

/// Fewest keys of a part, as in the shader.
const PART_KEYS: usize = 256;

/// Parts in which a row sees `keys` keys where there may be `most`.
fn parts_of(keys: usize, most: usize) -> usize {
    if most <= 1 || keys <= 2 * PART_KEYS {
        return 1;
    }
    keys.div_ceil(keys.div_ceil(most).next_multiple_of(64).max(PART_KEYS))
}

/// Room for the parts of long rows: a row of few is seen by several workgroups, a part of its keys each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionParts {
    /// Most parts of a row; with 1 there is nothing to put together.
    pub most: usize,
    /// Bytes for the parts of [`MAX_FEW_ROWS`] rows.
    pub bytes: u64,
}

impl AttentionParts {
    /// Room for rows that see up to `keys` keys each, of no more than `limit` bytes.
    pub fn new(shape: AttentionShape, keys: usize, limit: u64) -> Self {
        let words = shape.heads * (head_stride(shape.head_dim) + 2);
        let bytes = (MAX_FEW_ROWS * words * size_of::<f32>()) as u64;
        let most = parts_of(keys, MOST_PARTS).min((limit / bytes) as usize);
        let most = most.max(1);
        Self {
            most,
            bytes: if most == 1 { 0 } else { most as u64 * bytes },
        }
    }
}

/// The kernel for one attention shape and format of the cache.
#[derive(Debug)]
pub struct Attention {
    shape: AttentionShape,
    format: KvFormat,
    parts: AttentionParts,
    pipelines: Arc<Pipelines>,
}

#[derive(Debug)]
struct Pipelines {
    kernel: Kernel,
    /// Rows of a pass of few, in parts.
    row: Pipeline,
    merge: Pipeline,
    /// Rows that share no tile in a pass of many, each in one part.
    whole: Pipeline,
    tile: Pipeline,
}

/// What attention reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct AttentionBuffers<'a> {
    /// [rows, heads, head_stride].
    pub q: &'a Buffer,
    /// [KV entries, kv_heads, head_stride] in the kernel's format.
    pub keys: &'a Buffer,
    /// As `keys`.
    pub values: &'a Buffer,
    /// Lines of KV entries.
    pub kv_map: &'a Buffer,
    /// [rows, stride(heads * head_dim)].
    pub out: &'a Buffer,
    /// As large as the kernel's [`AttentionParts`] say.
    pub parts: &'a Buffer,
}

impl Attention {
    /// A kernel for this shape.
    ///
    /// # Errors
    /// [`GpuError::Shape`].
    pub fn new(
        gpu: &Gpu,
        shape: AttentionShape,
        format: KvFormat,
        parts: AttentionParts,
    ) -> Result<Self, GpuError> {
        shape.check_format(format)?;
        let key_lanes = (head_stride(shape.head_dim) / ALIGN).next_power_of_two();
        // Two keys at once at least.
        let row_lanes = gpu.tuning().lanes_of_row(2 * key_lanes, 256);
        let constants = |most: usize| {
            let mut constants = shape.constants(format);
            constants.extend([
                ("OUT_STRIDE", stride(shape.heads * shape.head_dim) as f64),
                ("SCALE", 1.0 / (shape.head_dim as f64).sqrt()),
                ("KEY_LANES", key_lanes as f64),
                ("MAX_PARTS", most as f64),
                ("ROW_LANES", row_lanes as f64),
                ("TILE_KEYS", gpu.tuning().tile_keys as f64),
            ]);
            constants
        };
        // SAFETY: every loop of the shader counts up to a constant, or to a number of keys that is bounded by one.
        let kernel = unsafe { Kernel::with_free_loops(gpu, SOURCE) };
        let pipelines = Pipelines {
            row: kernel.lazy(gpu, "main_row", constants(parts.most)),
            merge: kernel.lazy(gpu, "main_merge", constants(parts.most)),
            whole: kernel.lazy(gpu, "main_row", constants(1)),
            tile: kernel.lazy(gpu, "main_tile", constants(1)),
            kernel,
        };
        Ok(Self {
            shape,
            format,
            parts,
            pipelines: Arc::new(pipelines),
        })
    }

    /// What a pass of `rows` rows may need.
    pub fn pipelines(&self, rows: usize) -> Vec<&Pipeline> {
        let Pipelines {
            row,
            merge,
            whole,
            tile,
            ..
        } = &*self.pipelines;
        match rows {
            1..=MAX_FEW_ROWS if self.parts.most > 1 => vec![row, merge],
            0..=MAX_FEW_ROWS => vec![row],
            _ => vec![whole, tile],
        }
    }

    /// Binds it.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if keys and values differ in size or hold no entry, or there is no room for the parts.
    pub fn bind(&self, gpu: &Gpu, buffers: AttentionBuffers<'_>) -> Result<AttentionOp, GpuError> {
        let AttentionBuffers {
            q,
            keys,
            values,
            kv_map,
            out,
            parts,
        } = buffers;
        self.shape
            .check_cache(SOURCE.name, self.format, keys, values)?;
        check_size(
            SOURCE.name,
            "parts",
            parts.view(),
            self.parts.bytes as usize / size_of::<f32>(),
        )?;
        let AttentionShape {
            heads, head_dim, ..
        } = self.shape;
        let kernel = &self.pipelines.kernel;
        Ok(AttentionOp {
            pipelines: self.pipelines.clone(),
            bind_group: kernel.bind(gpu, &[q, keys, values, kv_map, out, parts]),
            heads,
            most_parts: self.parts.most,
            max_rows: capacity(&[
                (q, heads * head_stride(head_dim)),
                (out, stride(heads * head_dim)),
            ]),
        })
    }
}

/// Attention bound to its buffers.
#[derive(Debug)]
pub struct AttentionOp {
    pipelines: Arc<Pipelines>,
    bind_group: wgpu::BindGroup,
    heads: usize,
    most_parts: usize,
    max_rows: usize,
}

impl AttentionOp {
    /// Dispatches for a pass of few rows, the longest of which sees `keys` keys.
    pub fn dispatches(&self, keys: usize) -> usize {
        1 + usize::from(parts_of(keys, self.most_parts) > 1)
    }
}

impl Op for AttentionOp {
    fn encode(
        &self,
        _gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError> {
        check_rows(SOURCE.name, table.rows, self.max_rows)?;
        let Pipelines {
            row,
            merge,
            whole,
            tile,
            ..
        } = &*self.pipelines;
        let mut stages = Vec::with_capacity(2);
        if table.shared_tiles != 0 {
            stages.push((tile, [self.heads, table.rows.div_ceil(ROW_TILE)]));
        }
        if table.keys > 0 && table.rows > MAX_FEW_ROWS {
            stages.push((whole, [self.heads, table.rows]));
        } else if table.keys > 0 {
            let parts = parts_of(table.keys, self.most_parts);
            stages.push((row, [self.heads * parts, table.rows]));
            if parts > 1 {
                stages.push((merge, [self.heads, table.rows]));
            }
        }
        for (pipeline, grid) in &stages {
            dispatch(SOURCE.name, pass, pipeline.get(), &self.bind_group, *grid)?;
        }
        Ok(stages.len())
    }
}

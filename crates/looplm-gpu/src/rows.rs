//! Row tables: what a pass tells its kernels of each row. The host side of `shaders/shared/rows.wgsl`.

use bytemuck::{Pod, Zeroable};

use crate::{
    buffer::{Buffer, VIEW_ALIGN},
    device::Gpu,
    error::GpuError,
    kernel,
    kernels::MAX_FEW_ROWS,
};

/// One row of a pass, resolved to where its things lie on the device.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GpuRow {
    /// Token id; read by rows of step 1 only.
    pub token: u32,
    /// Position in the sequence, from 0.
    pub position: u32,
    /// KV entry that this row's own key and value are written to.
    pub entry: u32,
    /// Element of the KV map for position 0 at this row's step.
    pub map: u32,
    /// Slot of the hidden state.
    pub state: u32,
    /// Recurrent step, from 1.
    pub step: u32,
    /// Step at which the row's loop ends.
    pub last_step: u32,
    /// Lines of the KV map, from this one on, in which the entry is written down; 0: in none.
    pub lines: u32,
    /// Elements from one line of the KV map to the next.
    pub pitch: u32,
}

const HEADER: usize = 16;

/// Rows of a tile that attention can take together, as `shaders/shared/rows.wgsl` counts them.
pub(crate) const ROW_TILE: usize = 32;

/// Rows of a tile that are worth taking together: a tile costs about as much whatever is in it.
const FEWEST_IN_TILE: usize = 4;

/// Which tiles of rows can share their keys: bit t for the rows from 32 t on. All look at one line of the KV map, on which
/// each is written down, at positions that ascend. Never of a pass of few rows, in which a row has to come to the same bits
/// as alone.
fn shared_tiles(rows: &[GpuRow]) -> u32 {
    if rows.len() <= MAX_FEW_ROWS {
        return 0;
    }
    let shares = |tile: &[GpuRow]| {
        tile.len() >= FEWEST_IN_TILE
            && tile.iter().all(|row| row.lines > 0)
            && tile
                .windows(2)
                .all(|pair| pair[0].map == pair[1].map && pair[0].position < pair[1].position)
    };
    rows.chunks(ROW_TILE)
        .take(u32::BITS as usize)
        .enumerate()
        .map(|(t, tile)| u32::from(shares(tile)) << t)
        .sum()
}

/// Several row tables in one buffer, bound with a dynamic offset. Written once a submission.
#[derive(Debug)]
pub struct RowTables {
    buffer: Buffer,
    bind_group: wgpu::BindGroup,
    max_rows: usize,
    tables: usize,
    pitch: usize,
    staged: Vec<u8>,
    used: usize,
}

/// A table within [`RowTables`]: where it starts, and what it is about.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub(crate) offset: u32,
    /// Rows in the table.
    pub rows: usize,
    /// Tiles of rows that share their keys.
    pub(crate) shared_tiles: u32,
    /// Most keys that a row outside of these tiles sees; 0 if there is none.
    pub(crate) keys: usize,
}

/// Bytes of a table. The shader's row array has one element at least.
fn table_bytes(max_rows: usize) -> usize {
    HEADER + max_rows.max(1) * size_of::<GpuRow>()
}

impl RowTables {
    /// Bytes of so many tables.
    pub fn bytes(tables: usize, max_rows: usize) -> u64 {
        let pitch = table_bytes(max_rows).next_multiple_of(VIEW_ALIGN as usize);
        (tables * pitch) as u64
    }

    /// Room for `tables` tables of up to `max_rows` rows.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::AdapterTooSmall`].
    pub async fn new(gpu: &Gpu, tables: usize, max_rows: usize) -> Result<Self, GpuError> {
        let bytes = table_bytes(max_rows);
        let alignment = gpu.device.limits().min_storage_buffer_offset_alignment as usize;
        let pitch = bytes.next_multiple_of(alignment);
        let buffer = Buffer::storage(gpu, "row tables", (pitch * tables) as u64).await?;
        let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("row tables"),
            layout: &kernel::rows_layout(gpu),
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: buffer.raw(),
                    offset: 0,
                    size: wgpu::BufferSize::new(bytes as u64),
                }),
            }],
        });
        Ok(Self {
            buffer,
            bind_group,
            max_rows,
            tables,
            pitch,
            staged: Vec::with_capacity(pitch * tables),
            used: 0,
        })
    }

    /// Rows a table can hold.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// Forgets all tables; call before the tables of the next submission.
    pub fn clear(&mut self) {
        self.staged.clear();
        self.used = 0;
    }

    /// Adds a table. It is on the device after [`RowTables::upload`].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are too many rows or tables.
    pub fn push(&mut self, rows: &[GpuRow]) -> Result<Table, GpuError> {
        if rows.len() > self.max_rows || self.used == self.tables {
            return Err(crate::error::shape(
                "rows",
                format!(
                    "table {} of {} rows, but there is room for {} of {}",
                    self.used + 1,
                    rows.len(),
                    self.tables,
                    self.max_rows
                ),
            ));
        }
        let offset = self.used * self.pitch;
        let shared_tiles = shared_tiles(rows);
        let keys = |(i, row): (usize, &GpuRow)| {
            let shared = shared_tiles.checked_shr((i / ROW_TILE) as u32).unwrap_or(0) & 1;
            (shared == 0).then_some(row.position as usize + 1)
        };
        let keys = rows.iter().enumerate().filter_map(keys).max().unwrap_or(0);
        self.staged.resize(offset, 0);
        self.staged
            .extend_from_slice(bytemuck::bytes_of(&[rows.len() as u32, shared_tiles, 0, 0]));
        self.staged.extend_from_slice(bytemuck::cast_slice(rows));
        self.used += 1;
        Ok(Table {
            offset: offset as u32,
            rows: rows.len(),
            shared_tiles,
            keys,
        })
    }

    /// Writes all tables to the device.
    pub fn upload(&self, gpu: &Gpu) {
        self.buffer.write(gpu, 0, &self.staged);
    }

    /// Makes `table` the one that the dispatches recorded next read.
    pub fn select(&self, pass: &mut wgpu::ComputePass<'_>, table: Table) {
        pass.set_bind_group(1, &self.bind_group, &[table.offset]);
    }
}

//! Row tables: what a pass tells its kernels of each row. The host side of `shaders/shared/rows.wgsl`.

use bytemuck::{Pod, Zeroable};

use crate::{
    buffer::{Buffer, VIEW_ALIGN},
    device::Gpu,
    error::GpuError,
    kernel,
    kernels::MAX_FEW_ROWS,
};

/// Beside the number of a draw, in place of a token: the token that the draw gives, earlier in the same submission.
pub const DRAWN: u32 = 1 << 31;

/// One row of a pass, resolved to where its things lie on the device.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GpuRow {
    /// Token id, or [`DRAWN`] and the number of a draw; read by rows of step 1 only. Of rows that are drawn from, the number of
    /// the draw.
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

/// Bytes of a table. The shader's row array has one element at least.
fn bytes_of(rows: usize) -> usize {
    HEADER + rows.max(1) * size_of::<GpuRow>()
}

/// Lavapipe ends the loops of an invocation after 65,535 turns, whatever was still to be done. An invocation of a tile takes a
/// turn and more for each key: with heads of 128 about 12,000 keys come to that, with heads of 256 half as many.
const MOST_SHARED_KEYS_ON_CPU: usize = 4096;

/// Rows of a tile that attention can take together, as `shaders/shared/rows.wgsl` counts them.
pub(crate) const ROW_TILE: usize = 32;

/// Rows of a tile that are worth taking together: a tile costs about as much whatever is in it.
const FEWEST_IN_TILE: usize = 4;

/// Which tiles of rows can share their keys: bit t for the rows from 32 t on. All look at one line of the KV map, on which
/// each is written down, at positions that ascend. Never of a pass of few rows, in which a row has to come to the same bits
/// as alone.
fn shared_tiles(rows: &[GpuRow], most_keys: usize) -> u32 {
    if rows.len() <= MAX_FEW_ROWS {
        return 0;
    }
    let shares = |tile: &[GpuRow]| {
        tile.len() >= FEWEST_IN_TILE
            && tile
                .iter()
                .all(|row| row.lines > 0 && (row.position as usize) < most_keys)
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
    /// Keys that the rows of a tile may see.
    most_shared_keys: usize,
    staged: Vec<u8>,
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

impl RowTables {
    /// Bytes of the tables of [`RowTables::with_small`] on an adapter that binds up to `max_binding`.
    pub fn bytes(
        (tables, max_rows): (usize, usize),
        (small_tables, small_rows): (usize, usize),
        max_binding: u64,
    ) -> u64 {
        let pitch = |rows| bytes_of(rows).next_multiple_of(VIEW_ALIGN as usize);
        // The last table, whatever its rows, is bound as if it had the most.
        let small = (small_tables * pitch(small_rows) + pitch(max_rows)) as u64;
        small
            .min(max_binding)
            .max((tables * pitch(max_rows)) as u64)
    }

    /// Room for `tables` tables of up to `max_rows` rows.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::AdapterTooSmall`].
    pub async fn new(gpu: &Gpu, tables: usize, max_rows: usize) -> Result<Self, GpuError> {
        Self::with_small(gpu, (tables, max_rows), (0, 0)).await
    }

    /// Room for so many tables of up to so many rows, or else for as many `small` ones, which take up no more than they need, as
    /// far as the adapter binds so much.
    ///
    /// # Errors
    /// As [`RowTables::new`].
    pub async fn with_small(
        gpu: &Gpu,
        (tables, max_rows): (usize, usize),
        small: (usize, usize),
    ) -> Result<Self, GpuError> {
        let bytes = bytes_of(max_rows);
        let size = Self::bytes((tables, max_rows), small, gpu.max_binding());
        let buffer = Buffer::storage(gpu, "row tables", size).await?;
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
            most_shared_keys: if gpu.on_cpu() {
                MOST_SHARED_KEYS_ON_CPU
            } else {
                usize::MAX
            },
            staged: Vec::new(),
        })
    }

    /// Rows a table can hold.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// Tables of `rows` rows there is room for.
    pub fn room(&self, rows: usize) -> usize {
        let starts = self.buffer.size() as usize - bytes_of(self.max_rows);
        1 + starts / bytes_of(rows).next_multiple_of(VIEW_ALIGN as usize)
    }

    /// Forgets all tables; call before the tables of the next submission.
    pub fn clear(&mut self) {
        self.staged.clear();
    }

    /// Adds a table. It is on the device after [`RowTables::upload`].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are too many rows or tables.
    pub fn push(&mut self, rows: &[GpuRow]) -> Result<Table, GpuError> {
        let offset = self.staged.len().next_multiple_of(VIEW_ALIGN as usize);
        let end = (offset + bytes_of(self.max_rows)) as u64;
        if rows.len() > self.max_rows || end > self.buffer.size() {
            return Err(crate::error::shape(
                "rows",
                format!(
                    "a table of {} rows behind {offset} bytes, but there is room for {} rows and {} bytes",
                    rows.len(),
                    self.max_rows,
                    self.buffer.size()
                ),
            ));
        }
        let shared_tiles = shared_tiles(rows, self.most_shared_keys);
        let keys = |(i, row): (usize, &GpuRow)| {
            let shared = shared_tiles.checked_shr((i / ROW_TILE) as u32).unwrap_or(0) & 1;
            (shared == 0).then_some(row.position as usize + 1)
        };
        let keys = rows.iter().enumerate().filter_map(keys).max().unwrap_or(0);
        self.staged.resize(offset, 0);
        self.staged
            .extend_from_slice(bytemuck::bytes_of(&[rows.len() as u32, shared_tiles, 0, 0]));
        self.staged.extend_from_slice(bytemuck::cast_slice(rows));
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

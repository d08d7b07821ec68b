//! What linear, qkv and swiglu share: the variants of `shaders/shared/matmul.wgsl`, and its parts.

use std::sync::Arc;

use crate::{
    buffer::Buffer,
    device::{Gpu, Tier},
    error::GpuError,
    format::Format,
    kernel::{Constants, Kernel, Op, Source, capacity, check_rows, dispatch},
    matrix::{Matrix, MatrixShape},
    pipeline::Pipeline,
    rows::Table,
    stride,
    tuning::Tuning,
};

/// How a product is computed for a number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowVariant {
    /// Up to this many rows (1, 2, 4 or 8) at once; every weight is read once.
    Few(usize),
    /// Tiles of 32 or 64 rows by 64 slots, or blocks of 32 by 32 ([`Tuning::blocks`]).
    Tile,
}

/// Most rows of a pass that are computed eight (or, staged, four) at a time, in as many reads of the weights as that takes. With
/// more, tiles and blocks are faster, though they round differently.
pub const MAX_FEW_ROWS: usize = 16;

/// As [`MAX_FEW_ROWS`], where they are computed in whole numbers, which tiles are not.
const MAX_PACKED_ROWS: usize = 64;

const FEW: [usize; 4] = [1, 2, 4, 8];
const TILE_SLOTS: usize = 64;
/// Rows and slots of a workgroup of blocks.
const BLOCK: usize = 32;

impl RowVariant {
    /// All variants.
    pub const ALL: [Self; 5] = [
        Self::Few(1),
        Self::Few(2),
        Self::Few(4),
        Self::Few(8),
        Self::Tile,
    ];

    /// The variant for a pass of `rows` rows. Up to [`MAX_FEW_ROWS`] a row comes to the same bits whatever shares its pass.
    pub fn for_rows(rows: usize) -> Self {
        if rows > MAX_FEW_ROWS {
            return Self::Tile;
        }
        let fits = FEW.into_iter().find(|&few| rows <= few);
        Self::Few(fits.unwrap_or(FEW[FEW.len() - 1]))
    }

    /// Entry point of the shaders.
    pub(crate) fn entry(self, tuning: Tuning) -> &'static str {
        match self {
            Self::Few(_) => "main_few",
            Self::Tile if tuning.blocks => "main_block",
            Self::Tile => "main_tile",
        }
    }

    fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|&v| v == self)
            .unwrap_or(FEW.len())
    }

    fn grid(self, rows: usize, slots: usize, tuning: Tuning) -> [usize; 2] {
        match self {
            // Rows first, so that workgroups of the same weights run side by side.
            Self::Few(few) => [
                rows.div_ceil(few),
                slots.div_ceil(few_slots(tuning, few) * tuning.teams),
            ],
            Self::Tile if tuning.blocks => [slots.div_ceil(BLOCK), rows.div_ceil(BLOCK)],
            Self::Tile => [slots.div_ceil(TILE_SLOTS), rows.div_ceil(tuning.tile_rows)],
        }
    }
}

/// Outputs of a team that computes this many rows.
fn few_slots(tuning: Tuning, rows: usize) -> usize {
    match rows {
        1 => tuning.outputs_of_one,
        2..=4 => tuning.outputs_of_few,
        _ => 4,
    }
}

/// Rows that are staged at most, and packed.
const MAX_STAGED_ROWS: usize = 4;

/// Rows whose x has room in workgroup memory: a lane has that of a group, and as many groups of each row as a team has lanes are
/// there at a time.
fn staged_rows(tuning: Tuning) -> usize {
    tuning.teams.min(MAX_STAGED_ROWS)
}

fn is_staged(tuning: Tuning, format: Format) -> bool {
    tuning.staged && tuning.wide && format.element().is_none()
}

/// Further texts of a shader of the family.
#[derive(Debug, Clone, Copy)]
pub struct Texts {
    /// With subgroup operations.
    pub subgroups: &'static str,
    /// With products in whole numbers.
    pub packed: &'static str,
}

/// The shader of a kernel of the family as the tuning wants it for a format.
fn kernel(gpu: &Gpu, source: Source, texts: Texts, tuning: Tuning, format: Format) -> Kernel {
    let wgsl = if is_packed(gpu, tuning, format) {
        texts.packed
    } else if uses_subgroups(gpu, tuning) {
        texts.subgroups
    } else {
        source.wgsl
    };
    let source = Source { wgsl, ..source };
    // SAFETY: every loop of shared/few.wgsl, shared/lanes.wgsl, shared/staged.wgsl, shared/packed.wgsl, shared/tile.wgsl,
    // shared/block.wgsl and the three epilogues counts up to a constant of the pipeline, or to the number of subgroups.
    unsafe { Kernel::with_free_loops(gpu, source) }
}

fn is_packed(gpu: &Gpu, tuning: Tuning, format: Format) -> bool {
    tuning.packed && is_staged(tuning, format) && gpu.has_packed_products()
}

fn uses_subgroups(gpu: &Gpu, tuning: Tuning) -> bool {
    tuning.subgroups && tuning.teams == 1 && gpu.report().tier >= Tier::Subgroups
}

/// A kernel of the family with its variants, for one number of inputs and one format.
#[derive(Debug)]
pub(crate) struct Projection {
    name: &'static str,
    kernel: Kernel,
    variants: Vec<Pipeline>,
    tuning: Tuning,
    packed: bool,
    inputs: usize,
    format: Format,
}

impl Projection {
    /// `extra` are the constants of the kernel itself.
    pub(crate) fn new(
        gpu: &Gpu,
        source: Source,
        texts: Texts,
        shape: MatrixShape,
        extra: &[(&'static str, f64)],
    ) -> Self {
        let tuning = gpu.tuning_for(shape).possible(gpu.workgroup_memory());
        let kernel = kernel(gpu, source, texts, tuning, shape.format);
        let variants = RowVariant::ALL
            .iter()
            .map(|variant| {
                let mut constants: Constants = extra.to_vec();
                constants.push(("K_BLOCKS", (stride(shape.inputs) / crate::ALIGN) as f64));
                constants.push((
                    "WEIGHT_BLOCKS",
                    (shape.format.padded(shape.inputs) / crate::ALIGN) as f64,
                ));
                constants.push(("WEIGHT_FORMAT", shape.format.constant()));
                constants.push(("SPAN", shape.arrangement.span() as f64));
                if *variant == RowVariant::Tile && !tuning.blocks {
                    constants.push(("TILE_ROWS", tuning.tile_rows as f64));
                }
                if let RowVariant::Few(few) = variant {
                    constants.push(("FEW_ROWS", *few as f64));
                    constants.push(("FEW_SLOTS", few_slots(tuning, *few) as f64));
                    constants.push(("LANES", tuning.lanes as f64));
                    constants.push(("TEAMS", tuning.teams as f64));
                    constants.push(("WIDE", if tuning.wide { 1.0 } else { 0.0 }));
                    if is_staged(tuning, shape.format) {
                        constants.push(("STAGED", 1.0));
                        // A lane of many has few turns. Where it has many, weights that are held ahead cost more lanes than they
                        // save time.
                        constants.push(("AHEAD", if tuning.lanes >= 32 { 1.0 } else { 0.0 }));
                    }
                }
                kernel.lazy(gpu, variant.entry(tuning), constants)
            })
            .collect();
        Self {
            name: source.name,
            kernel,
            variants,
            tuning,
            packed: is_packed(gpu, tuning, shape.format),
            inputs: shape.inputs,
            format: shape.format,
        }
    }

    /// The variant that can be had for this one: x that is not staged costs more than weights that are asked for again.
    fn possible(&self, variant: RowVariant) -> RowVariant {
        match variant {
            RowVariant::Few(few) if is_staged(self.tuning, self.format) => {
                RowVariant::Few(few.min(staged_rows(self.tuning)))
            }
            variant => variant,
        }
    }

    /// How `rows` rows are best computed.
    fn best(&self, rows: usize) -> RowVariant {
        if self.packed && rows <= MAX_PACKED_ROWS {
            return self.possible(RowVariant::for_rows(rows.min(MAX_FEW_ROWS)));
        }
        self.possible(RowVariant::for_rows(rows))
    }

    /// The pipeline for a pass of `rows` rows.
    pub(crate) fn pipeline(&self, rows: usize) -> &Pipeline {
        &self.variants[self.best(rows).index()]
    }

    /// How to compute `rows` rows: as they are best computed, or, while that is not compiled, as can be done at once and
    /// comes to the same bits. With nothing compiled that is what is best.
    fn choose(&self, rows: usize) -> RowVariant {
        let wanted = self.best(rows);
        let RowVariant::Few(few) = wanted else {
            return wanted;
        };
        let more = FEW.into_iter().filter(|&other| other >= few);
        let fewer = FEW.into_iter().rev().filter(|&other| other < few);
        more.chain(fewer)
            .map(|few| self.possible(RowVariant::Few(few)))
            .find(|variant| self.variants[variant.index()].is_ready())
            .unwrap_or(wanted)
    }

    /// Checks that `x` holds a row for `matrix`, and that `matrix` is like the one the kernel was made for.
    pub(crate) fn fits(&self, matrix: &Matrix, x: &Buffer) -> Result<(), GpuError> {
        let MatrixShape { inputs, format, .. } = matrix.shape;
        if (inputs, format) != (self.inputs, self.format) {
            let (wanted, kind) = (self.inputs, self.format);
            return Err(crate::error::shape(
                self.name,
                format!(
                    "made for matrices of {wanted} inputs in {kind:?}, not of {inputs} in {format:?}"
                ),
            ));
        }
        let row = (stride(inputs) * 4) as u64;
        if x.size() < row {
            return Err(crate::error::shape(
                self.name,
                format!("x holds {} bytes, but a row has {row}", x.size()),
            ));
        }
        Ok(())
    }

    /// Binds `x`, `others` and the parts of `matrix`. `per_row` are the buffers that hold something for each row of a
    /// pass, with the elements they hold for it.
    pub(crate) fn bind(
        self: &Arc<Self>,
        gpu: &Gpu,
        matrix: &Matrix,
        x: &Buffer,
        others: &[&Buffer],
        per_row: &[(&Buffer, usize)],
    ) -> ProjectionOp {
        let parts = matrix
            .parts
            .iter()
            .map(|part| {
                let mut buffers = vec![&part.buffer, x, &part.uniform];
                buffers.extend_from_slice(others);
                BoundPart {
                    bind_group: self.kernel.bind(gpu, &buffers),
                    slots: part.slots,
                }
            })
            .collect();
        ProjectionOp {
            projection: self.clone(),
            parts,
            max_rows: capacity(per_row),
        }
    }
}

#[derive(Debug)]
struct BoundPart {
    bind_group: wgpu::BindGroup,
    slots: usize,
}

/// A product of this family bound to its buffers.
#[derive(Debug)]
pub struct ProjectionOp {
    projection: Arc<Projection>,
    parts: Vec<BoundPart>,
    max_rows: usize,
}

impl ProjectionOp {
    /// Records it with the given variant, whatever the number of rows: for tests and benches. With fewer rows at once where
    /// x is staged that has no room for more.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are more rows than the bound buffers hold or WebGPU dispatches at once.
    pub fn encode_as(
        &self,
        _gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
        variant: RowVariant,
    ) -> Result<usize, GpuError> {
        check_rows(self.projection.name, table.rows, self.max_rows)?;
        let variant = self.projection.possible(variant);
        let pipeline = self.projection.variants[variant.index()].get();
        for part in &self.parts {
            dispatch(
                self.projection.name,
                pass,
                pipeline,
                &part.bind_group,
                variant.grid(table.rows, part.slots, self.projection.tuning),
            )?;
        }
        Ok(self.parts.len())
    }

    /// The pipeline for a pass of `rows` rows.
    pub fn pipeline(&self, rows: usize) -> &Pipeline {
        self.projection.pipeline(rows)
    }

    /// How `rows` rows are best computed, whatever is compiled by now.
    pub fn best(&self, rows: usize) -> RowVariant {
        self.projection.best(rows)
    }
}

impl Op for ProjectionOp {
    fn encode(
        &self,
        gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError> {
        self.encode_as(gpu, pass, table, self.projection.choose(table.rows))
    }
}

//! The shapes of workgroups.

use serde::{Deserialize, Serialize};

/// The workgroups of kernels: those of products of few rows (`shaders/shared/matmul.wgsl`) where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// Lanes of a workgroup: 8, 16, 32 or 64.
    pub lanes: usize,
    /// Outputs of a workgroup that computes one row: 4 or 8.
    pub outputs_of_one: usize,
    /// Outputs of a workgroup that computes two or four rows: 4 or 8. With more rows it is 4.
    #[serde(default = "few_outputs")]
    pub outputs_of_few: usize,
    /// Whether a lane takes 32 elements of a quantised row at once, in loads of 16 bytes, instead of 8.
    #[serde(default)]
    pub wide: bool,
    /// Whether products of few rows with quantised weights that are [`Self::wide`] read x by way of workgroup memory.
    #[serde(default)]
    pub staged: bool,
    /// Whether sums are made with subgroup operations, where the tier has them.
    #[serde(default)]
    pub subgroups: bool,
    /// Rows of a workgroup that computes many: 32 or 64.
    #[serde(default = "few_tile_rows")]
    pub tile_rows: usize,
    /// Whether products of many rows are computed in blocks of 8 rows by 16 a lane, without workgroup memory, instead of tiles.
    #[serde(default)]
    pub blocks: bool,
    /// Keys that attention over many rows of a prompt holds in workgroup memory at a time: 8 or 32.
    #[serde(default = "most_tile_keys")]
    pub tile_keys: usize,
    /// Lanes of a workgroup that goes over one row, as in norms, attention and sampling: a power of two, 8 at least. A kernel
    /// takes the nearest number that it works with.
    #[serde(default = "most_row_lanes")]
    pub row_lanes: usize,
}

fn few_outputs() -> usize {
    4
}

fn few_tile_rows() -> usize {
    32
}

fn most_tile_keys() -> usize {
    32
}

fn most_row_lanes() -> usize {
    256
}

impl Tuning {
    /// For GPUs.
    pub const GPU: Self = Self {
        lanes: 64,
        outputs_of_one: 4,
        outputs_of_few: 8,
        wide: true,
        staged: true,
        subgroups: false,
        tile_rows: 64,
        blocks: false,
        tile_keys: 32,
        row_lanes: 256,
    };
    /// For programs on the CPU: about as many lanes as the machine's vectors have, since a barrier then has nobody to wait for.
    /// On lavapipe a product of one row takes 0.6 (q4) to 0.75 (f16) of the time with 64 lanes, norms of 32 rows 0.35 to 0.47 of
    /// that with 128.
    pub const CPU: Self = Self {
        lanes: 8,
        outputs_of_one: 8,
        outputs_of_few: 4,
        wide: true,
        staged: false,
        subgroups: false,
        tile_rows: 32,
        // Blocks take less than half the time of tiles on lavapipe, and half on SwiftShader. With 16 rows a lane they take a tenth
        // less, and seven times as long to compile.
        blocks: true,
        // In a browser SwiftShader compiles a store of zero for each word of workgroup memory: a second for that of 32 keys, which
        // make a prompt of 512 tokens a seventh faster there. On lavapipe they take 6.4 ms instead of 15.5, for 32 rows.
        tile_keys: if cfg!(target_arch = "wasm32") { 8 } else { 32 },
        row_lanes: 16,
    };

    /// Lanes of a workgroup of a kernel that goes over one row.
    pub(crate) fn lanes_of_row(self, least: usize, most: usize) -> usize {
        self.row_lanes.clamp(least, most)
    }
}

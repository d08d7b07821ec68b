//! The shapes of workgroups.

use serde::{Deserialize, Serialize};

/// The workgroups of kernels: those of products of few rows (`shaders/shared/matmul.wgsl`) where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// Lanes that split the inputs of an output, a *team*: 8, 16, 32 or 64.
    pub lanes: usize,
    /// Teams of a workgroup, a power of two: 256 lanes in all at most, and 128 bytes of workgroup memory for each if x is staged.
    /// Of more the most that there may be are taken.
    #[serde(default = "one_team")]
    pub teams: usize,
    /// Outputs of a team that computes one row: 4 or 8.
    pub outputs_of_one: usize,
    /// Outputs of a team that computes two or four rows: 4 or 8. With more rows it is 4.
    #[serde(default = "few_outputs")]
    pub outputs_of_few: usize,
    /// Whether a lane takes 32 elements of a quantised row at once, in loads of 16 bytes, instead of 8.
    #[serde(default)]
    pub wide: bool,
    /// Whether products of few rows with quantised weights that are [`Self::wide`] read x by way of workgroup memory, for as
    /// many rows at once as there are teams, and four at most.
    #[serde(default)]
    pub staged: bool,
    /// Whether those that are staged are computed in whole numbers, x being made of 16 bits for it.
    #[serde(default)]
    pub packed: bool,
    /// Whether sums are made with subgroup operations, where the tier has them and a workgroup is one team.
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

fn one_team() -> usize {
    1
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
    /// For GPUs, where nothing is known of the matrix; see [`Gpu::tuning_for`](crate::Gpu::tuning_for).
    pub const GPU: Self = Self {
        lanes: 64,
        teams: 1,
        outputs_of_one: 8,
        outputs_of_few: 8,
        wide: true,
        staged: false,
        packed: false,
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
        teams: 1,
        outputs_of_one: 8,
        outputs_of_few: 4,
        wide: true,
        staged: false,
        packed: false,
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

    /// With as many teams as work on a device with so much workgroup memory.
    pub(crate) fn possible(self, memory: u32) -> Self {
        let mut teams = 1;
        while 2 * teams <= self.teams && self.lanes_fit(2 * teams, memory) {
            teams *= 2;
        }
        Self { teams, ..self }
    }

    fn lanes_fit(self, teams: usize, memory: u32) -> bool {
        let lanes = self.lanes * teams;
        lanes <= 256 && (!self.staged || lanes * LANE_MEMORY <= memory as usize)
    }

    /// These for a quantised matrix of so many outputs, computed in whole numbers: the more outputs, the more of them a workgroup,
    /// so that x is made whole for many, and still some hundred workgroups. `memory`: bytes of workgroup memory there are.
    pub fn packed_for(self, outputs: usize, memory: u32) -> Self {
        PACKED
            .iter()
            .find(|shape| outputs <= shape.most_outputs && shape.memory() <= memory)
            .map_or(self, |shape| shape.of(self))
    }

    /// Those that [`Tuning::packed_for`] chooses from.
    pub(crate) fn packed_shapes(self, memory: u32) -> impl Iterator<Item = Self> {
        PACKED
            .iter()
            .filter(move |shape| shape.memory() <= memory)
            .map(move |shape| shape.of(self))
    }

    /// Lanes of a workgroup of a kernel that goes over one row.
    pub(crate) fn lanes_of_row(self, least: usize, most: usize) -> usize {
        self.row_lanes.clamp(least, most)
    }
}

/// Most bytes of workgroup memory a lane takes in products of few rows: see `FEW_VECTORS` of `shaders/shared/lanes.wgsl`.
const LANE_MEMORY: usize = 8 * 16;

/// A workgroup that computes in whole numbers.
struct PackedShape {
    lanes: usize,
    teams: usize,
    outputs: usize,
    /// Outputs of a matrix up to which it is the fastest.
    most_outputs: usize,
}

impl PackedShape {
    /// Most bytes of workgroup memory.
    fn memory(&self) -> u32 {
        (self.lanes * self.teams * LANE_MEMORY) as u32
    }

    fn of(&self, tuning: Tuning) -> Tuning {
        Tuning {
            lanes: self.lanes,
            teams: self.teams,
            outputs_of_one: self.outputs,
            outputs_of_few: self.outputs,
            wide: true,
            staged: true,
            packed: true,
            subgroups: false,
            ..tuning
        }
    }
}

/// As measured with the matrices of Ouro-1.4B on an H200: the output and the down projection, qkv, gate and up, the head.
const PACKED: [PackedShape; 4] = [
    PackedShape {
        lanes: 64,
        teams: 4,
        outputs: 4,
        most_outputs: 4096,
    },
    PackedShape {
        lanes: 32,
        teams: 4,
        outputs: 4,
        most_outputs: 8192,
    },
    PackedShape {
        lanes: 16,
        teams: 8,
        outputs: 4,
        most_outputs: 24_576,
    },
    PackedShape {
        lanes: 16,
        teams: 8,
        outputs: 8,
        most_outputs: usize::MAX,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_outputs_the_more_of_them_a_workgroup() {
        let outputs = |of: usize, memory| {
            let tuning = Tuning::GPU.packed_for(of, memory);
            assert!(tuning.lanes * tuning.teams * LANE_MEMORY <= memory as usize);
            assert_eq!(tuning, tuning.possible(memory));
            (tuning.lanes, tuning.teams * tuning.outputs_of_one)
        };
        assert_eq!(outputs(4096, 32 << 10), (64, 16));
        assert_eq!(outputs(4096, 16 << 10), (32, 16));
        assert_eq!(outputs(4097, 32 << 10), (32, 16));
        assert_eq!(outputs(8193, 32 << 10), (16, 32));
        assert_eq!(outputs(49_152, 16 << 10), (16, 64));
    }

    #[test]
    fn teams_are_as_many_as_work() {
        let teams = |lanes, teams, staged, memory| {
            let told = Tuning {
                lanes,
                teams,
                staged,
                ..Tuning::GPU
            };
            told.possible(memory).teams
        };
        assert_eq!(teams(64, 0, true, 16 << 10), 1);
        assert_eq!(teams(16, 3, false, 16 << 10), 2);
        assert_eq!(teams(64, 4, true, 16 << 10), 2);
        assert_eq!(teams(64, 4, true, 32 << 10), 4);
        assert_eq!(teams(64, 100, false, 16 << 10), 4);
    }
}

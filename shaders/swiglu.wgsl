// swiglu: m[r, i] = silu(gate_i . x_r) * (up_i . x_r), with the gate and up matrices stored as one part:
// the part's gate rows, then its up rows (SPAN = 0, so slots 2i and 2i + 1 are gate_i and up_i).
//
//   weights, x, part   see shared/matmul.wgsl
//   m                  [rows, part.outputs] f32, part.outputs a multiple of 8; padding is written as zero
//
// Limits: baseline WebGPU (4 storage buffers; workgroup memory and invocations: see shared/matmul.wgsl).

import package::shared::rows::rows;
import package::shared::matmul::part;
import package::shared::few::few;
import package::shared::lanes::{few_sums, few_slot, few_in_subgroup, FEW_LANES, FEW_ROWS, FEW_SLOTS, FEW_RESULTS, TEAMS};
import package::shared::block::{block, block_row, block_slot, block_row_sums, BLOCK_ROWS, BLOCK_SLOTS};
import package::shared::tile::{tile, tile_sums, TILE_ROWS, TILE_SLOTS};

@group(0) @binding(3) var<storage, read_write> m: array<vec2<f32>>;

fn emit(row: u32, slot: u32, sums: vec4<f32>) {
    if slot < part.slots {
        let gate = sums.xz;
        m[(row * part.outputs + part.first_output + slot / 2u) / 2u] = gate / (1.0 + exp(-gate)) * sums.yw;
    }
}

@compute @workgroup_size(FEW_LANES)
fn main_few(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @if(subgroups) @builtin(sample_index) subgroup: u32,
    @if(subgroups) @builtin(instance_index) subgroup_count: u32,
    @if(subgroups) @builtin(subgroup_invocation_id) place: u32,
) {
    @if(subgroups) few_in_subgroup(subgroup, subgroup_count, place);
    let first_row = group.x * FEW_ROWS;
    let first_slot = group.y * (FEW_SLOTS * TEAMS);
    few(first_row, first_slot, lane);
    for (var i = lane; i < FEW_RESULTS; i += FEW_LANES) {
        let row = first_row + i % FEW_ROWS;
        if row < rows.count {
            emit(row, first_slot + few_slot(i), few_sums(first_slot, i));
        }
    }
}

@compute @workgroup_size(64)
fn main_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.y * TILE_ROWS;
    let first_slot = group.x * TILE_SLOTS;
    tile(first_row, first_slot, lane);
    for (var i = 0u; i < TILE_ROWS / 8u; i++) {
        let row = first_row + TILE_ROWS / 8u * (lane / 8u) + i;
        let slot = first_slot + 4u * (lane % 8u);
        if row < rows.count {
            emit(row, slot, tile_sums(i, false));
            emit(row, slot + 32u, tile_sums(i, true));
        }
    }
}

@compute @workgroup_size(8)
fn main_block(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.y * BLOCK_ROWS;
    let first_slot = group.x * BLOCK_SLOTS;
    block(first_row, first_slot, lane);
    for (var at = 0u; at < 32u; at++) {
        let row = block_row(first_row, lane) + at / 4u;
        if row < rows.count {
            emit(row, block_slot(first_slot, lane) + 4u * (at % 4u), block_row_sums(first_slot, lane, at / 4u, at % 4u));
        }
    }
}

// linear: y[r, n] = sum over k of x[r, k] W[n, k]. Output projection, down projection, head.
//
//   weights, x, part   see shared/matmul.wgsl
//   y                  [rows, part.outputs] f32, part.outputs a multiple of 8; padding is written as zero
//
// Limits: baseline WebGPU (4 storage buffers, 10 KiB of workgroup memory, 64 invocations).

import package::shared::rows::rows;
import package::shared::matmul::{few, few_sum, tile, tile_acc, LANES, part, FEW_ROWS, FEW_SLOTS, TILE_ROWS, TILE_SLOTS};

@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn emit(row: u32, slot: u32, first: f32, second: f32) {
    if slot < part.slots {
        let column = part.first_output + slot;
        y[row * part.outputs + column] = first;
        y[row * part.outputs + column + 1u] = second;
    }
}

@compute @workgroup_size(LANES)
fn main_few(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.y * FEW_ROWS;
    let first_slot = group.x * FEW_SLOTS;
    few(first_row, first_slot, lane);
    for (var i = lane; i < FEW_ROWS * FEW_SLOTS / 2u; i += LANES) {
        let r = i % FEW_ROWS;
        let j = 2u * (i / FEW_ROWS);
        if first_row + r < rows.count {
            emit(first_row + r, first_slot + j, few_sum(j, r), few_sum(j + 1u, r));
        }
    }
}

@compute @workgroup_size(64)
fn main_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.y * TILE_ROWS;
    let first_slot = group.x * TILE_SLOTS;
    tile(first_row, first_slot, lane);
    for (var i = 0u; i < 4u; i++) {
        let row = first_row + 4u * (lane / 8u) + i;
        let slot = first_slot + 4u * (lane % 8u);
        if row < rows.count {
            for (var j = 0u; j < 2u; j++) {
                let sums = tile_acc[2u * i + j];
                emit(row, slot + 32u * j, sums.x, sums.y);
                emit(row, slot + 32u * j + 2u, sums.z, sums.w);
            }
        }
    }
}

// qkv: the query, key and value projections, rotary embedding, and the write into the KV cache.
//
//   weights, x, part   see shared/matmul.wgsl: rows are q heads, then k heads, then v heads; part.span = HEAD_DIM,
//                      so that a pair of slots is what one rotation turns (element i and i + HEAD_DIM / 2 of a head)
//   rotary             [positions, HEAD_DIM / 2] of (cos, sin)
//   q                  [rows, HEADS, HEAD_STRIDE] f32
//   keys, values       [KV entries, KV_HEADS, HEAD_STRIDE] f32; row r writes its `entry`
//
// HEAD_STRIDE is HEAD_DIM padded to a multiple of 4; the padding of q and of keys is written as zero.
// Limits: baseline WebGPU (7 storage buffers, 14 KiB of workgroup memory over both entry points, 64 invocations).

import package::shared::rows::rows;
import package::shared::matmul::{few, tile, few_partial, tile_acc, part, FEW_ROWS, FEW_SLOTS, TILE_ROWS, TILE_SLOTS};

override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override HEAD_STRIDE: u32 = 4u;

@group(0) @binding(3) var<storage, read> rotary: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> q: array<f32>;
@group(0) @binding(5) var<storage, read_write> keys: array<f32>;
@group(0) @binding(6) var<storage, read_write> values: array<f32>;

fn emit(row: u32, slot: u32, first: f32, second: f32) {
    if slot >= part.slots {
        return;
    }
    let column = part.first_output + slot;
    let head = column / HEAD_DIM;
    let i = (column % HEAD_DIM) / 2u;
    let half = HEAD_DIM / 2u;
    let position = rows.row[row].position;
    let entry = rows.row[row].entry;
    let turn = rotary[position * half + i];
    let a = first * turn.x - second * turn.y;
    let b = second * turn.x + first * turn.y;
    if head < HEADS {
        let at = (row * HEADS + head) * HEAD_STRIDE;
        q[at + i] = a;
        q[at + half + i] = b;
        if i == 0u {
            for (var p = HEAD_DIM; p < HEAD_STRIDE; p++) {
                q[at + p] = 0.0;
            }
        }
    } else if head < HEADS + KV_HEADS {
        let at = (entry * KV_HEADS + head - HEADS) * HEAD_STRIDE;
        keys[at + i] = a;
        keys[at + half + i] = b;
        if i == 0u {
            for (var p = HEAD_DIM; p < HEAD_STRIDE; p++) {
                keys[at + p] = 0.0;
            }
        }
    } else {
        let at = (entry * KV_HEADS + head - HEADS - KV_HEADS) * HEAD_STRIDE;
        values[at + i] = first;
        values[at + half + i] = second;
    }
}

@compute @workgroup_size(64)
fn main_few(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.y * FEW_ROWS;
    let first_slot = group.x * FEW_SLOTS;
    few(first_row, first_slot, lane);
    if lane < FEW_ROWS * FEW_SLOTS / 2u {
        let r = lane % FEW_ROWS;
        let j = 2u * (lane / FEW_ROWS);
        if first_row + r < rows.count {
            emit(first_row + r, first_slot + j, few_partial[j * FEW_ROWS + r], few_partial[(j + 1u) * FEW_ROWS + r]);
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

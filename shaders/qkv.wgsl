// qkv: the query, key and value projections, rotary embedding, and the write into the KV cache.
//
//   weights, x, part   see shared/matmul.wgsl: rows are q heads, then k heads, then v heads; SPAN = HEAD_DIM,
//                      so that a pair of slots is what one rotation turns (element i and i + HEAD_DIM / 2 of a head)
//   rotary             [positions, HEAD_DIM / 2] of (cos, sin)
//   q                  [rows, HEADS, HEAD_STRIDE] f32
//   keys, values       [KV entries, KV_HEADS, HEAD_STRIDE] in KV_FORMAT; row r writes its `entry`
//
// All three in the order of shared/kv.wgsl, whose pairs are those of the slots; padding is written as zero.
// Limits: baseline WebGPU (7 storage buffers; workgroup memory and invocations: see shared/matmul.wgsl).

import package::shared::rows::rows;
import package::shared::kv::{f16_pair, q8_quad, KV_FORMAT};
import package::shared::matmul::part;
import package::shared::few::few;
import package::shared::lanes::{few_sums, few_slot, few_in_subgroup, FEW_LANES, FEW_ROWS, FEW_SLOTS, FEW_RESULTS, TEAMS};
import package::shared::block::{block, block_row, block_slot, block_row_sums, BLOCK_ROWS, BLOCK_SLOTS};
import package::shared::tile::{tile, tile_sums, TILE_ROWS, TILE_SLOTS};

override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override HEAD_STRIDE: u32 = 4u;

@group(0) @binding(3) var<storage, read> rotary: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> q: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> values: array<u32>;

fn store_key(at: u32, pair: vec2<f32>) {
    if KV_FORMAT == 1u {
        keys[at] = f16_pair(pair);
    } else {
        keys[2u * at] = bitcast<u32>(pair.x);
        keys[2u * at + 1u] = bitcast<u32>(pair.y);
    }
}

fn store_value(at: u32, pair: vec2<f32>) {
    if KV_FORMAT == 1u {
        values[at] = f16_pair(pair);
    } else {
        values[2u * at] = bitcast<u32>(pair.x);
        values[2u * at + 1u] = bitcast<u32>(pair.y);
    }
}

fn turned(row: u32, i: u32, pair: vec2<f32>) -> vec2<f32> {
    let turn = rotary[rows.row[row].position * (HEAD_DIM / 2u) + i];
    return vec2<f32>(pair.x * turn.x - pair.y * turn.y, pair.y * turn.x + pair.x * turn.y);
}

fn emit_pair(row: u32, slot: u32, pair: vec2<f32>) {
    if slot >= part.slots {
        return;
    }
    let column = part.first_output + slot;
    let head = column / HEAD_DIM;
    let i = (column % HEAD_DIM) / 2u;
    let half = HEAD_DIM / 2u;
    let pairs = HEAD_STRIDE / 2u;
    // The last pair of a head writes the padding too.
    let end = select(half, pairs, i + 1u == half);
    let cache = rows.row[row].entry * KV_HEADS;
    if head < HEADS {
        let at = (row * HEADS + head) * pairs;
        q[at + i] = turned(row, i, pair);
        for (var p = half; p < end; p++) {
            q[at + p] = vec2<f32>(0.0);
        }
    } else if head < HEADS + KV_HEADS {
        let at = (cache + head - HEADS) * pairs;
        store_key(at + i, turned(row, i, pair));
        for (var p = half; p < end; p++) {
            store_key(at + p, vec2<f32>(0.0));
        }
    } else {
        let at = (cache + head - HEADS - KV_HEADS) * pairs;
        store_value(at + i, pair);
        for (var p = half; p < end; p++) {
            store_value(at + p, vec2<f32>(0.0));
        }
    }
}

// Two pairs of a row, which share a word in q8: heads are a multiple of four long then, and parts begin with a head.
fn emit(row: u32, slot: u32, quad: vec4<f32>) {
    let column = part.first_output + slot;
    let head = column / HEAD_DIM;
    if KV_FORMAT != 2u || head < HEADS || slot >= part.slots {
        emit_pair(row, slot, quad.xy);
        emit_pair(row, slot + 2u, quad.zw);
        return;
    }
    let i = (column % HEAD_DIM) / 4u;
    let words = HEAD_STRIDE / 4u;
    // Of the padding, which is a word at most, zero is zero.
    let last = i + 1u == HEAD_DIM / 4u && i + 1u < words;
    let cache = rows.row[row].entry * KV_HEADS;
    if head < HEADS + KV_HEADS {
        let at = (cache + head - HEADS) * words + i;
        keys[at] = q8_quad(vec4<f32>(turned(row, 2u * i, quad.xy), turned(row, 2u * i + 1u, quad.zw)));
        if last {
            keys[at + 1u] = 0u;
        }
    } else {
        let at = (cache + head - HEADS - KV_HEADS) * words + i;
        values[at] = q8_quad(quad);
        if last {
            values[at + 1u] = 0u;
        }
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

// embed: where a pass takes its rows from. A row of step 1 starts with its token's embedding, a row of a later
// step with the state its previous step left. The token may be one that `sample` drew earlier in the submission. Then the norm in front of the first layer's projections. And where the row
// will leave its key and value is written down in the KV map, for all rows that come to look for them.
//
//   weights   the embedding, or the part of it with tokens part.first_token .. + part.tokens (shared/weights.wgsl)
//   state     [slots, STRIDE] f32: read for steps > 1; written for step 1, so that it always holds the step's input
//   h         [rows, STRIDE] f32: the residual stream
//   x         [rows, STRIDE] f32: RMSNorm(h) * gain
//   gain      [STRIDE] f32
//   kv_map    [lines, pitch] of KV entries: row r writes `entry` at its position, in `lines` lines (shared/rows.wgsl)
//   tokens    [draws] u32: what was drawn, for rows whose token is DRAWN and a number
//
// One workgroup a row; with the embedding in several parts each row is done by the dispatch of one part: the part
// that holds its token, or the first for rows of later steps. STRIDE is WIDTH padded to a multiple of 8; padding is zero.
// Limits: baseline WebGPU (8 storage buffers, 0.5 KiB of workgroup memory, 128 invocations at most).

import package::shared::rows::{rows, DRAWN};
import package::shared::reduce::{workgroup_sum, REDUCE_LANES};
import package::shared::weights::weight_block;
import package::shared::quads::{has_quad, some_quad, quad, squares, WIDTH, STRIDE, QUADS_A_TURN};

override EPSILON: f32 = 1e-6;

// As `Part` of shared/matmul.wgsl: the outputs of the embedding are tokens.
struct TokenRange {
    first_token: u32,
    tokens: u32,
    slots: u32,
    outputs: u32,
    scales: u32,  // see shared/weights.wgsl
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(1) var<uniform> part: TokenRange;
@group(0) @binding(2) var<storage, read> gain: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> h: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> kv_map: array<u32>;
@group(0) @binding(7) var<storage, read> tokens: array<u32>;

fn state_quad(slot: u32, i: u32) -> vec4<f32> {
    return quad(i, state[slot + some_quad(i)]);
}

fn store_h(row: u32, i: u32, value: vec4<f32>) {
    if has_quad(i) {
        h[row + i] = value;
    }
}

fn store_x(row: u32, i: u32, value: vec4<f32>, scale: f32) {
    if has_quad(i) {
        x[row + i] = quad(i, value * scale * gain[i]);
    }
}

@compute @workgroup_size(REDUCE_LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let fresh = rows.row[r].step == 1u;
    var token = rows.row[r].token;
    if fresh && token >= DRAWN {
        token = tokens[token - DRAWN];
    }
    let mine = select(part.first_token == 0u, token >= part.first_token && token - part.first_token < part.tokens, fresh);
    if !mine {
        return;
    }
    if lane < rows.row[r].lines {
        kv_map[rows.row[r].map + lane * rows.row[r].pitch + rows.row[r].position] = rows.row[r].entry;
    }
    let slot = rows.row[r].state * (STRIDE / 4u);
    if fresh {
        for (var b = lane; b < STRIDE / 8u; b += REDUCE_LANES) {
            let block = weight_block(token - part.first_token, b, part.scales);
            state[slot + 2u * b] = block.a;
            state[slot + 2u * b + 1u] = block.b;
        }
        storageBarrier();
        workgroupBarrier();
    }
    let row = r * (STRIDE / 4u);
    var sum = 0.0;
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = state_quad(slot, i);
        let q_1 = state_quad(slot, i + REDUCE_LANES);
        let q_2 = state_quad(slot, i + 2u * REDUCE_LANES);
        let q_3 = state_quad(slot, i + 3u * REDUCE_LANES);
        store_h(row, i, q_0);
        store_h(row, i + REDUCE_LANES, q_1);
        store_h(row, i + 2u * REDUCE_LANES, q_2);
        store_h(row, i + 3u * REDUCE_LANES, q_3);
        sum += squares(q_0, q_1, q_2, q_3);
    }
    let scale = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = state_quad(slot, i);
        let q_1 = state_quad(slot, i + REDUCE_LANES);
        let q_2 = state_quad(slot, i + 2u * REDUCE_LANES);
        let q_3 = state_quad(slot, i + 3u * REDUCE_LANES);
        store_x(row, i, q_0, scale);
        store_x(row, i + REDUCE_LANES, q_1, scale);
        store_x(row, i + 2u * REDUCE_LANES, q_2, scale);
        store_x(row, i + 3u * REDUCE_LANES, q_3, scale);
    }
}

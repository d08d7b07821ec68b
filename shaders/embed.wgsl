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
// Limits: baseline WebGPU (8 storage buffers, 0.5 KiB of workgroup memory, 128 invocations).

import package::shared::rows::{rows, DRAWN};
import package::shared::reduce::{workgroup_sum, REDUCE_LANES};
import package::shared::weights::weight_block;

override WIDTH: u32 = 1u;
override STRIDE: u32 = 8u;
override EPSILON: f32 = 1e-6;

// As `Part` of shared/matmul.wgsl: the outputs of the embedding are tokens.
struct TokenRange {
    first_token: u32,
    tokens: u32,
    slots: u32,
    span: u32,
    outputs: u32,
    scales: u32,  // see shared/weights.wgsl
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(1) var<uniform> part: TokenRange;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<f32>;
@group(0) @binding(5) var<storage, read_write> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> kv_map: array<u32>;
@group(0) @binding(7) var<storage, read> tokens: array<u32>;

@compute @workgroup_size(128)
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
    let slot = rows.row[r].state * STRIDE;
    if fresh {
        let blocks = STRIDE / 8u;
        for (var b = lane; b < blocks; b += REDUCE_LANES) {
            let block = weight_block(token - part.first_token, b, part.scales);
            for (var i = 0u; i < 4u; i++) {
                state[slot + 8u * b + i] = block.a[i];
                state[slot + 8u * b + 4u + i] = block.b[i];
            }
        }
        storageBarrier();
        workgroupBarrier();
    }
    let row = r * STRIDE;
    var square = 0.0;
    for (var i = lane; i < STRIDE; i += REDUCE_LANES) {
        let value = state[slot + i];
        h[row + i] = value;
        square += value * value;
    }
    let scale = inverseSqrt(workgroup_sum(lane, square) / f32(WIDTH) + EPSILON);
    for (var i = lane; i < STRIDE; i += REDUCE_LANES) {
        var value = 0.0;
        if i < WIDTH {
            value = state[slot + i] * scale * gain[i];
        }
        x[row + i] = value;
    }
}

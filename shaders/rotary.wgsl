// rotary: rotary position embedding in place on packed queries and keys: with INVERSE its transpose, which is what
// gradients pass through.
//
//   qkv        [ROWS, ROW_STRIDE] f32: HEADS queries, KV_HEADS keys, KV_HEADS values of HEAD_DIM each, side by side
//   table      [positions, HEAD_DIM / 2] (cos, sin)
//   positions  [ROWS] u32
//
// Element i of a head turns with element i + HEAD_DIM / 2. One invocation a pair.
// Limits: baseline WebGPU (3 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override ROW_STRIDE: u32 = 8u;
override INVERSE: u32 = 0u;

@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let half = HEAD_DIM / 2u;
    let pairs = (HEADS + KV_HEADS) * half;
    let index = flat_index(group, lane);
    let row = index / pairs;
    if row >= ROWS {
        return;
    }
    let pair = index % pairs;
    let i = pair % half;
    let at = row * ROW_STRIDE + pair / half * HEAD_DIM + i;
    var turn = table[positions[row] * half + i];
    if INVERSE == 1u {
        turn.y = -turn.y;
    }
    let a = qkv[at];
    let b = qkv[at + half];
    qkv[at] = a * turn.x - b * turn.y;
    qkv[at + half] = b * turn.x + a * turn.y;
}

// gather: rows of a table by id: the embedding of every token of a batch.
//
//   ids     [ROWS] u32
//   table   [VOCABULARY, 4 * QUADS] f32
//   y       [ROWS, 4 * QUADS] f32: table[ids[r]], zeros for an id beyond the vocabulary
//
// One invocation four elements. Limits: baseline WebGPU (3 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override VOCABULARY: u32 = 1u;
override QUADS: u32 = 2u;

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = flat_index(group, lane);
    if at >= ROWS * QUADS {
        return;
    }
    let r = at / QUADS;
    let id = ids[r];
    var value = vec4<f32>(0.0);
    if id < VOCABULARY {
        value = table[id * QUADS + at - r * QUADS];
    }
    y[at] = value;
}

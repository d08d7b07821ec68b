// gather_backward: the gradient of a table that rows were gathered from: each of its rows gets the sum of the gradients
// of the rows that took it, in their order.
//
//   starts   [VOCABULARY + 1] u32: the rows that took v stand at starts[v] .. starts[v + 1] of `rows`
//   rows     [rows of dy] u32, ascending for each v
//   dy       [rows, 4 * QUADS] f32
//   dtable   [VOCABULARY, 4 * QUADS] f32, added to
//
// One invocation four elements of the table. Limits: baseline WebGPU (4 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override VOCABULARY: u32 = 1u;
override QUADS: u32 = 2u;

@group(0) @binding(0) var<storage, read> starts: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dtable: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = flat_index(group, lane);
    if at >= VOCABULARY * QUADS {
        return;
    }
    let v = at / QUADS;
    let column = at - v * QUADS;
    let end = starts[v + 1u];
    var sum = vec4<f32>(0.0);
    for (var i = starts[v]; i < end; i++) {
        sum += dy[rows[i] * QUADS + column];
    }
    dtable[at] += sum;
}

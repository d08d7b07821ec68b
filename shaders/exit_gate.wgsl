// exit_gate: the logit of the exit gate for each row: z = y . weight + bias. The sigmoid is left to what reads it.
//
//   y      [ROWS, 4 * QUADS] f32
//   gate   [4 * QUADS + 8] f32: the weight, padded with zeros, then the bias and zeros
//   z      [ROWS] f32
//
// One invocation a row. Limits: baseline WebGPU (3 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override QUADS: u32 = 2u;

@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gate: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = flat_index(group, lane);
    if r >= ROWS {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var q = 0u; q < QUADS; q++) {
        sum += y[r * QUADS + q] * gate[q];
    }
    z[r] = sum.x + sum.y + sum.z + sum.w + gate[QUADS].x;
}

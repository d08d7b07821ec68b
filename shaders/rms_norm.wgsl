// rms_norm: y = x / sqrt(mean(x^2) + EPSILON) * gain, or with ADD y = residual + that.
//
//   x, residual, y  [ROWS, 4 * QUADS] f32, rows of WIDTH padded with zeros
//   gain            [4 * QUADS] f32
//
// One invocation a row, without barriers. Limits: baseline WebGPU (4 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override WIDTH: u32 = 1u;
override QUADS: u32 = 2u;
override EPSILON: f32 = 1e-6;
override ADD: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gain: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = flat_index(group, lane);
    if row >= ROWS {
        return;
    }
    let base = row * QUADS;
    var squares = vec4<f32>(0.0);
    for (var i = 0u; i < QUADS; i++) {
        let v = x[base + i];
        squares += v * v;
    }
    let mean = (squares.x + squares.y + squares.z + squares.w) / f32(WIDTH);
    let scale = 1.0 / sqrt(mean + EPSILON);
    for (var i = 0u; i < QUADS; i++) {
        var v = x[base + i] * scale * gain[i];
        if ADD == 1u {
            v += residual[base + i];
        }
        y[base + i] = v;
    }
}

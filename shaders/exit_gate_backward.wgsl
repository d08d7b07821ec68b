// exit_gate_backward: the gradient of exit_gate in its input and its parameters.
//
//   y          [ROWS, 4 * QUADS] f32
//   gate       [4 * QUADS + 8] f32: as exit_gate reads it
//   dz         [ROWS] f32
//   dy         [ROWS, 4 * QUADS] f32, added to: dy[r] += dz[r] * weight
//   dgate      [4 * QUADS + 8] f32, added to: += sum over r of dz[r] * (y[r], 1)
//   partials   [ROWS / CHUNK rounded up, 4 * QUADS + 8] f32: the sums of CHUNK rows each
//
// `main` does one chunk of rows of four columns an invocation, `add_chunks` adds the chunks of four columns in order.
// Limits: baseline WebGPU (6 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override QUADS: u32 = 2u;

@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gate: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dz: array<f32>;
@group(0) @binding(3) var<storage, read_write> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dgate: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4<f32>>;

const LANES: u32 = 64u;
const CHUNK: u32 = 64u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = flat_index(group, lane);
    let columns = QUADS + 2u;
    let chunk = at / columns;
    let column = at - chunk * columns;
    let first = chunk * CHUNK;
    if first >= ROWS {
        return;
    }
    let end = min(first + CHUNK, ROWS);
    var sum = vec4<f32>(0.0);
    if column < QUADS {
        let weight = gate[column];
        for (var r = first; r < end; r++) {
            let cell = r * QUADS + column;
            sum += dz[r] * y[cell];
            dy[cell] += dz[r] * weight;
        }
    } else if column == QUADS {
        for (var r = first; r < end; r++) {
            sum.x += dz[r];
        }
    }
    partials[at] = sum;
}

@compute @workgroup_size(64)
fn add_chunks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let columns = QUADS + 2u;
    let column = group.x * LANES + lane;
    if column >= columns {
        return;
    }
    let chunks = (ROWS + CHUNK - 1u) / CHUNK;
    var total = vec4<f32>(0.0);
    for (var chunk = 0u; chunk < chunks; chunk++) {
        total += partials[chunk * columns + column];
    }
    dgate[column] += total;
}

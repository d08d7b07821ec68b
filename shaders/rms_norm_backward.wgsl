// rms_norm_backward: from dy = dL/dy of y = x s gain, s = 1 / sqrt(mean(x^2) + EPSILON):
//   dx = s gain dy - x s^3 mean(x gain dy), or with ADD dx = add + that;  dgain += sum over rows of x s dy.
//
//   x, dy, add, dx  [ROWS, 4 * QUADS] f32, rows of WIDTH padded with zeros
//   gain, dgain     [4 * QUADS] f32
//   partials        [4 * SCALE_QUADS + CHUNKS * 4 * QUADS] f32: s of each row, then the sums over CHUNK rows each
//
// Three stages, in this order: `rows` (an invocation a row), `columns` (an invocation four columns of a chunk of rows),
// `total` (an invocation four columns). Sums over rows come in the order of the rows.
// Limits: baseline WebGPU (7 storage buffers, 64 invocations), no barriers.

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override WIDTH: u32 = 1u;
override QUADS: u32 = 2u;
override CHUNK: u32 = 64u;
override CHUNKS: u32 = 1u;
override EPSILON: f32 = 1e-6;
override ADD: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gain: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> add: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dgain: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> partials: array<f32>;

// First number of four columns of a chunk in `partials`.
fn partial_at(chunk: u32, quad: u32) -> u32 {
    let scales = 4u * ((ROWS + 3u) / 4u);
    return scales + 4u * (chunk * QUADS + quad);
}

fn sum4(v: vec4<f32>) -> f32 {
    return v.x + v.y + v.z + v.w;
}

@compute @workgroup_size(64)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = flat_index(group, lane);
    if row >= ROWS {
        return;
    }
    let base = row * QUADS;
    var squares = vec4<f32>(0.0);
    var products = vec4<f32>(0.0);
    for (var i = 0u; i < QUADS; i++) {
        let v = x[base + i];
        squares += v * v;
        products += v * gain[i] * dy[base + i];
    }
    let scale = 1.0 / sqrt(sum4(squares) / f32(WIDTH) + EPSILON);
    let pull = scale * scale * scale * sum4(products) / f32(WIDTH);
    for (var i = 0u; i < QUADS; i++) {
        var v = scale * gain[i] * dy[base + i] - pull * x[base + i];
        if ADD == 1u {
            v += add[base + i];
        }
        dx[base + i] = v;
    }
    partials[row] = scale;
}

@compute @workgroup_size(64)
fn columns(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    if index >= CHUNKS * QUADS {
        return;
    }
    let quad = index % QUADS;
    let chunk = index / QUADS;
    let end = min(ROWS, (chunk + 1u) * CHUNK);
    var sum = vec4<f32>(0.0);
    for (var row = chunk * CHUNK; row < end; row++) {
        sum += x[row * QUADS + quad] * partials[row] * dy[row * QUADS + quad];
    }
    let to = partial_at(chunk, quad);
    for (var c = 0u; c < 4u; c++) {
        partials[to + c] = sum[c];
    }
}

@compute @workgroup_size(64)
fn total(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = flat_index(group, lane);
    if quad >= QUADS {
        return;
    }
    var sum = dgain[quad];
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let at = partial_at(chunk, quad);
        sum += vec4<f32>(partials[at], partials[at + 1u], partials[at + 2u], partials[at + 3u]);
    }
    dgain[quad] = sum;
}

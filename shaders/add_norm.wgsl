// add_norm: what stands between two matrix products of a layer (sandwich normalisation, section 3 of the paper):
//
//   h <- h + RMSNorm(a) * gain_a        the branch's own norm, then the residual
//   x <- RMSNorm(h) * gain_x            the norm in front of the next product
//
//   a, h, x   [rows, STRIDE] f32, STRIDE is WIDTH padded to a multiple of 8; padding is written as zero
//   gains     [2, STRIDE] f32: gain_a, gain_x
//
// One workgroup a row. Limits: baseline WebGPU (5 storage buffers, 0.5 KiB of workgroup memory, 128 invocations at most).

import package::shared::rows::rows;
import package::shared::reduce::{workgroup_sum, REDUCE_LANES};
import package::shared::quads::{has_quad, some_quad, quad, squares, WIDTH, STRIDE, QUADS_A_TURN};

override EPSILON: f32 = 1e-6;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gains: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> h: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;

fn branch(row: u32, i: u32) -> vec4<f32> {
    return quad(i, a[row + some_quad(i)]);
}

// What h becomes.
fn residual(row: u32, i: u32, scale: f32) -> vec4<f32> {
    let at = some_quad(i);
    return quad(i, h[row + at] + a[row + at] * scale * gains[at]);
}

fn store_h(row: u32, i: u32, value: vec4<f32>) {
    if has_quad(i) {
        h[row + i] = value;
    }
}

fn normed(row: u32, i: u32, scale: f32) -> vec4<f32> {
    let at = some_quad(i);
    return h[row + at] * scale * gains[STRIDE / 4u + at];
}

fn store_x(row: u32, i: u32, value: vec4<f32>) {
    if has_quad(i) {
        x[row + i] = value;
    }
}

@compute @workgroup_size(REDUCE_LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let row = r * (STRIDE / 4u);
    var sum = 0.0;
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = branch(row, i);
        let q_1 = branch(row, i + REDUCE_LANES);
        let q_2 = branch(row, i + 2u * REDUCE_LANES);
        let q_3 = branch(row, i + 3u * REDUCE_LANES);
        sum += squares(q_0, q_1, q_2, q_3);
    }
    let scale_a = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);
    sum = 0.0;
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = residual(row, i, scale_a);
        let q_1 = residual(row, i + REDUCE_LANES, scale_a);
        let q_2 = residual(row, i + 2u * REDUCE_LANES, scale_a);
        let q_3 = residual(row, i + 3u * REDUCE_LANES, scale_a);
        store_h(row, i, q_0);
        store_h(row, i + REDUCE_LANES, q_1);
        store_h(row, i + 2u * REDUCE_LANES, q_2);
        store_h(row, i + 3u * REDUCE_LANES, q_3);
        sum += squares(q_0, q_1, q_2, q_3);
    }
    let scale_x = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);
    // Each lane reads again what it wrote.
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = normed(row, i, scale_x);
        let q_1 = normed(row, i + REDUCE_LANES, scale_x);
        let q_2 = normed(row, i + 2u * REDUCE_LANES, scale_x);
        let q_3 = normed(row, i + 3u * REDUCE_LANES, scale_x);
        store_x(row, i, quad(i, q_0));
        store_x(row, i + REDUCE_LANES, quad(i + REDUCE_LANES, q_1));
        store_x(row, i + 2u * REDUCE_LANES, quad(i + 2u * REDUCE_LANES, q_2));
        store_x(row, i + 3u * REDUCE_LANES, quad(i + 3u * REDUCE_LANES, q_3));
    }
}

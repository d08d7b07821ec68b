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

// The four quads of a turn.
struct Turn {
    q_0: vec4<f32>,
    q_1: vec4<f32>,
    q_2: vec4<f32>,
    q_3: vec4<f32>,
}

fn squares_of(turn: Turn) -> f32 {
    return squares(turn.q_0, turn.q_1, turn.q_2, turn.q_3);
}

fn branch(row: u32, i: u32) -> vec4<f32> {
    return quad(i, a[row + some_quad(i)]);
}

fn branches(row: u32, i: u32) -> Turn {
    return Turn(
        branch(row, i),
        branch(row, i + REDUCE_LANES),
        branch(row, i + 2u * REDUCE_LANES),
        branch(row, i + 3u * REDUCE_LANES),
    );
}

fn stream(row: u32, i: u32) -> Turn {
    return Turn(
        h[row + some_quad(i)],
        h[row + some_quad(i + REDUCE_LANES)],
        h[row + some_quad(i + 2u * REDUCE_LANES)],
        h[row + some_quad(i + 3u * REDUCE_LANES)],
    );
}

// Gains of a turn, of the branch or, a row of them further, of x.
fn gains_of(row: u32, i: u32) -> Turn {
    return Turn(
        gains[row + some_quad(i)],
        gains[row + some_quad(i + REDUCE_LANES)],
        gains[row + some_quad(i + 2u * REDUCE_LANES)],
        gains[row + some_quad(i + 3u * REDUCE_LANES)],
    );
}

// What h becomes.
fn residual(i: u32, before: Turn, branches: Turn, scale: f32, gain: Turn) -> Turn {
    return Turn(
        quad(i, before.q_0 + branches.q_0 * scale * gain.q_0),
        quad(i + REDUCE_LANES, before.q_1 + branches.q_1 * scale * gain.q_1),
        quad(i + 2u * REDUCE_LANES, before.q_2 + branches.q_2 * scale * gain.q_2),
        quad(i + 3u * REDUCE_LANES, before.q_3 + branches.q_3 * scale * gain.q_3),
    );
}

fn store_h_quad(row: u32, i: u32, value: vec4<f32>) {
    if has_quad(i) {
        h[row + i] = value;
    }
}

fn store_h(row: u32, i: u32, turn: Turn) {
    store_h_quad(row, i, turn.q_0);
    store_h_quad(row, i + REDUCE_LANES, turn.q_1);
    store_h_quad(row, i + 2u * REDUCE_LANES, turn.q_2);
    store_h_quad(row, i + 3u * REDUCE_LANES, turn.q_3);
}

fn store_x_quad(row: u32, i: u32, value: vec4<f32>) {
    if has_quad(i) {
        x[row + i] = quad(i, value);
    }
}

fn store_x(row: u32, i: u32, turn: Turn, scale: f32, gain: Turn) {
    store_x_quad(row, i, turn.q_0 * scale * gain.q_0);
    store_x_quad(row, i + REDUCE_LANES, turn.q_1 * scale * gain.q_1);
    store_x_quad(row, i + 2u * REDUCE_LANES, turn.q_2 * scale * gain.q_2);
    store_x_quad(row, i + 3u * REDUCE_LANES, turn.q_3 * scale * gain.q_3);
}

@compute @workgroup_size(REDUCE_LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let quads = STRIDE / 4u;
    let row = r * quads;
    // The first turn, which mostly is all there are, is loaded once and stays with the lane.
    let first_branch = branches(row, lane);
    var first = stream(row, lane);
    let gain_a = gains_of(0u, lane);
    let gain_x = gains_of(quads, lane);
    var sum = squares_of(first_branch);
    for (var i = lane + QUADS_A_TURN; i < quads; i += QUADS_A_TURN) {
        sum += squares_of(branches(row, i));
    }
    let scale_a = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);
    first = residual(lane, first, first_branch, scale_a, gain_a);
    store_h(row, lane, first);
    sum = squares_of(first);
    for (var i = lane + QUADS_A_TURN; i < quads; i += QUADS_A_TURN) {
        let turn = residual(i, stream(row, i), branches(row, i), scale_a, gains_of(0u, i));
        store_h(row, i, turn);
        sum += squares_of(turn);
    }
    let scale_x = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);
    store_x(row, lane, first, scale_x, gain_x);
    // Each lane reads again what it wrote.
    for (var i = lane + QUADS_A_TURN; i < quads; i += QUADS_A_TURN) {
        store_x(row, i, stream(row, i), scale_x, gains_of(quads, i));
    }
}

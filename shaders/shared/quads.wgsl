// Rows of WIDTH numbers, padded to STRIDE, read four at a time by a workgroup of REDUCE_LANES: a lane takes four such quads of a row in a
// turn, whose loads do not wait for each other. (Drivers unroll loops as they please; many do not.)

import package::shared::reduce::REDUCE_LANES;

override WIDTH: u32 = 1u;
override STRIDE: u32 = 8u;

override QUADS_A_TURN: u32 = 4u * REDUCE_LANES;

// Whether a row has a quad `i`.
fn has_quad(i: u32) -> bool {
    return i < STRIDE / 4u;
}

// An index that a row has.
fn some_quad(i: u32) -> u32 {
    return min(i, STRIDE / 4u - 1u);
}

// Quad `i` without what is padding; of quads beyond the row nothing.
fn quad(i: u32, value: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), value, vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(WIDTH));
}

fn square(value: vec4<f32>) -> f32 {
    return dot(value, value);
}

// The squares of a turn.
fn squares(q_0: vec4<f32>, q_1: vec4<f32>, q_2: vec4<f32>, q_3: vec4<f32>) -> f32 {
    return (square(q_0) + square(q_1)) + (square(q_2) + square(q_3));
}

// add_norm: what stands between two matrix products of a layer (sandwich normalisation, section 3 of the paper):
//
//   h <- h + RMSNorm(a) * gain_a        the branch's own norm, then the residual
//   x <- RMSNorm(h) * gain_x            the norm in front of the next product
//
//   a, h, x   [rows, STRIDE] f32, STRIDE is WIDTH padded to a multiple of 8; padding is written as zero
//   gains     [2, STRIDE] f32: gain_a, gain_x
//
// One workgroup a row. Limits: baseline WebGPU (5 storage buffers, 0.5 KiB of workgroup memory, 128 invocations).

import package::shared::rows::rows;
import package::shared::reduce::{workgroup_sum, REDUCE_LANES};

override WIDTH: u32 = 1u;
override STRIDE: u32 = 8u;
override EPSILON: f32 = 1e-6;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> gains: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let row = r * STRIDE;
    var square = 0.0;
    for (var i = lane; i < WIDTH; i += REDUCE_LANES) {
        square += a[row + i] * a[row + i];
    }
    let scale_a = inverseSqrt(workgroup_sum(lane, square) / f32(WIDTH) + EPSILON);
    square = 0.0;
    for (var i = lane; i < WIDTH; i += REDUCE_LANES) {
        let sum = h[row + i] + a[row + i] * scale_a * gains[i];
        h[row + i] = sum;
        square += sum * sum;
    }
    let scale_x = inverseSqrt(workgroup_sum(lane, square) / f32(WIDTH) + EPSILON);
    for (var i = lane; i < STRIDE; i += REDUCE_LANES) {
        var value = 0.0;
        if i < WIDTH {
            value = h[row + i] * scale_x * gains[STRIDE + i];
        } else {
            h[row + i] = 0.0;
        }
        x[row + i] = value;
    }
}

// glu_backward: from dm = dL/dm of m = silu(gate) * up, with s = 1 / (1 + exp(-gate)):
//   dgate = dm up s (1 + gate (1 - s)),  dup = dm gate s.
//
//   gu, dgu  [ROWS, GU_STRIDE] f32: WIDTH of gate, then WIDTH of up; the padding of dgu is written as zero
//   dm       [ROWS, M_STRIDE] f32
//
// One invocation an element of dm; the last of a row also writes the padding.
// Limits: baseline WebGPU (3 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override WIDTH: u32 = 1u;
override GU_STRIDE: u32 = 8u;
override M_STRIDE: u32 = 8u;

@group(0) @binding(0) var<storage, read> gu: array<f32>;
@group(0) @binding(1) var<storage, read> dm: array<f32>;
@group(0) @binding(2) var<storage, read_write> dgu: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let row = index / WIDTH;
    if row >= ROWS {
        return;
    }
    let i = index % WIDTH;
    let at = row * GU_STRIDE + i;
    let gate = gu[at];
    let s = 1.0 / (1.0 + exp(-gate));
    let d = dm[row * M_STRIDE + i];
    dgu[at] = d * gu[at + WIDTH] * s * (1.0 + gate * (1.0 - s));
    dgu[at + WIDTH] = d * gate * s;
    if i == WIDTH - 1u {
        for (var pad = 2u * WIDTH; pad < GU_STRIDE; pad++) {
            dgu[row * GU_STRIDE + pad] = 0.0;
        }
    }
}

// glu: m = silu(gate) * up, silu(z) = z / (1 + exp(-z)).
//
//   gu  [ROWS, GU_STRIDE] f32: WIDTH of gate, then WIDTH of up, GU_STRIDE = 2 WIDTH padded to a multiple of 8
//   m   [ROWS, M_STRIDE] f32, M_STRIDE = WIDTH padded to a multiple of 8, the padding written as zero
//
// One invocation an element of m. Limits: baseline WebGPU (2 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override WIDTH: u32 = 1u;
override GU_STRIDE: u32 = 8u;
override M_STRIDE: u32 = 8u;

@group(0) @binding(0) var<storage, read> gu: array<f32>;
@group(0) @binding(1) var<storage, read_write> m: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let row = index / M_STRIDE;
    if row >= ROWS {
        return;
    }
    let i = index % M_STRIDE;
    var value = 0.0;
    if i < WIDTH {
        let gate = gu[row * GU_STRIDE + i];
        value = gate / (1.0 + exp(-gate)) * gu[row * GU_STRIDE + WIDTH + i];
    }
    m[index] = value;
}

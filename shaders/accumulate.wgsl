// accumulate: sum <- sum + term, element by element. The gradient of a state that both its own step and the next one use.
//
//   sum, term   [4 * QUADS] f32
//
// One invocation four elements. Limits: baseline WebGPU (2 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override QUADS: u32 = 1u;

@group(0) @binding(0) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> term: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = flat_index(group, lane);
    if at < QUADS {
        sum[at] += term[at];
    }
}

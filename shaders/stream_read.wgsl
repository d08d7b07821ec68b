// stream_read: reads a buffer once and does next to nothing with it. The benchmark's yardstick: no kernel that
// reads weights can be faster than this on the same device.
//
//   data  vec4<u32>, COUNT of them
//   sums  one u32 an invocation, so that the reads cannot be left out
//
// Limits: baseline WebGPU (2 storage buffers, 64 invocations).

override COUNT: u32 = 1u;
override INVOCATIONS: u32 = 64u;

@group(0) @binding(0) var<storage, read> data: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = vec4<u32>(0u);
    for (var i = id.x; i < COUNT; i += INVOCATIONS) {
        sum ^= data[i];
    }
    sums[id.x] = sum.x ^ sum.y ^ sum.z ^ sum.w;
}

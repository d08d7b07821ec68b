// stream_read: reads a buffer once and does next to nothing with it. The benchmark's yardstick: no kernel that
// reads weights can be faster than this on the same device.
//
//   data  vec4<u32>, COUNT of them
//   sums  one u32 an invocation, so that the reads cannot be left out
//
// A workgroup reads SPAN consecutive elements, 1 KiB at a time: neighbours together on a GPU, in order on a CPU.
// Limits: baseline WebGPU (2 storage buffers, 64 invocations).

override COUNT: u32 = 1u;
override SPAN: u32 = 64u;

@group(0) @binding(0) var<storage, read> data: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let end = min((group.x + 1u) * SPAN, COUNT);
    var sum = vec4<u32>(0u);
    for (var i = group.x * SPAN + lane; i < end; i += 64u) {
        sum ^= data[i];
    }
    sums[group.x * 64u + lane] = sum.x ^ sum.y ^ sum.z ^ sum.w;
}

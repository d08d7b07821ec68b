// gradient_norm: Euclidean norm of a whole gradient, and what an update multiplies the gradient by so that its norm is at most
// MAX_NORM (Pascanu et al. 2013).
//
//   gradient   [4 * QUADS] f32
//   partials   [LANES * GROUPS] f32: `sums` writes sums of squares, which `total` adds in a fixed order
//   stats      [4] f32: norm, min(1, MAX_NORM / norm), 1 if the norm is finite and 0 if not, 0
//
// `sums`: invocation i adds up every LANES * GROUPS-th quad from quad i on. `total`: one workgroup.
// A norm that overflows (beyond 1.8e19) counts as not finite; the scale is then 0. Each entry point binds its own two buffers.
// Limits: baseline WebGPU (2 storage buffers, 256 bytes of workgroup memory, 64 invocations).

override QUADS: u32 = 1u;
override GROUPS: u32 = 1u;
// 0 is no bound.
override MAX_NORM: f32 = 0.0;

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

const LANES: u32 = 64u;

var<workgroup> lane_sums: array<f32, 64>;

@compute @workgroup_size(64)
fn sums(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = vec4<f32>();
    for (var at = id.x; at < QUADS; at += LANES * GROUPS) {
        let values = input[at];
        sum += values * values;
    }
    output[id.x] = (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(64)
fn total(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4<f32>();
    for (var at = lane; at < LANES / 4u * GROUPS; at += LANES) {
        sum += input[at];
    }
    lane_sums[lane] = (sum.x + sum.y) + (sum.z + sum.w);
    workgroupBarrier();
    if lane > 0u {
        return;
    }
    var squares = 0.0;
    for (var i = 0u; i < LANES; i++) {
        squares += lane_sums[i];
    }
    // By its bits: WGSL lets a compiler assume that comparisons see neither infinities nor NaN.
    let finite = (bitcast<u32>(squares) & 0x7f800000u) != 0x7f800000u;
    let norm = sqrt(squares);
    var scale = 1.0;
    if MAX_NORM > 0.0 && norm > MAX_NORM {
        scale = MAX_NORM / norm;
    }
    output[0] = norm;
    output[1] = select(0.0, scale, finite);
    output[2] = select(0.0, 1.0, finite);
    output[3] = 0.0;
}

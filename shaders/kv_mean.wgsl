// kv_mean: a KV entry becomes the mean of others: keys and values of one layer, in place.
//
//   moves         [moves] of Move: `target` <- mean over the first `count` of `source`; a target may be among its sources,
//                 but no move may read what another writes. With one source it is a copy.
//   keys, values  [KV entries, ENTRY] f32
//
// One workgroup 64 elements of a move. Limits: baseline WebGPU (3 storage buffers, no workgroup memory, 64 invocations).

override ENTRY: u32 = 4u;

struct Move {
    target_entry: u32,
    count: u32,
    source: array<u32, 8>,
}

@group(0) @binding(0) var<storage, read> moves: array<Move>;
@group(0) @binding(1) var<storage, read_write> keys: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = 64u * group.x + lane;
    if i >= ENTRY {
        return;
    }
    let count = min(moves[group.y].count, 8u);
    var key = 0.0;
    var value = 0.0;
    for (var s = 0u; s < count; s++) {
        let at = moves[group.y].source[s] * ENTRY + i;
        key += keys[at];
        value += values[at];
    }
    let to = moves[group.y].target_entry * ENTRY + i;
    keys[to] = key / f32(count);
    values[to] = value / f32(count);
}

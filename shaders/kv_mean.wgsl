// kv_mean: a KV entry becomes the mean of others: keys and values of one layer, in place.
//
//   moves         [moves] of Move: `target` <- mean over the first `count` of `source`; a target may be among its sources,
//                 but no move may read what another writes. With one source it is a copy.
//   keys, values  [KV entries, ENTRY] words in KV_FORMAT, see shared/kv.wgsl
//
// One workgroup 64 words of a move. Limits: baseline WebGPU (3 storage buffers, no workgroup memory, 64 invocations).

import package::shared::kv::{f16_pair, q8_places, q8_quad, KV_FORMAT};

override ENTRY: u32 = 4u;

struct Move {
    target_entry: u32,
    count: u32,
    source: array<u32, 8>,
}

@group(0) @binding(0) var<storage, read> moves: array<Move>;
@group(0) @binding(1) var<storage, read_write> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;

// The places of a word: of an f32 only x, of f16 x and y.
fn places(word: u32) -> vec4<f32> {
    if KV_FORMAT == 1u {
        return vec4<f32>(unpack2x16float(word), 0.0, 0.0);
    }
    if KV_FORMAT == 2u {
        return q8_places(word);
    }
    return vec4<f32>(bitcast<f32>(word), 0.0, 0.0, 0.0);
}

fn word(places: vec4<f32>) -> u32 {
    if KV_FORMAT == 1u {
        return f16_pair(places.xy);
    }
    if KV_FORMAT == 2u {
        return q8_quad(places);
    }
    return bitcast<u32>(places.x);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = 64u * group.x + lane;
    if i >= ENTRY {
        return;
    }
    let count = min(moves[group.y].count, 8u);
    let to = moves[group.y].target_entry * ENTRY + i;
    if count == 1u {
        let at = moves[group.y].source[0] * ENTRY + i;
        keys[to] = keys[at];
        values[to] = values[at];
        return;
    }
    var key = vec4<f32>(0.0);
    var value = vec4<f32>(0.0);
    for (var s = 0u; s < count; s++) {
        let at = moves[group.y].source[s] * ENTRY + i;
        key += places(keys[at]);
        value += places(values[at]);
    }
    keys[to] = word(key / f32(count));
    values[to] = word(value / f32(count));
}

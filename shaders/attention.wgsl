// attention: causal attention of each row over the keys and values of its step, one workgroup a (head, row), online softmax.
//
//   q             [rows, HEADS, HEAD_STRIDE] f32, rotated
//   keys, values  [KV entries, KV_HEADS, HEAD_STRIDE] in KV_FORMAT; they and q in the order of shared/kv.wgsl
//   kv_map        [lines, pitch] of KV entries: row r sees, for j < position, entry kv_map[map + j], and its own `entry`
//   out           [rows, OUT_STRIDE] f32: heads side by side without padding, their elements in order; OUT_STRIDE is
//                 HEADS * HEAD_DIM padded to a multiple of 8, the padding written as zero
//
// Each block of 64 keys: an invocation scores one key, the block's maximum rescales what was summed so far,
// then each invocation adds up the values of its one or two pairs of dimensions. HEAD_DIM <= 256.
// Limits: baseline WebGPU (6 storage buffers, 2 KiB of workgroup memory, 64 invocations).

import package::shared::rows::rows;
import package::shared::kv::KV_FORMAT;

override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override HEAD_STRIDE: u32 = 8u;
override OUT_STRIDE: u32 = 8u;
override SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> values: array<u32>;
@group(0) @binding(3) var<storage, read> kv_map: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const LANES: u32 = 64u;
const HIDDEN: f32 = -3.0e38;  // the score of no key: below any real one, finite so that it never makes a NaN

var<workgroup> query: array<vec4<f32>, 64>;
var<workgroup> score: array<f32, 64>;
var<workgroup> scratch: array<f32, 64>;
var<workgroup> place: array<u32, 64>;  // of each key of the block, its head in its entry

// Eight places of the keys.
struct Block {
    a: vec4<f32>,
    b: vec4<f32>,
}

fn key_block(index: u32) -> Block {
    if KV_FORMAT == 1u {
        let words = keys[index];
        return Block(
            vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y)),
            vec4<f32>(unpack2x16float(words.z), unpack2x16float(words.w)),
        );
    }
    return Block(bitcast<vec4<f32>>(keys[2u * index]), bitcast<vec4<f32>>(keys[2u * index + 1u]));
}

fn value_pair(index: u32) -> vec2<f32> {
    if KV_FORMAT == 1u {
        return unpack2x16float(values[index]);
    }
    return vec2<f32>(bitcast<f32>(values[2u * index]), bitcast<f32>(values[2u * index + 1u]));
}

fn block_max(lane: u32, value: f32) -> f32 {
    scratch[lane] = value;
    workgroupBarrier();
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        if lane < width {
            scratch[lane] = max(scratch[lane], scratch[lane + width]);
        }
        workgroupBarrier();
    }
    let result = scratch[0];
    workgroupBarrier();
    return result;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x;
    let r = group.y;
    let kv_head = head / (HEADS / KV_HEADS);
    let quads = HEAD_STRIDE / 4u;
    let half = HEAD_DIM / 2u;
    let key_count = rows.row[r].position + 1u;
    let map = rows.row[r].map;
    if lane < quads {
        query[lane] = q[(r * HEADS + head) * quads + lane] * SCALE;
    }
    workgroupBarrier();

    var top = HIDDEN;
    var norm = 0.0;
    var acc = vec4<f32>(0.0);  // pairs lane and lane + 64
    for (var first = 0u; first < key_count; first += LANES) {
        let in_block = min(LANES, key_count - first);
        var s = HIDDEN;
        if lane < in_block {
            let j = first + lane;
            var entry = rows.row[r].entry;
            if j + 1u < key_count {
                entry = kv_map[map + j];
            }
            place[lane] = entry * KV_HEADS + kv_head;
            let at = place[lane] * (quads / 2u);
            s = 0.0;
            for (var i = 0u; i < quads / 2u; i++) {
                let key = key_block(at + i);
                s += dot(query[2u * i], key.a) + dot(query[2u * i + 1u], key.b);
            }
        }
        let new_top = max(top, block_max(lane, s));
        let rescale = exp(top - new_top);
        top = new_top;
        if lane < in_block {
            score[lane] = exp(s - new_top);
        } else {
            score[lane] = 0.0;
        }
        workgroupBarrier();
        acc *= rescale;
        norm *= rescale;
        for (var j = 0u; j < in_block; j++) {
            let p = score[j];
            let at = place[j] * (HEAD_STRIDE / 2u);
            norm += p;
            if lane < half {
                acc = vec4<f32>(acc.xy + p * value_pair(at + lane), acc.zw);
            }
            if lane + LANES < half {
                acc = vec4<f32>(acc.xy, acc.zw + p * value_pair(at + lane + LANES));
            }
        }
        workgroupBarrier();
    }
    acc /= norm;
    let to = r * OUT_STRIDE + head * HEAD_DIM + lane;
    if lane < half {
        out[to] = acc.x;
        out[to + half] = acc.y;
    }
    if lane + LANES < half {
        out[to + LANES] = acc.z;
        out[to + LANES + half] = acc.w;
    }
    if head == 0u && lane < OUT_STRIDE - HEADS * HEAD_DIM {
        out[r * OUT_STRIDE + HEADS * HEAD_DIM + lane] = 0.0;
    }
}

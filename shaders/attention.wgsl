// attention: causal attention of each row over the keys and values of its step, one workgroup a (head, row), online softmax.
//
//   q             [rows, HEADS, HEAD_STRIDE] f32, rotated
//   keys, values  [KV entries, KV_HEADS, HEAD_STRIDE] f32
//   kv_map        [lines, pitch] of KV entries: row r sees, for j < position, entry kv_map[map + j], and its own `entry`
//   out           [rows, OUT_STRIDE] f32: heads side by side without padding; OUT_STRIDE is HEADS * HEAD_DIM padded
//                 to a multiple of 8, the padding written as zero
//
// Each block of 64 keys: an invocation scores one key, the block's maximum rescales what was summed so far,
// then each invocation adds up the values of its (one to four) dimensions. HEAD_DIM <= 256.
// Limits: baseline WebGPU (6 storage buffers, 2 KiB of workgroup memory, 64 invocations).

import package::shared::rows::rows;

override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override HEAD_STRIDE: u32 = 4u;
override OUT_STRIDE: u32 = 8u;
override SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> kv_map: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const LANES: u32 = 64u;
const HIDDEN: f32 = -3.0e38;  // the score of no key: below any real one, finite so that it never makes a NaN

var<workgroup> query: array<vec4<f32>, 64>;
var<workgroup> score: array<f32, 64>;
var<workgroup> scratch: array<f32, 64>;
var<workgroup> place: array<u32, 64>;  // of each key of the block, its head in its entry

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
    let chunks = (HEAD_DIM + LANES - 1u) / LANES;
    let key_count = rows.row[r].position + 1u;
    let map = rows.row[r].map;
    if lane < quads {
        query[lane] = q[(r * HEADS + head) * quads + lane] * SCALE;
    }
    workgroupBarrier();

    var top = HIDDEN;
    var norm = 0.0;
    var acc = vec4<f32>(0.0);  // dimensions lane, lane + 64, lane + 128, lane + 192
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
            let at = place[lane] * quads;
            s = 0.0;
            for (var i = 0u; i < quads; i++) {
                s += dot(query[i], keys[at + i]);
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
            let at = place[j] * HEAD_STRIDE;
            norm += p;
            for (var c = 0u; c < chunks; c++) {
                let dim = lane + LANES * c;
                if dim < HEAD_DIM {
                    acc[c] += p * values[at + dim];
                }
            }
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < chunks; c++) {
        let dim = lane + LANES * c;
        if dim < HEAD_DIM {
            out[r * OUT_STRIDE + head * HEAD_DIM + dim] = acc[c] / norm;
        }
    }
    if head == 0u && lane < OUT_STRIDE - HEADS * HEAD_DIM {
        out[r * OUT_STRIDE + HEADS * HEAD_DIM + lane] = 0.0;
    }
}

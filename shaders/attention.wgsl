// attention: causal attention of each row over the keys and values of its step, online softmax.
//
//   q             [rows, HEADS, HEAD_STRIDE] f32, rotated
//   keys, values  [KV entries, KV_HEADS, HEAD_STRIDE] in KV_FORMAT; they and q in the order of shared/kv.wgsl
//   kv_map        [lines, pitch] of KV entries: row r sees, for j < position, entry kv_map[map + j], and its own `entry`
//   out           [rows, OUT_STRIDE] f32: heads side by side without padding, their elements in order; OUT_STRIDE is
//                 HEADS * HEAD_DIM padded to a multiple of 8, the padding written as zero
//   parts         [rows, HEADS, MAX_PARTS, HEAD_STRIDE + 2] f32: of a part of a row's keys, the weighted sum of the values,
//                 the largest score, and the sum of the weights
//
// Three entry points:
//   main_row    a row, a head and a part of the row's keys a workgroup. One part is the whole of a short row, and goes to
//               `out`. How many there are depends on the row alone, so that it comes to the same bits in any company.
//   main_merge  puts the parts of long rows together. (One dispatch cannot: what a workgroup wrote, the last one to
//               finish need not see, whatever the order of its atomics.)
//   main_tile   32 rows of a head a workgroup, for tiles that the row table says share their keys: each is read once.
// HEAD_DIM <= 256.
// Limits: baseline WebGPU (7 storage buffers; main_row 64 bytes of workgroup memory a lane, which are 16 KiB at most,
// main_tile 13 KiB; 256 invocations).

import package::shared::rows::{rows, in_shared_tile, ROW_TILE};
import package::shared::heads::{
    q, kv_map, out, parts, key_count, key_words, out_at, plus, unpacked, value_words, zero_padding, Block, Words,
    HEADS, HEAD_DIM, HEAD_STRIDE, KV_HEADS, SCALE
};
import package::shared::attention_tile::{
    places, tops, weights, four_dots, stage_keys, stage_queries, stage_values, staged_key, staged_queries, staged_value,
    KEY_SLICE, TILE_KEYS, VALUE_SLICE
};

// Lanes that share a key in main_row, 8 places each: a power of two, HEAD_STRIDE / 8 at least.
override KEY_LANES: u32 = 1u;
override MAX_PARTS: u32 = 1u;
override PART_KEYS: u32 = 256u;  // the fewest keys of a part
override ROW_LANES: u32 = 64u;  // lanes of a workgroup of main_row: a power of two, 8 and KEY_LANES at least
// Words of workgroup memory of main_row.
override ROW_WORDS: u32 = 8u * ROW_LANES;

const LANES: u32 = 64u;
const HIDDEN: f32 = -3.0e38;  // the score of no key: below any real one, finite so that it never makes a NaN

// Keys of a part of a row that sees so many. Two parts are not worth putting together.
fn part_keys(count: u32) -> u32 {
    if MAX_PARTS == 1u || count <= 2u * PART_KEYS {
        return count;
    }
    let even = (count + MAX_PARTS - 1u) / MAX_PARTS;
    return max(PART_KEYS, (even + LANES - 1u) / LANES * LANES);
}

const KEYS_EACH: u32 = 8u;  // keys of a lane in a turn of main_row, taken together: none waits for another's loads

var<workgroup> lane_sums: array<f32, ROW_WORDS>;
var<workgroup> score: array<f32, ROW_WORDS>;

// Eight of anything that is a number.
struct Eight {
    a: vec4<f32>,
    b: vec4<f32>,
}

// Where the block of the key and value of position `j` lies.
fn place_of(j: u32, count: u32, map: u32, own: u32, kv_head: u32, block: u32) -> u32 {
    let known = min(j, count - 1u);
    let entry = select(own, kv_map[map + known], known + 1u < count);
    return (entry * KV_HEADS + kv_head) * (HEAD_STRIDE / 8u) + block;
}

fn product_with(query: Block, words: Words) -> f32 {
    let key = unpacked(words);
    return dot(query.a, key.a) + dot(query.b, key.b);
}

// The sums over the lanes of a key.
fn key_sum(k: u32, lane: u32) -> f32 {
    var sum = 0.0;
    if KEY_LANES % 4u == 0u {
        for (var b = 0u; b < KEY_LANES; b += 4u) {
            // Each lane begins elsewhere, so that they do not all wait for one bank.
            let at = k * KEY_LANES + (b + 4u * lane) % KEY_LANES;
            sum += (lane_sums[at] + lane_sums[at + 1u]) + (lane_sums[at + 2u] + lane_sums[at + 3u]);
        }
    } else {
        for (var b = 0u; b < KEY_LANES; b++) {
            sum += lane_sums[k * KEY_LANES + b];
        }
    }
    return sum;
}

@compute @workgroup_size(ROW_LANES)
fn main_row(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x % HEADS;
    let part = group.x / HEADS;
    let r = group.y;
    if in_shared_tile(r) {
        return;
    }
    let count = key_count(r);
    let part_size = part_keys(count);
    let begin = part * part_size;
    if begin >= count {
        return;
    }
    let end = min(begin + part_size, count);
    let blocks = HEAD_STRIDE / 8u;
    let kv_head = head / (HEADS / KV_HEADS);
    // KEY_LANES lanes share a key, a block each; there are that many groups of them. Lanes without a block of their own
    // look at another's: their queries are zero, and what they make of values is left where it is.
    let groups = ROW_LANES / KEY_LANES;
    let block = min(lane % KEY_LANES, blocks - 1u);
    let g = lane / KEY_LANES;
    let map = rows.row[r].map;
    let own = rows.row[r].entry;
    let from_q = 2u * ((r * HEADS + head) * blocks + block);
    let scale = select(0.0, SCALE, lane % KEY_LANES < blocks);
    let query = Block(q[from_q] * scale, q[from_q + 1u] * scale);

    // Of the keys of the lane's group.
    var top = HIDDEN;
    var norm = 0.0;
    var acc = Block(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var first = begin; first < end; first += groups * KEYS_EACH) {
        let j = first + g;
        let at_0 = place_of(j, count, map, own, kv_head, block);
        let at_1 = place_of(j + groups, count, map, own, kv_head, block);
        let at_2 = place_of(j + 2u * groups, count, map, own, kv_head, block);
        let at_3 = place_of(j + 3u * groups, count, map, own, kv_head, block);
        let at_4 = place_of(j + 4u * groups, count, map, own, kv_head, block);
        let at_5 = place_of(j + 5u * groups, count, map, own, kv_head, block);
        let at_6 = place_of(j + 6u * groups, count, map, own, kv_head, block);
        let at_7 = place_of(j + 7u * groups, count, map, own, kv_head, block);
        let key_0 = key_words(at_0);
        let key_1 = key_words(at_1);
        let key_2 = key_words(at_2);
        let key_3 = key_words(at_3);
        let key_4 = key_words(at_4);
        let key_5 = key_words(at_5);
        let key_6 = key_words(at_6);
        let key_7 = key_words(at_7);
        let value_0 = value_words(at_0);
        let value_1 = value_words(at_1);
        let value_2 = value_words(at_2);
        let value_3 = value_words(at_3);
        let value_4 = value_words(at_4);
        let value_5 = value_words(at_5);
        let value_6 = value_words(at_6);
        let value_7 = value_words(at_7);
        lane_sums[lane] = product_with(query, key_0);
        lane_sums[ROW_LANES + lane] = product_with(query, key_1);
        lane_sums[2u * ROW_LANES + lane] = product_with(query, key_2);
        lane_sums[3u * ROW_LANES + lane] = product_with(query, key_3);
        lane_sums[4u * ROW_LANES + lane] = product_with(query, key_4);
        lane_sums[5u * ROW_LANES + lane] = product_with(query, key_5);
        lane_sums[6u * ROW_LANES + lane] = product_with(query, key_6);
        lane_sums[7u * ROW_LANES + lane] = product_with(query, key_7);
        workgroupBarrier();
        for (var k = lane; k < groups * KEYS_EACH; k += ROW_LANES) {
            score[k] = select(HIDDEN, key_sum(k, lane), first + k < end);
        }
        workgroupBarrier();
        let s = Eight(
            vec4<f32>(score[g], score[groups + g], score[2u * groups + g], score[3u * groups + g]),
            vec4<f32>(score[4u * groups + g], score[5u * groups + g], score[6u * groups + g], score[7u * groups + g]),
        );
        let largest = max(s.a, s.b);
        let new_top = max(max(top, max(largest.x, largest.y)), max(largest.z, largest.w));
        let rescale = exp(top - new_top);
        top = new_top;
        // Of keys beyond the part nothing, even where there are no others.
        let p = Eight(
            select(exp(s.a - top), vec4<f32>(0.0), s.a <= vec4<f32>(HIDDEN)),
            select(exp(s.b - top), vec4<f32>(0.0), s.b <= vec4<f32>(HIDDEN)),
        );
        norm = norm * rescale + dot(p.a, vec4<f32>(1.0)) + dot(p.b, vec4<f32>(1.0));
        acc.a *= rescale;
        acc.b *= rescale;
        acc = plus(acc, p.a.x, value_0);
        acc = plus(acc, p.a.y, value_1);
        acc = plus(acc, p.a.z, value_2);
        acc = plus(acc, p.a.w, value_3);
        acc = plus(acc, p.b.x, value_4);
        acc = plus(acc, p.b.y, value_5);
        acc = plus(acc, p.b.z, value_6);
        acc = plus(acc, p.b.w, value_7);
    }

    // The groups together.
    workgroupBarrier();
    if lane % KEY_LANES == 0u {
        score[g] = top;
        score[ROW_LANES + g] = norm;
    }
    workgroupBarrier();
    var all_top = HIDDEN;
    for (var other = 0u; other < groups; other++) {
        all_top = max(all_top, score[other]);
    }
    norm = 0.0;
    for (var other = 0u; other < groups; other++) {
        norm += score[ROW_LANES + other] * exp(score[other] - all_top);
    }
    let weight = exp(top - all_top);
    lane_sums[lane] = acc.a.x * weight;
    lane_sums[ROW_LANES + lane] = acc.a.y * weight;
    lane_sums[2u * ROW_LANES + lane] = acc.a.z * weight;
    lane_sums[3u * ROW_LANES + lane] = acc.a.w * weight;
    lane_sums[4u * ROW_LANES + lane] = acc.b.x * weight;
    lane_sums[5u * ROW_LANES + lane] = acc.b.y * weight;
    lane_sums[6u * ROW_LANES + lane] = acc.b.z * weight;
    lane_sums[7u * ROW_LANES + lane] = acc.b.w * weight;
    workgroupBarrier();
    let whole = part_size == count;
    let base = ((r * HEADS + head) * MAX_PARTS + part) * (HEAD_STRIDE + 2u);
    for (var place = lane; place < HEAD_DIM; place += ROW_LANES) {
        var sum = 0.0;
        for (var other = 0u; other < groups; other++) {
            sum += lane_sums[(place % 8u) * ROW_LANES + other * KEY_LANES + place / 8u];
        }
        if whole {
            out[out_at(r, head, place)] = sum / norm;
        } else {
            parts[base + place] = sum;
        }
    }
    if !whole && lane == 0u {
        parts[base + HEAD_STRIDE] = all_top;
        parts[base + HEAD_STRIDE + 1u] = norm;
    }
    if head == 0u && part == 0u {
        zero_padding(r, lane);
    }
}

@compute @workgroup_size(64)
fn main_merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x;
    let r = group.y;
    let count = key_count(r);
    let size = part_keys(count);
    if in_shared_tile(r) || size == count {
        return;
    }
    let part_count = (count + size - 1u) / size;
    let stride = HEAD_STRIDE + 2u;
    let base = (r * HEADS + head) * MAX_PARTS * stride;
    var top = HIDDEN;
    for (var part = 0u; part < part_count; part++) {
        top = max(top, parts[base + part * stride + HEAD_STRIDE]);
    }
    var norm = 0.0;
    var sums = vec4<f32>(0.0);  // places lane, lane + 64, lane + 128, lane + 192
    for (var part = 0u; part < part_count; part++) {
        let at = base + part * stride;
        let weight = exp(parts[at + HEAD_STRIDE] - top);
        norm += weight * parts[at + HEAD_STRIDE + 1u];
        for (var c = 0u; c < 4u; c++) {
            let place = lane + LANES * c;
            if place < HEAD_DIM {
                sums[c] += weight * parts[at + place];
            }
        }
    }
    for (var c = 0u; c < 4u; c++) {
        let place = lane + LANES * c;
        if place < HEAD_DIM {
            out[out_at(r, head, place)] = sums[c] / norm;
        }
    }
}
@compute @workgroup_size(64)
fn main_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x;
    let first_row = group.y * ROW_TILE;
    if !in_shared_tile(first_row) {
        return;
    }
    let blocks = HEAD_STRIDE / 8u;
    let key_slices = (blocks + KEY_SLICE - 1u) / KEY_SLICE;
    let value_slices = (blocks + VALUE_SLICE - 1u) / VALUE_SLICE;
    let kv_head = head / (HEADS / KV_HEADS);
    let map = rows.row[first_row].map;
    // Positions ascend within a shared tile.
    let count = key_count(min(first_row + ROW_TILE, rows.count) - 1u);
    // A lane has rows 4 ty .. 4 ty + 3: their scores with keys tx, tx + 8, and so on, and block tx of their output.
    let tx = lane % 8u;
    let ty = lane / 8u;
    var position = vec4<u32>(0u);
    for (var i = 0u; i < 4u; i++) {
        if first_row + 4u * ty + i < rows.count {
            position[i] = rows.row[first_row + 4u * ty + i].position;
        }
    }
    var top = vec4<f32>(HIDDEN);
    var norm = vec4<f32>(0.0);  // over the lane's own keys
    var acc: array<Block, 16>;  // [4 slices of values][4 rows]
    for (var i = 0u; i < 16u; i++) {
        acc[i] = Block(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    for (var first = 0u; first < count; first += TILE_KEYS) {
        let in_tile = min(TILE_KEYS, count - first);
        if lane < in_tile {
            places[lane] = kv_map[map + first + lane] * KV_HEADS + kv_head;
        }
        var s: array<vec4<f32>, 4>;
        for (var j = 0u; j < 4u; j++) {
            s[j] = vec4<f32>(0.0);
        }
        for (var slice = 0u; slice < key_slices; slice++) {
            workgroupBarrier();
            stage_keys(slice, in_tile, lane);
            stage_queries(first_row, head, slice, lane);
            workgroupBarrier();
            for (var block = 0u; block < KEY_SLICE; block++) {
                var queries: array<Block, 4>;
                for (var i = 0u; i < 4u; i++) {
                    let at = staged_queries() + 2u * block * ROW_TILE + 4u * ty + i;
                    queries[i] = Block(
                        bitcast<vec4<f32>>(staged[at]),
                        bitcast<vec4<f32>>(staged[at + ROW_TILE]),
                    );
                }
                for (var j = 0u; j < TILE_KEYS / 8u; j++) {
                    s[j] += four_dots(&queries, staged_key(block, tx + 8u * j));
                }
            }
        }
        var new_top = top;
        for (var j = 0u; j < TILE_KEYS / 8u; j++) {
            let key = vec4<u32>(first + tx + 8u * j);
            s[j] = select(vec4<f32>(HIDDEN), s[j], key <= position);
            new_top = max(new_top, s[j]);
        }
        tops[lane] = new_top;
        workgroupBarrier();
        for (var other = 0u; other < 8u; other++) {
            new_top = max(new_top, tops[8u * ty + other]);
        }
        let rescale = exp(top - new_top);
        top = new_top;
        norm *= rescale;
        for (var j = 0u; j < TILE_KEYS / 8u; j++) {
            let p = exp(s[j] - top);
            norm += p;
            weights[(tx + 8u * j) * 8u + ty] = p;
        }
        for (var slice = 0u; slice < value_slices; slice++) {
            if slice > 0u {
                workgroupBarrier();
            }
            stage_values(slice, in_tile, lane);
            workgroupBarrier();
            for (var i = 0u; i < 4u; i++) {
                acc[4u * slice + i].a *= rescale[i];
                acc[4u * slice + i].b *= rescale[i];
            }
            for (var key = 0u; key < TILE_KEYS; key++) {
                let p = weights[key * 8u + ty];
                let value = staged_value(tx, key);
                for (var i = 0u; i < 4u; i++) {
                    acc[4u * slice + i].a += p[i] * value.a;
                    acc[4u * slice + i].b += p[i] * value.b;
                }
            }
        }
        workgroupBarrier();
    }
    tops[lane] = norm;
    workgroupBarrier();
    norm = vec4<f32>(0.0);
    for (var other = 0u; other < 8u; other++) {
        norm += tops[8u * ty + other];
    }
    for (var slice = 0u; slice < value_slices; slice++) {
        for (var i = 0u; i < 4u; i++) {
            let row = first_row + 4u * ty + i;
            if row < rows.count {
                for (var c = 0u; c < 8u; c++) {
                    let place = 8u * (VALUE_SLICE * slice + tx) + c;
                    if place < HEAD_DIM {
                        let sums = acc[4u * slice + i];
                        out[out_at(row, head, place)] = select(sums.b[c % 4u], sums.a[c % 4u], c < 4u) / norm[i];
                    }
                }
            }
        }
    }
    if head == 0u {
        for (var row = first_row; row < min(first_row + ROW_TILE, rows.count); row++) {
            zero_padding(row, lane);
        }
    }
}

// Keys, queries and values of main_tile of attention.wgsl in workgroup memory, a slice of a head at a time.

import package::shared::rows::{rows, ROW_TILE};
import package::shared::kv::KV_FORMAT;
import package::shared::heads::{
    q, key_words, value_words, unpacked, Block, Words, HEADS, HEAD_STRIDE, SCALE
};

// Lanes of a workgroup.
const TILE_LANES: u32 = 64u;
override TILE_KEYS: u32 = 32u;  // keys staged at a time, 8 or 32
override KEY_SLICE: u32 = TILE_KEYS / 8u;  // blocks of keys and queries staged at a time
const VALUE_SLICE: u32 = 8u;  // blocks of values
// The sizes have names since naga 30 takes nameless ones for the last constants there are.
override STAGED_VECTORS: u32 = 16u * TILE_KEYS;
override WEIGHT_VECTORS: u32 = 8u * TILE_KEYS;

// Keys: [of f32 2 halves][blocks][keys], then queries: [quads][32 rows]. Values: [of f32 2 halves][keys][8 blocks].
var<workgroup> staged: array<vec4<u32>, STAGED_VECTORS>;
var<workgroup> weights: array<vec4<f32>, WEIGHT_VECTORS>;  // [keys][8 lots of 4 rows]
var<workgroup> tops: array<vec4<f32>, 64>;
var<workgroup> places: array<u32, TILE_KEYS>;

fn staged_queries() -> u32 {
    return 2u * KEY_SLICE * TILE_KEYS;
}

fn stage_keys(slice: u32, in_tile: u32, lane: u32) {
    let blocks = HEAD_STRIDE / 8u;
    for (var i = lane; i < KEY_SLICE * TILE_KEYS; i += TILE_LANES) {
        let key = i / KEY_SLICE;
        let block = i % KEY_SLICE;
        let from_block = slice * KEY_SLICE + block;
        var words = Words(vec4<u32>(0u), vec4<u32>(0u));
        if key < in_tile && from_block < blocks {
            words = key_words(places[key] * blocks + from_block);
        }
        staged[block * TILE_KEYS + key] = words.low;
        if KV_FORMAT == 0u {
            staged[(KEY_SLICE + block) * TILE_KEYS + key] = words.high;
        }
    }
}

fn staged_key(block: u32, key: u32) -> Block {
    let at = block * TILE_KEYS + key;
    if KV_FORMAT == 0u {
        return unpacked(Words(staged[at], staged[KEY_SLICE * TILE_KEYS + at]));
    }
    return unpacked(Words(staged[at], vec4<u32>(0u)));
}

fn stage_queries(first_row: u32, head: u32, slice: u32, lane: u32) {
    let quads = HEAD_STRIDE / 4u;
    for (var i = lane; i < 2u * KEY_SLICE * ROW_TILE; i += TILE_LANES) {
        let row = i / (2u * KEY_SLICE);
        let in_slice = i % (2u * KEY_SLICE);
        let quad = 2u * KEY_SLICE * slice + in_slice;
        var value = vec4<f32>(0.0);
        if first_row + row < rows.count && quad < quads {
            value = q[((first_row + row) * HEADS + head) * quads + quad] * SCALE;
        }
        staged[staged_queries() + in_slice * ROW_TILE + row] = bitcast<vec4<u32>>(value);
    }
}

fn stage_values(slice: u32, in_tile: u32, lane: u32) {
    let blocks = HEAD_STRIDE / 8u;
    for (var i = lane; i < VALUE_SLICE * TILE_KEYS; i += TILE_LANES) {
        let key = i / VALUE_SLICE;
        let block = slice * VALUE_SLICE + i % VALUE_SLICE;
        var words = Words(vec4<u32>(0u), vec4<u32>(0u));
        if key < in_tile && block < blocks {
            words = value_words(places[key] * blocks + block);
        }
        staged[i] = words.low;
        if KV_FORMAT == 0u {
            staged[VALUE_SLICE * TILE_KEYS + i] = words.high;
        }
    }
}

fn staged_value(block: u32, key: u32) -> Block {
    let at = key * VALUE_SLICE + block;
    if KV_FORMAT == 0u {
        return unpacked(Words(staged[at], staged[VALUE_SLICE * TILE_KEYS + at]));
    }
    return unpacked(Words(staged[at], vec4<u32>(0u)));
}

// The dot products of four queries with a key.
fn four_dots(queries: ptr<function, array<Block, 4>>, key: Block) -> vec4<f32> {
    return vec4<f32>(
        dot((*queries)[0].a, key.a) + dot((*queries)[0].b, key.b),
        dot((*queries)[1].a, key.a) + dot((*queries)[1].b, key.b),
        dot((*queries)[2].a, key.a) + dot((*queries)[2].b, key.b),
        dot((*queries)[3].a, key.a) + dot((*queries)[3].b, key.b),
    );
}

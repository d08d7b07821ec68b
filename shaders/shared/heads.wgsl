// What the entry points of attention.wgsl share: its shapes and buffers, and keys and values as they lie there.

import package::shared::rows::rows;
import package::shared::kv::{q8_places, KV_FORMAT};

override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override HEAD_STRIDE: u32 = 8u;
override OUT_STRIDE: u32 = 8u;
override SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> values: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> kv_map: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;

const MAX_KEYS: u32 = 0x20000000u;  // so that counting never runs over

// Eight places.
struct Block {
    a: vec4<f32>,
    b: vec4<f32>,
}

// The words of a block: of f32 all, of f16 the lower ones, of q8 the first two of these.
struct Words {
    low: vec4<u32>,
    high: vec4<u32>,
}

fn unpacked(words: Words) -> Block {
    let low = words.low;
    if KV_FORMAT == 1u {
        return Block(
            vec4<f32>(unpack2x16float(low.x), unpack2x16float(low.y)),
            vec4<f32>(unpack2x16float(low.z), unpack2x16float(low.w)),
        );
    }
    if KV_FORMAT == 2u {
        return Block(q8_places(low.x), q8_places(low.y));
    }
    return Block(bitcast<vec4<f32>>(low), bitcast<vec4<f32>>(words.high));
}

// Adds a value that weighs `p`.
fn plus(sum: Block, p: f32, words: Words) -> Block {
    let value = unpacked(words);
    return Block(sum.a + p * value.a, sum.b + p * value.b);
}

fn key_words(index: u32) -> Words {
    let none = vec4<u32>(0u);
    if KV_FORMAT == 1u {
        return Words(keys[index], none);
    }
    if KV_FORMAT == 2u {
        let at = 2u * (index % 2u);
        return Words(vec4<u32>(keys[index / 2u][at], keys[index / 2u][at + 1u], 0u, 0u), none);
    }
    return Words(keys[2u * index], keys[2u * index + 1u]);
}

fn value_words(index: u32) -> Words {
    let none = vec4<u32>(0u);
    if KV_FORMAT == 1u {
        return Words(values[index], none);
    }
    if KV_FORMAT == 2u {
        let at = 2u * (index % 2u);
        return Words(vec4<u32>(values[index / 2u][at], values[index / 2u][at + 1u], 0u, 0u), none);
    }
    return Words(values[2u * index], values[2u * index + 1u]);
}

fn key_count(row: u32) -> u32 {
    return min(rows.row[row].position, MAX_KEYS) + 1u;
}
// Where place `place` of a head is in a row of `out`: pairs are apart again.
fn out_at(row: u32, head: u32, place: u32) -> u32 {
    return row * OUT_STRIDE + head * HEAD_DIM + place / 2u + (place % 2u) * (HEAD_DIM / 2u);
}

fn zero_padding(row: u32, lane: u32) {
    if lane < OUT_STRIDE - HEADS * HEAD_DIM {
        out[row * OUT_STRIDE + HEADS * HEAD_DIM + lane] = 0.0;
    }
}

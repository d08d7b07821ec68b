// Weight matrices in storage, read eight elements (one block) at a time.
//
// A matrix [N, K] is stored row by row, WEIGHT_BLOCKS blocks a row: padded with zeros to a multiple of 8 elements, so that
// every row starts on a 16-byte boundary in each of the floats, and to a multiple of 32 in the quantised formats.
//
// Those share a scale among 32 elements of a row. The scales are f16, an even number a row, all of them behind all
// elements, where word `scales` of the buffer begins.
//   q8   element = scale * n, n a signed byte
//   q4   element = scale * (n - 8), n in bits 4e .. 4e + 4 of the block's word for its element e

// 0: f32, 1: f16, 2: bf16, as the checkpoint stored it; 3: q8, 4: q4.
override WEIGHT_FORMAT: u32 = 0u;
override WEIGHT_BLOCKS: u32 = 1u;

struct Block {
    a: vec4<f32>,
    b: vec4<f32>,
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;

fn bf16_pair(word: u32) -> vec2<f32> {
    return vec2<f32>(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

fn weight_word(index: u32) -> u32 {
    return weights[index / 4u][index % 4u];
}

fn scale_of(row: u32, block: u32, scales: u32) -> f32 {
    // Scales of a row, two a word: one for four blocks.
    let row_words = (WEIGHT_BLOCKS / 4u + 1u) / 2u;
    let pair = unpack2x16float(weight_word(scales + row * row_words + block / 8u));
    return select(pair.x, pair.y, (block & 4u) != 0u);
}

fn signed_bytes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

// Nibble e of four as (n - 8) * 16^e, without a conversion: behind the exponent of 2^23 it is the last bits of a float,
// which is then 2^23 + n * 16^e exactly.
fn nibbles(word: u32) -> vec4<f32> {
    let bits = (vec4<u32>(word) & vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u)) | vec4<u32>(0x4b000000u);
    return bitcast<vec4<f32>>(bits) - vec4<f32>(8388616.0, 8388736.0, 8390656.0, 8421376.0);
}

// What `weight_steps` is to be multiplied with, element by element: powers of two, so that it may be the other factor of a
// product that is scaled without rounding.
fn step_powers() -> vec4<f32> {
    if WEIGHT_FORMAT == 4u {
        return vec4<f32>(1.0, 0.0625, 0.00390625, 0.000244140625);
    }
    return vec4<f32>(1.0);
}

// Block `block` of a row in a quantised format, without its scale and its powers.
fn weight_steps(row: u32, block: u32) -> Block {
    let index = row * WEIGHT_BLOCKS + block;
    if WEIGHT_FORMAT == 3u {
        return Block(signed_bytes(weight_word(2u * index)), signed_bytes(weight_word(2u * index + 1u)));
    }
    let word = weight_word(index);
    return Block(nibbles(word), nibbles(word >> 16u));
}

// Block `block` of a row. `scales` matters in the quantised formats only.
fn weight_block(row: u32, block: u32, scales: u32) -> Block {
    if WEIGHT_FORMAT >= 3u {
        let powers = scale_of(row, block, scales) * step_powers();
        let steps = weight_steps(row, block);
        return Block(steps.a * powers, steps.b * powers);
    }
    let index = row * WEIGHT_BLOCKS + block;
    if WEIGHT_FORMAT == 0u {
        return Block(bitcast<vec4<f32>>(weights[2u * index]), bitcast<vec4<f32>>(weights[2u * index + 1u]));
    }
    let w = weights[index];
    if WEIGHT_FORMAT == 1u {
        return Block(
            vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)),
            vec4<f32>(unpack2x16float(w.z), unpack2x16float(w.w)),
        );
    }
    return Block(vec4<f32>(bf16_pair(w.x), bf16_pair(w.y)), vec4<f32>(bf16_pair(w.z), bf16_pair(w.w)));
}

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

// Four signed bytes. As in `nibbles`, without a conversion; with the sign bit turned, a byte is n + 128.
fn signed_bytes(word: u32) -> vec4<f32> {
    let turned = word ^ 0x80808080u;
    let bits = (vec4<u32>(turned, turned, turned >> 16u, turned >> 16u) & vec4<u32>(0xffu, 0xff00u, 0xffu, 0xff00u)) | vec4<u32>(0x4b000000u);
    return bitcast<vec4<f32>>(bits) - vec4<f32>(8388736.0, 8421376.0, 8388736.0, 8421376.0);
}

// Nibble e of four as (n - 8) * 16^e, without a conversion: behind the exponent of 2^23 it is the last bits of a float,
// which is then 2^23 + n * 16^e exactly.
fn nibbles(word: u32) -> vec4<f32> {
    let bits = (vec4<u32>(word) & vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u)) | vec4<u32>(0x4b000000u);
    return bitcast<vec4<f32>>(bits) - vec4<f32>(8388616.0, 8388736.0, 8390656.0, 8421376.0);
}

// What `raw_steps` is to be multiplied with, element by element: powers of two, so that it may be the other factor of a
// product that is scaled without rounding.
fn step_powers() -> vec4<f32> {
    if WEIGHT_FORMAT == 4u {
        return vec4<f32>(1.0, 0.0625, 0.00390625, 0.000244140625);
    }
    return vec4<f32>(1.0, 0.00390625, 1.0, 0.00390625);
}

// A block as it lies in the buffer: of f32 all words, of 16 bits the lower ones, of q8 the first two, of q4 the first.
struct Raw {
    low: vec4<u32>,
    high: vec4<u32>,
    scale: f32,  // of quantised formats
}

// Block `block` of a row. `scales` matters in the quantised formats only.
fn weight_raw(row: u32, block: u32, scales: u32) -> Raw {
    let index = row * WEIGHT_BLOCKS + block;
    let none = vec4<u32>(0u);
    if WEIGHT_FORMAT == 0u {
        return Raw(weights[2u * index], weights[2u * index + 1u], 1.0);
    }
    if WEIGHT_FORMAT < 3u {
        return Raw(weights[index], none, 1.0);
    }
    let scale = scale_of(row, block, scales);
    if WEIGHT_FORMAT == 3u {
        return Raw(vec4<u32>(weight_word(2u * index), weight_word(2u * index + 1u), 0u, 0u), none, scale);
    }
    return Raw(vec4<u32>(weight_word(index), 0u, 0u, 0u), none, scale);
}

// Block b of four, of a quantised format, without scale and powers.
fn group_steps(group: Raw, b: u32) -> Block {
    if WEIGHT_FORMAT == 3u {
        let quads = select(group.low, group.high, b >= 2u);
        return Block(signed_bytes(quads[2u * (b % 2u)]), signed_bytes(quads[2u * (b % 2u) + 1u]));
    }
    return Block(nibbles(group.low[b]), nibbles(group.low[b] >> 16u));
}

// Its elements; of quantised formats without scale and powers.
fn raw_steps(raw: Raw) -> Block {
    if WEIGHT_FORMAT == 0u {
        return Block(bitcast<vec4<f32>>(raw.low), bitcast<vec4<f32>>(raw.high));
    }
    let w = raw.low;
    if WEIGHT_FORMAT == 1u {
        return Block(
            vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)),
            vec4<f32>(unpack2x16float(w.z), unpack2x16float(w.w)),
        );
    }
    if WEIGHT_FORMAT == 2u {
        return Block(vec4<f32>(bf16_pair(w.x), bf16_pair(w.y)), vec4<f32>(bf16_pair(w.z), bf16_pair(w.w)));
    }
    return group_steps(raw, 0u);
}

// Its elements.
fn raw_block(raw: Raw) -> Block {
    let steps = raw_steps(raw);
    if WEIGHT_FORMAT < 3u {
        return steps;
    }
    let powers = raw.scale * step_powers();
    return Block(steps.a * powers, steps.b * powers);
}

// Four blocks of a quantised row, which share a scale, from loads of 16 bytes: of q8 all words, of q4 the lower ones.
fn weight_group(row: u32, group: u32, scales: u32) -> Raw {
    let index = row * (WEIGHT_BLOCKS / 4u) + group;
    let scale = scale_of(row, 4u * group, scales);
    if WEIGHT_FORMAT == 3u {
        return Raw(weights[2u * index], weights[2u * index + 1u], scale);
    }
    return Raw(weights[index], vec4<u32>(0u), scale);
}

// Block `block` of a row. `scales` matters in the quantised formats only.
fn weight_block(row: u32, block: u32, scales: u32) -> Block {
    return raw_block(weight_raw(row, block, scales));
}

// Weight matrices in storage, read eight elements (one block) at a time.
//
// A matrix [N, K] is stored row by row; a row is padded with zeros to a multiple of 8 elements, so
// that every row starts on a 16-byte boundary in each of the three formats.

// 0: f32, 1: f16, 2: bf16, as the checkpoint stored it.
override WEIGHT_FORMAT: u32 = 0u;

struct Block {
    a: vec4<f32>,
    b: vec4<f32>,
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;

fn bf16_pair(word: u32) -> vec2<f32> {
    return vec2<f32>(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

// Block `index` counted from the start of the matrix: row * blocks_per_row + block.
fn weight_block(index: u32) -> Block {
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

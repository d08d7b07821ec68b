// Keys and values as the cache holds them.
//
// The HEAD_DIM elements of a head come in pairs, of what one rotation turns: place 2i is element i, place 2i + 1 element
// i + HEAD_DIM / 2. HEAD_STRIDE is HEAD_DIM padded to a multiple of 8 places, the padding zero. Queries have the order of
// the keys, for a dot product takes any.
//   f32   a word a place
//   f16   a word a pair, the first place in its lower half
//   q8    a word for four places, which share a power of two: place c is n * 2^(x - 12), n in the 7 bits from 7 c on, x in
//         the upper four. A scale for a whole head would do with as much, but nobody who writes a part of a head knows it;
//         and here a place that is large takes the bits of three others only. HEAD_DIM is a multiple of 4.

// 0: f32, 1: f16, 2: q8.
override KV_FORMAT: u32 = 0u;

const LARGEST_F16: f32 = 65504.0;

// What is too large for an f16 becomes the largest there is: WGSL does not say what packing would make of it.
fn f16_pair(pair: vec2<f32>) -> u32 {
    return pack2x16float(clamp(pair, vec2<f32>(-LARGEST_F16), vec2<f32>(LARGEST_F16)));
}

const LARGEST_Q8: f32 = 504.0;  // 63 * 2^(15 - 12)

fn q8_quad(quad: vec4<f32>) -> u32 {
    let bounded = clamp(quad, vec4<f32>(-LARGEST_Q8), vec4<f32>(LARGEST_Q8));
    let sizes = abs(bounded);
    let largest = max(max(sizes.x, sizes.y), max(sizes.z, sizes.w));
    // largest < 2^(exponent + 1), of which x - 12 leaves six bits and the sign.
    let exponent = i32(bitcast<u32>(largest) >> 23u) - 127;
    let x = u32(clamp(exponent + 7, 0, 15));
    let steps = round(bounded * bitcast<f32>((139u - x) << 23u));
    let n = bitcast<vec4<u32>>(vec4<i32>(clamp(steps, vec4<f32>(-63.0), vec4<f32>(63.0)))) & vec4<u32>(127u);
    return n.x | (n.y << 7u) | (n.z << 14u) | (n.w << 21u) | (x << 28u);
}

fn q8_places(word: u32) -> vec4<f32> {
    let n = (vec4<i32>(bitcast<i32>(word)) << vec4<u32>(25u, 18u, 11u, 4u)) >> vec4<u32>(25u);
    return vec4<f32>(n) * bitcast<f32>(((word >> 28u) + 115u) << 23u);
}

// Keys and values as the cache holds them.
//
// The HEAD_DIM elements of a head come in pairs, of what one rotation turns: place 2i is element i, place 2i + 1 element
// i + HEAD_DIM / 2. HEAD_STRIDE is HEAD_DIM padded to a multiple of 8 places, the padding zero. Queries have the order of
// the keys, for a dot product takes any.
//   f32   a word a place
//   f16   a word a pair, the first place in its lower half

// 0: f32, 1: f16.
override KV_FORMAT: u32 = 0u;

const LARGEST_F16: f32 = 65504.0;

// What is too large for an f16 becomes the largest there is: WGSL does not say what packing would make of it.
fn f16_pair(pair: vec2<f32>) -> u32 {
    return pack2x16float(clamp(pair, vec2<f32>(-LARGEST_F16), vec2<f32>(LARGEST_F16)));
}

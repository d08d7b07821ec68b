// Products of few rows in whole numbers, four at a time (dot4I8Packed), for quantised weights.
//
// Quantised weights are whole numbers times a scale for each group of 32. So is x made: v = round(x / scale), of 16 bits, the scale
// being the power of two with which the largest of a group is between 16,256 and 32,512: every device rounds it the same way, with
// an error far below that of the weights. With v = 256 h + l, signed bytes both, a sum of products is 256 times the sum of
// n h and the sum of n l, exactly.

import package::shared::weights::{Raw, WEIGHT_FORMAT};
import package::shared::lanes::few_lanes;
import package::shared::staged::{staged_at, staged_x};
import package::shared::fours::{scales_of, FourRaws};

// Added to a number of at most 2^22, 1.5 * 2^23 rounds it to a whole one, which the lower 16 bits of the float then are; the rest
// is 128, for `pack`.
const ROUNDING: f32 = 12583040.0;
// What the bits of a float have to be raised by so that those of more than 127 * 256 times a power of two, the largest for which
// h is a signed byte, have the next exponent.
const TO_NEXT: u32 = 0x1ffffu;

// Upper and lower bytes of four numbers that have 128 added, in their lower 16 bits; as signed bytes, in order.
fn pack(a: u32, b: u32, c: u32, d: u32) -> vec2<u32> {
    let even = (a & 0xffffu) | (c << 16u);
    let odd = (b & 0xffffu) | (d << 16u);
    let high = ((even >> 8u) & 0x00ff00ffu) | (odd & 0xff00ff00u);
    let low = ((even & 0x00ff00ffu) | ((odd << 8u) & 0xff00ff00u)) ^ 0x80808080u;
    return vec2<u32>(high, low);
}

// Makes whole numbers of the group at a place, which they take: four vectors, one a block, and one of the scale and what q4 is to
// be lessened by. Nobody else reads that place, so no barrier is needed before.
fn pack_x(place: u32) {
    // Of bits without the sign: they are ordered as the numbers are, and what is none is above all.
    var largest = vec4<u32>(0u);
    for (var quad = 0u; quad < 8u; quad++) {
        largest = max(largest, few_lanes[staged_at(place, quad)] & vec4<u32>(0x7fffffffu));
    }
    let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
    // The exponent, 127 for 1.
    let exponent = (most + TO_NEXT) >> 23u;
    // Of groups so small that the scale would not be a normal number, nothing is left.
    let there = exponent > 14u;
    let inverse = bitcast<f32>(select(0u, (268u - exponent) << 23u, there));
    var total = vec4<u32>(0u);
    for (var b = 0u; b < 4u; b++) {
        let first = bitcast<vec4<u32>>(staged_x(place, 2u * b) * inverse + ROUNDING);
        let second = bitcast<vec4<u32>>(staged_x(place, 2u * b + 1u) * inverse + ROUNDING);
        total += first + second;
        // In the order of the bytes of `whole_steps`.
        var low = pack(first.x, first.y, first.z, first.w);
        var high = pack(second.x, second.y, second.z, second.w);
        if WEIGHT_FORMAT == 4u {
            low = pack(first.x, first.z, second.x, second.z);
            high = pack(first.y, first.w, second.y, second.w);
        }
        // What lay there has been read.
        few_lanes[staged_at(place, b)] = vec4<u32>(low.x, high.x, low.y, high.y);
    }
    let of_nothing = bitcast<u32>(ROUNDING);
    let sum = total.x + total.y + total.z + total.w - 32u * of_nothing;
    var scale = select(0u, (exponent - 14u) << 23u, there);
    if exponent > 254u {
        // Of what is no number, none; nor of a largest beyond 3.37e38, which would need the scale after the last.
        scale = 0x7fc00000u;
    }
    few_lanes[staged_at(place, 4u)] = vec4<u32>(scale, 8u * sum, 0u, 0u);
}

// The whole numbers of block b of a group, four a word: of q8 in their order, of q4 first the even, then the odd, 8 too large.
fn whole_steps(group: Raw, b: u32) -> vec2<u32> {
    if WEIGHT_FORMAT == 3u {
        let quads = select(group.low, group.high, b >= 2u);
        return vec2<u32>(quads[2u * (b % 2u)], quads[2u * (b % 2u) + 1u]);
    }
    let word = group.low[b];
    return vec2<u32>(word & 0x0f0f0f0fu, (word >> 4u) & 0x0f0f0f0fu);
}

// sums plus what a block gives: the sum of n h and that of n l.
fn plus_whole_dot(sums: vec2<i32>, steps: vec2<u32>, x: vec4<u32>) -> vec2<i32> {
    let high = dot4I8Packed(steps.y, x.y) + (dot4I8Packed(steps.x, x.x) + sums.x);
    let low = dot4I8Packed(steps.y, x.w) + (dot4I8Packed(steps.x, x.z) + sums.y);
    return vec2<i32>(high, low);
}

fn whole_dot(group: Raw, first: vec4<u32>, second: vec4<u32>, third: vec4<u32>, fourth: vec4<u32>, lessened: i32) -> f32 {
    var sums = vec2<i32>(0, -lessened);
    sums = plus_whole_dot(sums, whole_steps(group, 0u), first);
    sums = plus_whole_dot(sums, whole_steps(group, 1u), second);
    sums = plus_whole_dot(sums, whole_steps(group, 2u), third);
    sums = plus_whole_dot(sums, whole_steps(group, 3u), fourth);
    return f32(256 * sums.x + sums.y);
}

// What four groups of W give with the packed group of x at a place.
fn four_whole_dots(w: FourRaws, place: u32) -> vec4<f32> {
    let first = few_lanes[staged_at(place, 0u)];
    let second = few_lanes[staged_at(place, 1u)];
    let third = few_lanes[staged_at(place, 2u)];
    let fourth = few_lanes[staged_at(place, 3u)];
    let about = few_lanes[staged_at(place, 4u)];
    let lessened = select(0, bitcast<i32>(about.y), WEIGHT_FORMAT == 4u);
    let dots = vec4<f32>(
        whole_dot(w.a, first, second, third, fourth, lessened),
        whole_dot(w.b, first, second, third, fourth, lessened),
        whole_dot(w.c, first, second, third, fourth, lessened),
        whole_dot(w.d, first, second, third, fourth, lessened),
    );
    return (scales_of(w) * bitcast<f32>(about.x)) * dots;
}

// y = x W^T for a part of a weight matrix, the core of linear, qkv and swiglu.
//
//   x        [rows, 8 * K_BLOCKS] f32, padded with zeros to a multiple of 8
//   weights  [part.weight_rows, 8 * WEIGHT_BLOCKS], see weights.wgsl
//
// An output *slot* is a row of W, in an order that puts what an epilogue needs together next to each
// other: within each group of SPAN rows, slot 2i is row i and slot 2i + 1 is row i + SPAN / 2.
// SPAN = 2 is the identity; head_dim pairs what rotary embedding rotates; 0 takes the whole part for a group, which
// pairs gate and up. Slots beyond the matrix read as zero, which writes the padding of the output.
//
// Three ways to compute it: `few` (few.wgsl) for up to 8 rows (each weight is read once, lanes split K); `tile` (tile.wgsl) for
// many (32 or 64 rows x 64 slots a workgroup); and `block` (block.wgsl) for many on CPUs. `tile` takes 8 KiB of workgroup memory
// and 64 invocations, `few` 128 bytes for each of up to 256, as the tuning says: no more than the device has.
//
// What a lane adds up stands in variables of their own, not in arrays: those stay in registers only where a driver unrolls
// the loops over them.

import package::shared::weights::Block;
import package::shared::rows::rows;

override K_BLOCKS: u32 = 1u;
// 1: row r reads x at its state slot instead of at r (the head reads states).
override GATHER_STATES: u32 = 0u;
// See above.
override SPAN: u32 = 2u;

struct Part {
    first_output: u32,  // the output that the part's first slot belongs to
    weight_rows: u32,   // rows of W in this part
    slots: u32,         // slots this part answers for: its rows, and in the last part the padding
    outputs: u32,       // row stride of the output, a multiple of 8
    scales: u32,        // word of the buffer at which the scales of quantised weights begin
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> part: Part;

// The row of W that a slot is; of slots beyond the matrix, one that is there.
fn weight_row(slot: u32) -> u32 {
    if slot >= part.weight_rows {
        return 0u;
    }
    if SPAN == 0u {
        return slot / 2u + (slot % 2u) * (part.weight_rows / 2u);
    }
    // Never zero, which may not divide.
    let span = max(SPAN, 2u);
    let in_span = slot % span;
    return slot - in_span + (in_span % 2u) * (span / 2u) + in_span / 2u;
}

fn four_weight_rows(slot: u32) -> vec4<u32> {
    return vec4<u32>(weight_row(slot), weight_row(slot + 1u), weight_row(slot + 2u), weight_row(slot + 3u));
}

fn x_row(row: u32) -> u32 {
    if GATHER_STATES == 1u {
        return rows.row[row].state;
    }
    return row;
}

fn x_block(row: u32, block: u32) -> Block {
    let at = 2u * (x_row(row) * K_BLOCKS + block);
    return Block(x[at], x[at + 1u]);
}

// sum + w . x, added up in order, so that a driver may fuse each product with its sum.
fn plus_dot(sum: f32, w: vec4<f32>, x: vec4<f32>) -> f32 {
    return (((sum + w.x * x.x) + w.y * x.y) + w.z * x.z) + w.w * x.w;
}

// A lane's sums of eight rows at most, four slots each; and of as many slots more.
var<private> sum_0: vec4<f32>;
var<private> sum_1: vec4<f32>;
var<private> sum_2: vec4<f32>;
var<private> sum_3: vec4<f32>;
var<private> sum_4: vec4<f32>;
var<private> sum_5: vec4<f32>;
var<private> sum_6: vec4<f32>;
var<private> sum_7: vec4<f32>;
var<private> high_0: vec4<f32>;
var<private> high_1: vec4<f32>;
var<private> high_2: vec4<f32>;
var<private> high_3: vec4<f32>;
var<private> high_4: vec4<f32>;
var<private> high_5: vec4<f32>;
var<private> high_6: vec4<f32>;
var<private> high_7: vec4<f32>;

// y = x W^T for a part of a weight matrix, the core of linear, qkv and swiglu.
//
//   x        [rows, 8 * K_BLOCKS] f32, padded with zeros to a multiple of 8
//   weights  [part.weight_rows, 8 * WEIGHT_BLOCKS], see weights.wgsl
//
// An output *slot* is a row of W, in an order that puts what an epilogue needs together next to each
// other: within each group of part.span rows, slot 2i is row i and slot 2i + 1 is row i + span / 2.
// span = 2 is the identity; head_dim pairs what rotary embedding rotates; twice the intermediate size
// pairs gate and up. Slots beyond the matrix read as zero, which writes the padding of the output.
//
// Two ways to compute it: `few` for up to 8 rows (each weight is read once, lanes split K) and `tile`
// for many (32 rows x 64 slots a workgroup). Both are at most 64 invocations and fit in WebGPU's default limits:
// `few` takes 10 KiB of workgroup memory, `tile` 6 KiB.

import package::shared::weights::{weight_block, weight_steps, scale_of, step_powers, Block, WEIGHT_FORMAT};
import package::shared::rows::rows;

override K_BLOCKS: u32 = 1u;
// 1: row r reads x at its state slot instead of at r (the head reads states).
override GATHER_STATES: u32 = 0u;
// Rows a workgroup of `few` computes: 1, 2, 4 or 8.
override FEW_ROWS: u32 = 1u;
// Slots a workgroup of `few` computes: 4 or 8, and at most 32 sums with its rows. Each value of x is loaded once for them.
override FEW_SLOTS: u32 = 4u;

struct Part {
    first_output: u32,  // the output that the part's first slot belongs to
    weight_rows: u32,   // rows of W in this part
    slots: u32,         // slots this part answers for: its rows, and in the last part the padding
    span: u32,          // see above
    outputs: u32,       // row stride of the output, a multiple of 8
    scales: u32,        // word of the buffer at which the scales of quantised weights begin
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> part: Part;

// Lanes of a workgroup of `few`: 8, 16, 32 or 64. They split K.
override LANES: u32 = 64u;
const TILE_ROWS: u32 = 32u;
const TILE_SLOTS: u32 = 64u;

fn weight_row(slot: u32) -> u32 {
    let in_span = slot % part.span;
    return slot - in_span + (in_span % 2u) * (part.span / 2u) + in_span / 2u;
}

fn x_row(row: u32) -> u32 {
    if GATHER_STATES == 1u {
        return rows.row[row].state;
    }
    return row;
}

// The sums of each lane, then of four lanes each: an order that does not depend on FEW_ROWS, so that a row comes to the same
// bits however many others share its pass.
var<workgroup> few_partial: array<f32, 2048>;
var<workgroup> few_fours: array<f32, 512>;

// Leaves the parts of the sum for (row r, slot first_slot + j) to few_sum(j, r).
fn few(first_row: u32, first_slot: u32, lane: u32) {
    let row_count = min(FEW_ROWS, rows.count - first_row);
    var acc: array<f32, 32>;
    for (var i = 0u; i < FEW_SLOTS * FEW_ROWS; i++) {
        acc[i] = 0.0;
    }
    for (var block = lane; block < K_BLOCKS; block += LANES) {
        var xs: array<Block, 8>;
        for (var r = 0u; r < FEW_ROWS; r++) {
            if r < row_count {
                let at = 2u * (x_row(first_row + r) * K_BLOCKS + block);
                xs[r] = Block(x[at], x[at + 1u]);
                if WEIGHT_FORMAT >= 3u {
                    xs[r].a *= step_powers();
                    xs[r].b *= step_powers();
                }
            }
        }
        for (var j = 0u; j < FEW_SLOTS; j++) {
            let row = weight_row(first_slot + j);
            if row < part.weight_rows {
                if WEIGHT_FORMAT >= 3u {
                    let w = weight_steps(row, block);
                    let scale = scale_of(row, block, part.scales);
                    for (var r = 0u; r < FEW_ROWS; r++) {
                        acc[j * FEW_ROWS + r] += scale * (dot(w.a, xs[r].a) + dot(w.b, xs[r].b));
                    }
                } else {
                    let w = weight_block(row, block, part.scales);
                    for (var r = 0u; r < FEW_ROWS; r++) {
                        acc[j * FEW_ROWS + r] += dot(w.a, xs[r].a) + dot(w.b, xs[r].b);
                    }
                }
            }
        }
    }
    let sums = FEW_SLOTS * FEW_ROWS;
    for (var i = 0u; i < sums; i++) {
        few_partial[lane * sums + i] = acc[i];
    }
    workgroupBarrier();
    for (var item = lane; item < sums * LANES / 4u; item += LANES) {
        let at = 4u * (item / sums) * sums + item % sums;
        few_fours[item] = few_partial[at] + few_partial[at + sums] + few_partial[at + 2u * sums] + few_partial[at + 3u * sums];
    }
    workgroupBarrier();
}

// The sum for (row r, slot first_slot + j), after `few`.
fn few_sum(j: u32, r: u32) -> f32 {
    let sums = FEW_SLOTS * FEW_ROWS;
    var total = 0.0;
    for (var group = 0u; group < LANES / 4u; group++) {
        total += few_fours[group * sums + j * FEW_ROWS + r];
    }
    return total;
}

const TILE_BLOCKS: u32 = 2u;  // blocks of K staged at a time: 16 elements

// Four elements of K each. Lanes write whole vectors: writing one component may touch its neighbours.
var<workgroup> tile_x: array<vec4<f32>, 128>;  // [4 quads of K][32 rows]
var<workgroup> tile_w: array<vec4<f32>, 256>;  // [4 quads of K][64 slots, those that lanes read together side by side]

// Sums of row 4 ty + i, slots 4 tx + 32 j + (x, y, z, w) of the tile, in tile_acc[2 i + j].
var<private> tile_acc: array<vec4<f32>, 8>;

fn four_dots(xv: vec4<f32>, at: u32) -> vec4<f32> {
    return vec4<f32>(
        dot(xv, tile_w[at]),
        dot(xv, tile_w[at + 8u]),
        dot(xv, tile_w[at + 16u]),
        dot(xv, tile_w[at + 24u]),
    );
}

fn tile(first_row: u32, first_slot: u32, lane: u32) {
    let tx = lane % 8u;
    let ty = lane / 8u;
    let zero = Block(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var i = 0u; i < 8u; i++) {
        tile_acc[i] = vec4<f32>(0.0);
    }
    for (var start = 0u; start < K_BLOCKS; start += TILE_BLOCKS) {
        // 32 rows x 2 blocks: one each; 64 slots x 2 blocks: two each.
        let place = lane / TILE_BLOCKS;
        let at = lane % TILE_BLOCKS;
        let row = first_row + place;
        var value = zero;
        if row < rows.count && start + at < K_BLOCKS {
            let from_x = 2u * (x_row(row) * K_BLOCKS + start + at);
            value = Block(x[from_x], x[from_x + 1u]);
        }
        tile_x[64u * at + place] = value.a;
        tile_x[64u * at + 32u + place] = value.b;
        for (var half = 0u; half < 2u; half++) {
            let w_row = weight_row(first_slot + 32u * half + place);
            value = zero;
            if w_row < part.weight_rows && start + at < K_BLOCKS {
                value = weight_block(w_row, start + at, part.scales);
            }
            let to = 128u * at + 32u * half + 8u * (place % 4u) + place / 4u;
            tile_w[to] = value.a;
            tile_w[to + 64u] = value.b;
        }
        workgroupBarrier();
        for (var quad = 0u; quad < 2u * TILE_BLOCKS; quad++) {
            for (var i = 0u; i < 4u; i++) {
                let xv = tile_x[32u * quad + 4u * ty + i];
                tile_acc[2u * i] += four_dots(xv, 64u * quad + tx);
                tile_acc[2u * i + 1u] += four_dots(xv, 64u * quad + 32u + tx);
            }
        }
        workgroupBarrier();
    }
}

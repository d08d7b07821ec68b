// Products of many rows, in tiles of 32 or 64 rows by 64 slots: see matmul.wgsl. A weight is unpacked once a tile.

import package::shared::weights::{weight_raw, raw_block, Block, Raw};
import package::shared::rows::rows;
import package::shared::matmul::{
    part, plus_dot, weight_row, x_block, K_BLOCKS,
    sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7,
    high_0, high_1, high_2, high_3, high_4, high_5, high_6, high_7
};

// Rows a workgroup of `tile` computes: 32 or 64.
override TILE_ROWS: u32 = 32u;
const TILE_SLOTS: u32 = 64u;

const TILE_BLOCKS: u32 = 2u;  // blocks of K staged at a time: 16 elements

// Four elements of K each. Lanes write whole vectors: writing one component may touch its neighbours.
var<workgroup> tile_x: array<vec4<f32>, 4 * TILE_ROWS>;  // [4 quads of K][32 or 64 rows]
var<workgroup> tile_w: array<vec4<f32>, 256>;  // [4 quads of K][64 slots, those that lanes read together side by side]

// A lane has rows R ty .. R ty + R of the tile, R being TILE_ROWS / 8, and of them slots 4 tx .. 4 tx + 3 in sum_0 to sum_7,
// slots 32 + 4 tx .. 32 + 4 tx + 3 in high_0 to high_7.

// What is on its way to tile_x and tile_w while the lanes are still at work on what is there.
var<private> coming_x_0: Block;
var<private> coming_x_1: Block;
var<private> coming_w_0: Raw;
var<private> coming_w_1: Raw;

fn tile_fetch(first_row: u32, w_row: vec2<u32>, in_matrix: vec2<bool>, start: u32, lane: u32) {
    let place = lane / TILE_BLOCKS;
    let block = start + lane % TILE_BLOCKS;
    coming_x_0 = Block(vec4<f32>(0.0), vec4<f32>(0.0));
    coming_x_1 = coming_x_0;
    coming_w_0 = Raw(vec4<u32>(0u), vec4<u32>(0u), 0.0);
    coming_w_1 = coming_w_0;
    if block < K_BLOCKS {
        if first_row + place < rows.count {
            coming_x_0 = x_block(first_row + place, block);
        }
        if TILE_ROWS == 64u && first_row + 32u + place < rows.count {
            coming_x_1 = x_block(first_row + 32u + place, block);
        }
        if in_matrix.x {
            coming_w_0 = weight_raw(w_row.x, block, part.scales);
        }
        if in_matrix.y {
            coming_w_1 = weight_raw(w_row.y, block, part.scales);
        }
    }
}

fn tile_store_w(half: u32, lane: u32, in_matrix: bool, raw: Raw) {
    let place = lane / TILE_BLOCKS;
    let to = 128u * (lane % TILE_BLOCKS) + 32u * half + 8u * (place % 4u) + place / 4u;
    // What is no weight is zero, whatever its format would make of its bits.
    let block = raw_block(raw);
    tile_w[to] = select(vec4<f32>(0.0), block.a, in_matrix);
    tile_w[to + 64u] = select(vec4<f32>(0.0), block.b, in_matrix);
}

fn tile_store(in_matrix: vec2<bool>, start: u32, lane: u32) {
    let place = lane / TILE_BLOCKS;
    let to = 2u * TILE_ROWS * (lane % TILE_BLOCKS) + place;
    tile_x[to] = coming_x_0.a;
    tile_x[to + TILE_ROWS] = coming_x_0.b;
    if TILE_ROWS == 64u {
        tile_x[to + 32u] = coming_x_1.a;
        tile_x[to + TILE_ROWS + 32u] = coming_x_1.b;
    }
    let in_row = start + lane % TILE_BLOCKS < K_BLOCKS;
    tile_store_w(0u, lane, in_matrix.x && in_row, coming_w_0);
    tile_store_w(1u, lane, in_matrix.y && in_row, coming_w_1);
}

// Four slots of a quad of K.
struct FourSlots {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn four_slots(at: u32) -> FourSlots {
    return FourSlots(tile_w[at], tile_w[at + 8u], tile_w[at + 16u], tile_w[at + 24u]);
}

fn plus_dots(sum: vec4<f32>, xs: vec4<f32>, w: FourSlots) -> vec4<f32> {
    return vec4<f32>(
        plus_dot(sum.x, w.a, xs),
        plus_dot(sum.y, w.b, xs),
        plus_dot(sum.z, w.c, xs),
        plus_dot(sum.w, w.d, xs),
    );
}

fn tile(first_row: u32, first_slot: u32, lane: u32) {
    let tx = lane % 8u;
    let ty = lane / 8u;
    let slots = vec2<u32>(first_slot, first_slot + 32u) + vec2<u32>(lane / TILE_BLOCKS);
    let w_row = vec2<u32>(weight_row(slots.x), weight_row(slots.y));
    let in_matrix = slots < vec2<u32>(part.weight_rows);
    tile_fetch(first_row, w_row, in_matrix, 0u, lane);
    for (var start = 0u; start < K_BLOCKS; start += TILE_BLOCKS) {
        tile_store(in_matrix, start, lane);
        workgroupBarrier();
        tile_fetch(first_row, w_row, in_matrix, start + TILE_BLOCKS, lane);
        for (var quad = 0u; quad < 2u * TILE_BLOCKS; quad++) {
            let low = four_slots(64u * quad + tx);
            let high = four_slots(64u * quad + 32u + tx);
            let at = TILE_ROWS * quad + TILE_ROWS / 8u * ty;
            let x_0 = tile_x[at];
            let x_1 = tile_x[at + 1u];
            let x_2 = tile_x[at + 2u];
            let x_3 = tile_x[at + 3u];
            sum_0 = plus_dots(sum_0, x_0, low);
            sum_1 = plus_dots(sum_1, x_1, low);
            sum_2 = plus_dots(sum_2, x_2, low);
            sum_3 = plus_dots(sum_3, x_3, low);
            high_0 = plus_dots(high_0, x_0, high);
            high_1 = plus_dots(high_1, x_1, high);
            high_2 = plus_dots(high_2, x_2, high);
            high_3 = plus_dots(high_3, x_3, high);
            if TILE_ROWS == 64u {
                let x_4 = tile_x[at + 4u];
                let x_5 = tile_x[at + 5u];
                let x_6 = tile_x[at + 6u];
                let x_7 = tile_x[at + 7u];
                sum_4 = plus_dots(sum_4, x_4, low);
                sum_5 = plus_dots(sum_5, x_5, low);
                sum_6 = plus_dots(sum_6, x_6, low);
                sum_7 = plus_dots(sum_7, x_7, low);
                high_4 = plus_dots(high_4, x_4, high);
                high_5 = plus_dots(high_5, x_5, high);
                high_6 = plus_dots(high_6, x_6, high);
                high_7 = plus_dots(high_7, x_7, high);
            }
        }
        workgroupBarrier();
    }
}

// After `tile`, the sums of a lane's row i, for its lower or its higher slots.
fn tile_sums(i: u32, higher: bool) -> vec4<f32> {
    switch i {
        case 0u: { return select(sum_0, high_0, higher); }
        case 1u: { return select(sum_1, high_1, higher); }
        case 2u: { return select(sum_2, high_2, higher); }
        case 3u: { return select(sum_3, high_3, higher); }
        case 4u: { return select(sum_4, high_4, higher); }
        case 5u: { return select(sum_5, high_5, higher); }
        case 6u: { return select(sum_6, high_6, higher); }
        default: { return select(sum_7, high_7, higher); }
    }
}

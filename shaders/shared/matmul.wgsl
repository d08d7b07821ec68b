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
// Two ways to compute it: `few` for up to 8 rows (each weight is read once, lanes split K) and `tile`
// for many (32 or 64 rows x 64 slots a workgroup). Both are at most 64 invocations and fit in WebGPU's default limits:
// `few` takes 9 KiB of workgroup memory, `tile` 8 KiB.
//
// What a lane adds up stands in variables of their own, not in arrays: those stay in registers only where a driver unrolls
// the loops over them, and on an H200 that made products of one row a fifth as fast as they could be.

import package::shared::weights::{
    weight_raw, weight_group, raw_block, raw_steps, group_steps, step_powers, Block, Group, Raw, WEIGHT_BLOCKS, WEIGHT_FORMAT
};
import package::shared::rows::rows;

override K_BLOCKS: u32 = 1u;
// 1: row r reads x at its state slot instead of at r (the head reads states).
override GATHER_STATES: u32 = 0u;
// Rows a workgroup of `few` computes: 1, 2, 4 or 8.
override FEW_ROWS: u32 = 1u;
// Slots a workgroup of `few` computes: 4, or with up to four rows 8. Each value of x is loaded once for them.
override FEW_SLOTS: u32 = 4u;
// See above.
override SPAN: u32 = 2u;
// 1: a lane of `few` takes 32 elements of a quantised row at a time, in loads of 16 bytes, instead of 8.
override WIDE: u32 = 0u;

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

// Lanes of a workgroup of `few`: 8, 16, 32 or 64. They split K.
override LANES: u32 = 64u;
// Rows a workgroup of `tile` computes: 32 or 64.
override TILE_ROWS: u32 = 32u;
const TILE_SLOTS: u32 = 64u;

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

// A block of K of four rows of W.
struct Four {
    a: Block,
    b: Block,
    c: Block,
    d: Block,
}

fn block_dot(w: Block, x: Block) -> f32 {
    return plus_dot(plus_dot(0.0, w.a, x.a), w.b, x.b);
}

fn four_block_dots(w: Four, x: Block) -> vec4<f32> {
    return vec4<f32>(block_dot(w.a, x), block_dot(w.b, x), block_dot(w.c, x), block_dot(w.d, x));
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

// Block `block` of x for a row; of rows that are not there, another's.
fn few_x(row: u32, block: u32) -> Block {
    var from_x = x_block(min(row, rows.count - 1u), block);
    if WEIGHT_FORMAT >= 3u {
        from_x.a *= step_powers();
        from_x.b *= step_powers();
    }
    return from_x;
}

fn scaled(scale: vec4<f32>, sums: vec4<f32>) -> vec4<f32> {
    if WEIGHT_FORMAT >= 3u {
        return scale * sums;
    }
    return sums;
}

// Adds what a block of K gives to all sums of a lane.
fn few_add(first_row: u32, block: u32, low: Four, low_scale: vec4<f32>, high: Four, high_scale: vec4<f32>) {
    let x_0 = few_x(first_row, block);
    sum_0 += scaled(low_scale, four_block_dots(low, x_0));
    if FEW_SLOTS == 8u {
        high_0 += scaled(high_scale, four_block_dots(high, x_0));
    }
    if FEW_ROWS > 1u {
        let x_1 = few_x(first_row + 1u, block);
        sum_1 += scaled(low_scale, four_block_dots(low, x_1));
        if FEW_SLOTS == 8u {
            high_1 += scaled(high_scale, four_block_dots(high, x_1));
        }
    }
    if FEW_ROWS > 2u {
        let x_2 = few_x(first_row + 2u, block);
        let x_3 = few_x(first_row + 3u, block);
        sum_2 += scaled(low_scale, four_block_dots(low, x_2));
        sum_3 += scaled(low_scale, four_block_dots(low, x_3));
        if FEW_SLOTS == 8u {
            high_2 += scaled(high_scale, four_block_dots(high, x_2));
            high_3 += scaled(high_scale, four_block_dots(high, x_3));
        }
    }
    if FEW_ROWS > 4u {
        sum_4 += scaled(low_scale, four_block_dots(low, few_x(first_row + 4u, block)));
        sum_5 += scaled(low_scale, four_block_dots(low, few_x(first_row + 5u, block)));
        sum_6 += scaled(low_scale, four_block_dots(low, few_x(first_row + 6u, block)));
        sum_7 += scaled(low_scale, four_block_dots(low, few_x(first_row + 7u, block)));
    }
}

struct FourGroups {
    a: Group,
    b: Group,
    c: Group,
    d: Group,
}

fn four_groups(row: vec4<u32>, group: u32) -> FourGroups {
    return FourGroups(
        weight_group(row.x, group, part.scales),
        weight_group(row.y, group, part.scales),
        weight_group(row.z, group, part.scales),
        weight_group(row.w, group, part.scales),
    );
}

fn of_groups(w: FourGroups, b: u32) -> Four {
    return Four(group_steps(w.a, b), group_steps(w.b, b), group_steps(w.c, b), group_steps(w.d, b));
}

fn scales_of(w: FourGroups) -> vec4<f32> {
    return vec4<f32>(w.a.scale, w.b.scale, w.c.scale, w.d.scale);
}

struct FourRaws {
    a: Raw,
    b: Raw,
    c: Raw,
    d: Raw,
}

fn four_raws(row: vec4<u32>, block: u32) -> FourRaws {
    return FourRaws(
        weight_raw(row.x, block, part.scales),
        weight_raw(row.y, block, part.scales),
        weight_raw(row.z, block, part.scales),
        weight_raw(row.w, block, part.scales),
    );
}

// Without scales, which the sums are multiplied with.
fn of_raws(w: FourRaws) -> Four {
    return Four(raw_steps(w.a), raw_steps(w.b), raw_steps(w.c), raw_steps(w.d));
}

fn raw_scales(w: FourRaws) -> vec4<f32> {
    return vec4<f32>(w.a.scale, w.b.scale, w.c.scale, w.d.scale);
}

// Leaves the sums of its rows and slots to few_sums.
fn few(first_row: u32, first_slot: u32, lane: u32) {
    let low_row = four_weight_rows(first_slot);
    var high_row = low_row;
    if FEW_SLOTS == 8u {
        high_row = four_weight_rows(first_slot + 4u);
    }
    if WIDE == 1u && WEIGHT_FORMAT >= 3u {
        let groups = WEIGHT_BLOCKS / 4u;
        for (var turn = 0u; turn < (groups + LANES - 1u) / LANES; turn++) {
            let group = turn * LANES + lane;
            if groups % LANES == 0u || group < groups {
                let low = four_groups(low_row, group);
                var high = low;
                if FEW_SLOTS == 8u {
                    high = four_groups(high_row, group);
                }
                let low_scale = scales_of(low);
                let high_scale = scales_of(high);
                let block = 4u * group;
                few_add(first_row, block, of_groups(low, 0u), low_scale, of_groups(high, 0u), high_scale);
                if K_BLOCKS % 4u == 0u || block + 1u < K_BLOCKS {
                    few_add(first_row, block + 1u, of_groups(low, 1u), low_scale, of_groups(high, 1u), high_scale);
                }
                if K_BLOCKS % 4u == 0u || block + 2u < K_BLOCKS {
                    few_add(first_row, block + 2u, of_groups(low, 2u), low_scale, of_groups(high, 2u), high_scale);
                }
                if K_BLOCKS % 4u == 0u || block + 3u < K_BLOCKS {
                    few_add(first_row, block + 3u, of_groups(low, 3u), low_scale, of_groups(high, 3u), high_scale);
                }
            }
        }
    } else {
        for (var turn = 0u; turn < (K_BLOCKS + LANES - 1u) / LANES; turn++) {
            let block = turn * LANES + lane;
            if K_BLOCKS % LANES == 0u || block < K_BLOCKS {
                let low = four_raws(low_row, block);
                var high = low;
                if FEW_SLOTS == 8u {
                    high = four_raws(high_row, block);
                }
                few_add(first_row, block, of_raws(low), raw_scales(low), of_raws(high), raw_scales(high));
            }
        }
    }
    few_reduce(lane);
}

// Sums of a lane, and what is left of them: an order that does not depend on the number of rows, so that a row comes to the
// same bits however many others share its pass.
var<workgroup> few_lanes: array<vec4<f32>, 512>;
var<workgroup> few_eighths: array<vec4<f32>, 64>;

fn few_sum_count() -> u32 {
    return FEW_ROWS * FEW_SLOTS / 4u;
}

@if(subgroups)
var<private> few_subgroup_size: u32;
@if(subgroups)
var<private> few_place: u32;

// Tells `few` what only an entry point is told.
@if(subgroups)
fn few_in_subgroup(size: u32, place: u32) {
    few_subgroup_size = size;
    few_place = place;
}

@if(subgroups)
fn few_leave(lane: u32, i: u32, sum: vec4<f32>) {
    let total = subgroupAdd(sum);
    if few_place == 0u {
        few_lanes[lane / few_subgroup_size * few_sum_count() + i] = total;
    }
}

@if(!subgroups)
fn few_leave(lane: u32, i: u32, sum: vec4<f32>) {
    few_lanes[lane * few_sum_count() + i] = sum;
}

fn few_reduce(lane: u32) {
    let count = few_sum_count();
    few_leave(lane, 0u, sum_0);
    if FEW_ROWS > 1u {
        few_leave(lane, 1u, sum_1);
    }
    if FEW_ROWS > 2u {
        few_leave(lane, 2u, sum_2);
        few_leave(lane, 3u, sum_3);
    }
    if FEW_ROWS > 4u {
        few_leave(lane, 4u, sum_4);
        few_leave(lane, 5u, sum_5);
        few_leave(lane, 6u, sum_6);
        few_leave(lane, 7u, sum_7);
    }
    if FEW_SLOTS == 8u {
        few_leave(lane, FEW_ROWS, high_0);
        if FEW_ROWS > 1u {
            few_leave(lane, FEW_ROWS + 1u, high_1);
        }
        if FEW_ROWS > 2u {
            few_leave(lane, FEW_ROWS + 2u, high_2);
            few_leave(lane, FEW_ROWS + 3u, high_3);
        }
    }
    workgroupBarrier();
    @if(!subgroups) {
        if lane < count * (LANES / 8u) {
            let at = 8u * (lane / count) * count + lane % count;
            let low = (few_lanes[at] + few_lanes[at + count]) + (few_lanes[at + 2u * count] + few_lanes[at + 3u * count]);
            let half = at + 4u * count;
            let high = (few_lanes[half] + few_lanes[half + count]) + (few_lanes[half + 2u * count] + few_lanes[half + 3u * count]);
            few_eighths[lane] = low + high;
        }
        workgroupBarrier();
    }
}

@if(!subgroups)
fn few_total(i: u32) -> vec4<f32> {
    let count = few_sum_count();
    var total = few_eighths[i];
    if LANES > 8u {
        total += few_eighths[count + i];
    }
    if LANES > 16u {
        total += few_eighths[2u * count + i] + few_eighths[3u * count + i];
    }
    if LANES > 32u {
        total += (few_eighths[4u * count + i] + few_eighths[5u * count + i]) + (few_eighths[6u * count + i] + few_eighths[7u * count + i]);
    }
    return total;
}

@if(subgroups)
fn few_total(i: u32) -> vec4<f32> {
    var total = vec4<f32>(0.0);
    for (var subgroup = 0u; subgroup < (LANES + few_subgroup_size - 1u) / few_subgroup_size; subgroup++) {
        total += few_lanes[subgroup * few_sum_count() + i];
    }
    return total;
}

// After `few`, result `i` of FEW_ROWS * FEW_SLOTS / 4: the sums of row i % FEW_ROWS for the slots from few_slot(i) on.
fn few_sums(first_slot: u32, i: u32) -> vec4<f32> {
    let slots = vec4<u32>(first_slot + few_slot(i)) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), few_total(i), slots < vec4<u32>(part.weight_rows));
}

fn few_slot(i: u32) -> u32 {
    return 4u * (i / FEW_ROWS);
}

const TILE_BLOCKS: u32 = 2u;  // blocks of K staged at a time: 16 elements

// Four elements of K each. Lanes write whole vectors: writing one component may touch its neighbours.
var<workgroup> tile_x: array<vec4<f32>, 256>;  // [4 quads of K][32 or 64 rows]
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

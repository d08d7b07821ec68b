// Products of up to 8 rows: see matmul.wgsl. Each weight is read once, and lanes split K.

import package::shared::weights::{
    weight_raw, weight_group, raw_steps, group_steps, step_powers, Block, Raw, WEIGHT_BLOCKS, WEIGHT_FORMAT
};
import package::shared::rows::rows;
import package::shared::matmul::{
    part, plus_dot, weight_row, x_block, K_BLOCKS,
    sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, high_0, high_1, high_2, high_3
};

// Rows a workgroup of `few` computes: 1, 2, 4 or 8.
override FEW_ROWS: u32 = 1u;
// Slots a workgroup of `few` computes: 4, or with up to four rows 8. Each value of x is loaded once for them.
override FEW_SLOTS: u32 = 4u;
// 1: a lane of `few` takes 32 elements of a quantised row at a time, in loads of 16 bytes, instead of 8.
override WIDE: u32 = 0u;
// Lanes of a workgroup of `few`: 8, 16, 32 or 64. They split K.
override LANES: u32 = 64u;
// The vectors of sums a lane has. No more workgroup memory is declared than they need: a browser has
// every workgroup set it to zero, and SwiftShader compiles a store for each word of it.
override FEW_SUMS: u32 = FEW_ROWS * FEW_SLOTS / 4u;

fn four_weight_rows(slot: u32) -> vec4<u32> {
    return vec4<u32>(weight_row(slot), weight_row(slot + 1u), weight_row(slot + 2u), weight_row(slot + 3u));
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

// The same as they lie in the buffer: a block, or, of a quantised format, a group of four.
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

fn four_groups(row: vec4<u32>, group: u32) -> FourRaws {
    return FourRaws(
        weight_group(row.x, group, part.scales),
        weight_group(row.y, group, part.scales),
        weight_group(row.z, group, part.scales),
        weight_group(row.w, group, part.scales),
    );
}

// Without scales, which the sums are multiplied with.
fn of_raws(w: FourRaws) -> Four {
    return Four(raw_steps(w.a), raw_steps(w.b), raw_steps(w.c), raw_steps(w.d));
}

fn of_groups(w: FourRaws, b: u32) -> Four {
    return Four(group_steps(w.a, b), group_steps(w.b, b), group_steps(w.c, b), group_steps(w.d, b));
}

fn scales_of(w: FourRaws) -> vec4<f32> {
    return vec4<f32>(w.a.scale, w.b.scale, w.c.scale, w.d.scale);
}

// Adds what block b of a group gives, if there is one.
fn few_add_of_group(first_row: u32, group: u32, b: u32, low: FourRaws, high: FourRaws) {
    let block = 4u * group + b;
    if K_BLOCKS % 4u == 0u || block < K_BLOCKS {
        few_add(first_row, block, of_groups(low, b), scales_of(low), of_groups(high, b), scales_of(high));
    }
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
                if FEW_ROWS > 4u {
                    // Written out, eight rows are so much that SwiftShader compiles them three times as long.
                    for (var b = 0u; b < 4u; b++) {
                        few_add_of_group(first_row, group, b, low, high);
                    }
                } else {
                    few_add_of_group(first_row, group, 0u, low, high);
                    few_add_of_group(first_row, group, 1u, low, high);
                    few_add_of_group(first_row, group, 2u, low, high);
                    few_add_of_group(first_row, group, 3u, low, high);
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
                few_add(first_row, block, of_raws(low), scales_of(low), of_raws(high), scales_of(high));
            }
        }
    }
    few_reduce(lane);
}

// Sums of a lane, and what is left of them: an order that does not depend on the number of rows, so that a row comes to the
// same bits however many others share its pass.
var<workgroup> few_lanes: array<vec4<f32>, LANES * FEW_SUMS>;
@if(!subgroups)
var<workgroup> few_eighths: array<vec4<f32>, LANES * FEW_SUMS / 8u>;

@if(subgroups)
var<private> few_subgroup: u32;
@if(subgroups)
var<private> few_subgroup_count: u32;
@if(subgroups)
var<private> few_place: u32;

// Tells `few` what only an entry point is told (by names that the build script replaces: see STAND_INS there). Which lanes make a subgroup, and how many, is the driver's affair.
@if(subgroups)
fn few_in_subgroup(subgroup: u32, count: u32, place: u32) {
    few_subgroup = subgroup;
    few_subgroup_count = count;
    few_place = place;
}

@if(subgroups)
fn few_leave(lane: u32, i: u32, sum: vec4<f32>) {
    let total = subgroupAdd(sum);
    if few_place == 0u {
        few_lanes[few_subgroup * FEW_SUMS + i] = total;
    }
}

@if(!subgroups)
fn few_leave(lane: u32, i: u32, sum: vec4<f32>) {
    few_lanes[lane * FEW_SUMS + i] = sum;
}

fn few_reduce(lane: u32) {
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
        if lane < FEW_SUMS * (LANES / 8u) {
            let at = 8u * (lane / FEW_SUMS) * FEW_SUMS + lane % FEW_SUMS;
            let low = (few_lanes[at] + few_lanes[at + FEW_SUMS]) + (few_lanes[at + 2u * FEW_SUMS] + few_lanes[at + 3u * FEW_SUMS]);
            let half = at + 4u * FEW_SUMS;
            let high = (few_lanes[half] + few_lanes[half + FEW_SUMS]) + (few_lanes[half + 2u * FEW_SUMS] + few_lanes[half + 3u * FEW_SUMS]);
            few_eighths[lane] = low + high;
        }
        workgroupBarrier();
    }
}

@if(!subgroups)
fn few_total(i: u32) -> vec4<f32> {
    var total = few_eighths[i];
    if LANES > 8u {
        total += few_eighths[FEW_SUMS + i];
    }
    if LANES > 16u {
        total += few_eighths[2u * FEW_SUMS + i] + few_eighths[3u * FEW_SUMS + i];
    }
    if LANES > 32u {
        let low = few_eighths[4u * FEW_SUMS + i] + few_eighths[5u * FEW_SUMS + i];
        let high = few_eighths[6u * FEW_SUMS + i] + few_eighths[7u * FEW_SUMS + i];
        total += low + high;
    }
    return total;
}

@if(subgroups)
fn few_total(i: u32) -> vec4<f32> {
    var total = vec4<f32>(0.0);
    for (var subgroup = 0u; subgroup < few_subgroup_count; subgroup++) {
        total += few_lanes[subgroup * FEW_SUMS + i];
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

// Products of up to 8 rows: see matmul.wgsl. Each weight is read once, and lanes split K.

import package::shared::weights::{
    weight_raw, weight_group, raw_steps, group_steps, step_powers, Block, Raw, WEIGHT_BLOCKS, WEIGHT_FORMAT
};
import package::shared::rows::rows;
import package::shared::matmul::{
    part, plus_dot, four_weight_rows, x_block, K_BLOCKS,
    sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, high_0, high_1, high_2, high_3
};
import package::shared::lanes::{few_reduce, FEW_ROWS, FEW_SLOTS, LANES, STAGED};
import package::shared::staged::{stage_x, staged_x, STAGE_QUADS};

// 1: a lane of `few` takes 32 elements of a quantised row at a time, in loads of 16 bytes, instead of 8.
override WIDE: u32 = 0u;

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

// Block `block` of x for row r of the workgroup; of rows that are not there, another's.
fn few_x(first_row: u32, r: u32, lane: u32, block: u32) -> Block {
    if STAGED == 1u {
        return staged_x(r, lane, block % 4u);
    }
    var from_x = x_block(min(first_row + r, rows.count - 1u), block);
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
fn few_add(first_row: u32, lane: u32, block: u32, low: Four, low_scale: vec4<f32>, high: Four, high_scale: vec4<f32>) {
    let x_0 = few_x(first_row, 0u, lane, block);
    sum_0 += scaled(low_scale, four_block_dots(low, x_0));
    if FEW_SLOTS == 8u {
        high_0 += scaled(high_scale, four_block_dots(high, x_0));
    }
    if FEW_ROWS > 1u {
        let x_1 = few_x(first_row, 1u, lane, block);
        sum_1 += scaled(low_scale, four_block_dots(low, x_1));
        if FEW_SLOTS == 8u {
            high_1 += scaled(high_scale, four_block_dots(high, x_1));
        }
    }
    if FEW_ROWS > 2u {
        let x_2 = few_x(first_row, 2u, lane, block);
        let x_3 = few_x(first_row, 3u, lane, block);
        sum_2 += scaled(low_scale, four_block_dots(low, x_2));
        sum_3 += scaled(low_scale, four_block_dots(low, x_3));
        if FEW_SLOTS == 8u {
            high_2 += scaled(high_scale, four_block_dots(high, x_2));
            high_3 += scaled(high_scale, four_block_dots(high, x_3));
        }
    }
    if FEW_ROWS > 4u {
        sum_4 += scaled(low_scale, four_block_dots(low, few_x(first_row, 4u, lane, block)));
        sum_5 += scaled(low_scale, four_block_dots(low, few_x(first_row, 5u, lane, block)));
        sum_6 += scaled(low_scale, four_block_dots(low, few_x(first_row, 6u, lane, block)));
        sum_7 += scaled(low_scale, four_block_dots(low, few_x(first_row, 7u, lane, block)));
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
fn few_add_of_group(first_row: u32, lane: u32, group: u32, b: u32, low: FourRaws, high: FourRaws) {
    let block = 4u * group + b;
    if K_BLOCKS % 4u == 0u || block < K_BLOCKS {
        few_add(first_row, lane, block, of_groups(low, b), scales_of(low), of_groups(high, b), scales_of(high));
    }
}

// Brings the stage of x that block b of each group is the first of, if it is.
fn few_bring(first_row: u32, lane: u32, turn: u32, b: u32) {
    if STAGED == 1u && 2u * b % STAGE_QUADS == 0u {
        // Lanes may still be reading what was there.
        workgroupBarrier();
        stage_x(first_row, turn * LANES, 2u * b / STAGE_QUADS, lane);
        workgroupBarrier();
    }
}

// Quantised weights in groups, one a lane and turn.
fn few_groups(first_row: u32, lane: u32, low_row: vec4<u32>, high_row: vec4<u32>) {
    let groups = WEIGHT_BLOCKS / 4u;
    for (var turn = 0u; turn < (groups + LANES - 1u) / LANES; turn++) {
        let group = turn * LANES + lane;
        let there = groups % LANES == 0u || group < groups;
        // On their way while x is brought. A lane that has no group takes another's, and leaves it.
        let taken = select(0u, group, there);
        let low = four_groups(low_row, taken);
        var high = low;
        if FEW_SLOTS == 8u {
            high = four_groups(high_row, taken);
        }
        if FEW_ROWS > 4u {
            // Written out, eight rows are so much that SwiftShader compiles them three times as long.
            for (var b = 0u; b < 4u; b++) {
                if there {
                    few_add_of_group(first_row, lane, group, b, low, high);
                }
            }
        } else {
            few_bring(first_row, lane, turn, 0u);
            if there {
                few_add_of_group(first_row, lane, group, 0u, low, high);
            }
            few_bring(first_row, lane, turn, 1u);
            if there {
                few_add_of_group(first_row, lane, group, 1u, low, high);
            }
            few_bring(first_row, lane, turn, 2u);
            if there {
                few_add_of_group(first_row, lane, group, 2u, low, high);
            }
            few_bring(first_row, lane, turn, 3u);
            if there {
                few_add_of_group(first_row, lane, group, 3u, low, high);
            }
        }
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
        few_groups(first_row, lane, low_row, high_row);
    } else {
        for (var turn = 0u; turn < (K_BLOCKS + LANES - 1u) / LANES; turn++) {
            let block = turn * LANES + lane;
            if K_BLOCKS % LANES == 0u || block < K_BLOCKS {
                let low = four_raws(low_row, block);
                var high = low;
                if FEW_SLOTS == 8u {
                    high = four_raws(high_row, block);
                }
                few_add(first_row, lane, block, of_raws(low), scales_of(low), of_raws(high), scales_of(high));
            }
        }
    }
    few_reduce(lane);
}

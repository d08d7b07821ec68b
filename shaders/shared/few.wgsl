// Products of up to 8 rows: see matmul.wgsl. Each weight is read once, and the lanes of a team split K.

import package::shared::weights::{step_powers, Block, WEIGHT_BLOCKS, WEIGHT_FORMAT};
import package::shared::rows::rows;
import package::shared::matmul::{
    four_weight_rows, x_block, K_BLOCKS,
    sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, high_0, high_1, high_2, high_3
};
import package::shared::fours::{
    four_block_dots, four_groups, four_raws, of_groups, of_raws, scaled, scales_of, Four, FourRaws
};
import package::shared::lanes::{few_reduce, member_of, team_of, FEW_ROWS, FEW_SLOTS, LANES, PLACES, STAGED};
import package::shared::staged::{stage_place, stage_x, staged_x, STAGED_TURNS};
@if(packed)
import package::shared::packed::{four_whole_dots, pack_x};

// 1: a lane of `few` takes 32 elements of a quantised row at a time, in loads of 16 bytes, instead of 8.
override WIDE: u32 = 0u;
// 1: the weights of a turn are asked for a turn ahead.
override AHEAD: u32 = 0u;

// Block `block` of x for row r of the workgroup; of rows that are not there, another's.
fn few_x(first_row: u32, r: u32, block: u32) -> Block {
    if STAGED == 1u {
        let place = stage_place(r, block / 4u);
        return Block(staged_x(place, 2u * (block % 4u)), staged_x(place, 2u * (block % 4u) + 1u));
    }
    var from_x = x_block(min(first_row + r, rows.count - 1u), block);
    if WEIGHT_FORMAT >= 3u {
        from_x.a *= step_powers();
        from_x.b *= step_powers();
    }
    return from_x;
}

// Adds what a block of K gives to all sums of a lane.
fn few_add(first_row: u32, block: u32, low: Four, low_scale: vec4<f32>, high: Four, high_scale: vec4<f32>) {
    let x_0 = few_x(first_row, 0u, block);
    sum_0 += scaled(low_scale, four_block_dots(low, x_0));
    if FEW_SLOTS == 8u {
        high_0 += scaled(high_scale, four_block_dots(high, x_0));
    }
    if FEW_ROWS > 1u {
        let x_1 = few_x(first_row, 1u, block);
        sum_1 += scaled(low_scale, four_block_dots(low, x_1));
        if FEW_SLOTS == 8u {
            high_1 += scaled(high_scale, four_block_dots(high, x_1));
        }
    }
    if FEW_ROWS > 2u {
        let x_2 = few_x(first_row, 2u, block);
        let x_3 = few_x(first_row, 3u, block);
        sum_2 += scaled(low_scale, four_block_dots(low, x_2));
        sum_3 += scaled(low_scale, four_block_dots(low, x_3));
        if FEW_SLOTS == 8u {
            high_2 += scaled(high_scale, four_block_dots(high, x_2));
            high_3 += scaled(high_scale, four_block_dots(high, x_3));
        }
    }
    if FEW_ROWS > 4u {
        sum_4 += scaled(low_scale, four_block_dots(low, few_x(first_row, 4u, block)));
        sum_5 += scaled(low_scale, four_block_dots(low, few_x(first_row, 5u, block)));
        sum_6 += scaled(low_scale, four_block_dots(low, few_x(first_row, 6u, block)));
        sum_7 += scaled(low_scale, four_block_dots(low, few_x(first_row, 7u, block)));
    }
}

// Adds what block b of a group gives, if there is one. (Of x that was staged, what is not there is zero.)
fn few_add_of_group(first_row: u32, group: u32, b: u32, low: FourRaws, high: FourRaws) {
    let block = 4u * group + b;
    if STAGED == 1u || K_BLOCKS % 4u == 0u || block < K_BLOCKS {
        few_add(first_row, block, of_groups(low, b), scales_of(low), of_groups(high, b), scales_of(high));
    }
}

// Adds what a group gives.
@if(!packed)
fn few_add_group(first_row: u32, group: u32, low: FourRaws, high: FourRaws) {
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

@if(packed)
fn few_add_group(first_row: u32, group: u32, low: FourRaws, high: FourRaws) {
    sum_0 += four_whole_dots(low, stage_place(0u, group));
    if FEW_ROWS > 1u {
        sum_1 += four_whole_dots(low, stage_place(1u, group));
    }
    if FEW_ROWS > 2u {
        sum_2 += four_whole_dots(low, stage_place(2u, group));
        sum_3 += four_whole_dots(low, stage_place(3u, group));
    }
    if FEW_SLOTS == 8u {
        high_0 += four_whole_dots(high, stage_place(0u, group));
        if FEW_ROWS > 1u {
            high_1 += four_whole_dots(high, stage_place(1u, group));
        }
        if FEW_ROWS > 2u {
            high_2 += four_whole_dots(high, stage_place(2u, group));
            high_3 += four_whole_dots(high, stage_place(3u, group));
        }
    }
}

// Brings the stage that begins with a turn.
fn few_bring(first_row: u32, lane: u32, turn: u32) {
    if turn > 0u {
        // Lanes may still be reading what was there.
        workgroupBarrier();
    }
    @if(!packed)
    stage_x(first_row, turn * LANES, lane, step_powers());
    @if(packed)
    stage_x(first_row, turn * LANES, lane, vec4<f32>(1.0));
    workgroupBarrier();
    @if(packed) {
        if lane < PLACES {
            pack_x(lane);
        }
        workgroupBarrier();
    }
}

// The groups of eight slots, or of four.
struct Groups {
    low: FourRaws,
    high: FourRaws,
}

fn groups_of_turn(low_row: vec4<u32>, high_row: vec4<u32>, group: u32) -> Groups {
    let low = four_groups(low_row, group);
    if FEW_SLOTS == 8u {
        return Groups(low, four_groups(high_row, group));
    }
    return Groups(low, low);
}

// Quantised weights in groups, one a lane and turn.
fn few_groups(first_row: u32, lane: u32, low_row: vec4<u32>, high_row: vec4<u32>) {
    let groups = WEIGHT_BLOCKS / 4u;
    for (var turn = 0u; turn < (groups + LANES - 1u) / LANES; turn++) {
        let group = turn * LANES + member_of(lane);
        // Asked for without a branch. A lane that has no group takes another's, and leaves it.
        let there = groups % LANES == 0u || group < groups;
        let w = groups_of_turn(low_row, high_row, select(0u, group, there));
        if there {
            few_add_group(first_row, group, w.low, w.high);
        }
    }
}

// The same with x by way of workgroup memory, where groups that are not there are zero.
fn few_staged(first_row: u32, lane: u32, low_row: vec4<u32>, high_row: vec4<u32>) {
    let groups = WEIGHT_BLOCKS / 4u;
    let turns = (groups + LANES - 1u) / LANES;
    let member = member_of(lane);
    // A lane that has no group takes another's.
    var ahead = groups_of_turn(low_row, high_row, min(member, groups - 1u));
    for (var turn = 0u; turn < turns; turn++) {
        let group = turn * LANES + member;
        // On their way while x is brought.
        if AHEAD == 0u && turn > 0u {
            ahead = groups_of_turn(low_row, high_row, min(group, groups - 1u));
        }
        let w = ahead;
        if AHEAD == 1u && turn + 1u < turns {
            ahead = groups_of_turn(low_row, high_row, min(group + LANES, groups - 1u));
        }
        if turn % STAGED_TURNS == 0u {
            few_bring(first_row, lane, turn);
        }
        few_add_group(first_row, group, w.low, w.high);
    }
}

// Leaves the sums of its rows and slots to few_sums. `first_slot`: the first of the workgroup's.
fn few(first_row: u32, first_slot: u32, lane: u32) {
    let slot = first_slot + team_of(lane) * FEW_SLOTS;
    let low_row = four_weight_rows(slot);
    var high_row = low_row;
    if FEW_SLOTS == 8u {
        high_row = four_weight_rows(slot + 4u);
    }
    if STAGED == 1u {
        few_staged(first_row, lane, low_row, high_row);
    } else if WIDE == 1u && WEIGHT_FORMAT >= 3u {
        few_groups(first_row, lane, low_row, high_row);
    } else {
        for (var turn = 0u; turn < (K_BLOCKS + LANES - 1u) / LANES; turn++) {
            let block = turn * LANES + member_of(lane);
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

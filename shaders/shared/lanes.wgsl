// What the lanes of a product of few rows share: their numbers, their memory, and how their sums become one. See few.wgsl.

import package::shared::weights::WEIGHT_BLOCKS;
import package::shared::matmul::{
    part, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, high_0, high_1, high_2, high_3
};

// Rows a workgroup of `few` computes: 1, 2, 4 or 8.
override FEW_ROWS: u32 = 1u;
// Slots a team computes: 4, or with up to four rows 8. Each value of x is loaded once for them.
override FEW_SLOTS: u32 = 4u;
// Lanes of a team: 8, 16, 32 or 64. They split K.
override LANES: u32 = 64u;
// Teams of a workgroup of `few`, a power of two; 256 lanes at most. Each has slots of its own; they share x.
override TEAMS: u32 = 1u;
override FEW_LANES: u32 = LANES * TEAMS;
// 1: x is read by way of workgroup memory: see staged.wgsl.
override STAGED: u32 = 0u;
// Groups of each row of x that are here at a time, the *stage*: with all rows, one for each lane, or all that there are. At least one
// for each lane of a team.
override STAGED_GROUPS: u32 = min(FEW_LANES / FEW_ROWS, (WEIGHT_BLOCKS + 4u * LANES - 1u) / (4u * LANES) * LANES);
// Places for them.
override PLACES: u32 = FEW_ROWS * STAGED_GROUPS;
// The vectors of sums a lane has, and of results of a workgroup.
override FEW_SUMS: u32 = FEW_ROWS * FEW_SLOTS / 4u;
override FEW_RESULTS: u32 = FEW_SUMS * TEAMS;
// The vectors of workgroup memory: eight of x a place, and afterwards the sums of each lane. No more is declared than is needed: a browser
// has every workgroup set it to zero, and SwiftShader compiles a store for each word of it. (They have names since naga 30
// takes nameless sizes for the last constants there are.)
override FEW_VECTORS: u32 = max(STAGED * 8u * PLACES, FEW_LANES * FEW_SUMS);
// What is left of the sums, eight lanes' as one.
@if(!subgroups)
override FEW_EIGHTHS: u32 = FEW_LANES * FEW_SUMS / 8u;

// The team of a lane. Of one team it is a number that the compiler knows, so that what follows from it is the same for all lanes.
fn team_of(lane: u32) -> u32 {
    if TEAMS == 1u {
        return 0u;
    }
    return lane / LANES;
}

// Which of its team a lane is.
fn member_of(lane: u32) -> u32 {
    if TEAMS == 1u {
        return lane;
    }
    return lane % LANES;
}

// x, then the sums of lanes, then what is left of those: an order that does not depend on the number of rows, so that a row comes to the
// same bits however many others share its pass.
var<workgroup> few_lanes: array<vec4<u32>, FEW_VECTORS>;

@if(subgroups)
var<private> few_subgroup: u32;
@if(subgroups)
var<private> few_subgroup_count: u32;
@if(subgroups)
var<private> few_place: u32;

// Tells `few` what only an entry point is told (by names that the build script replaces: see STAND_INS there). Which lanes make a
// subgroup, and how many, is the driver's affair.
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
        few_lanes[few_subgroup * FEW_SUMS + i] = bitcast<vec4<u32>>(total);
    }
}

// What a lane left at `at`.
fn few_left(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(few_lanes[at]);
}

@if(!subgroups)
fn few_leave(lane: u32, i: u32, sum: vec4<f32>) {
    few_lanes[lane * FEW_SUMS + i] = bitcast<vec4<u32>>(sum);
}

fn few_reduce(lane: u32) {
    if STAGED == 1u {
        // Lanes may still be reading x there.
        workgroupBarrier();
    }
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
        var eighth = vec4<f32>(0.0);
        if lane < FEW_EIGHTHS {
            let at = 8u * (lane / FEW_SUMS) * FEW_SUMS + lane % FEW_SUMS;
            let low = (few_left(at) + few_left(at + FEW_SUMS)) + (few_left(at + 2u * FEW_SUMS) + few_left(at + 3u * FEW_SUMS));
            let half = at + 4u * FEW_SUMS;
            let high = (few_left(half) + few_left(half + FEW_SUMS)) + (few_left(half + 2u * FEW_SUMS) + few_left(half + 3u * FEW_SUMS));
            eighth = low + high;
        }
        workgroupBarrier();
        few_lanes[lane] = bitcast<vec4<u32>>(eighth);
        workgroupBarrier();
    }
}

@if(!subgroups)
fn few_total(i: u32) -> vec4<f32> {
    let at = i / FEW_SUMS * (LANES / 8u) * FEW_SUMS + i % FEW_SUMS;
    var total = few_left(at);
    if LANES > 8u {
        total += few_left(at + FEW_SUMS);
    }
    if LANES > 16u {
        total += few_left(at + 2u * FEW_SUMS) + few_left(at + 3u * FEW_SUMS);
    }
    if LANES > 32u {
        let low = few_left(at + 4u * FEW_SUMS) + few_left(at + 5u * FEW_SUMS);
        let high = few_left(at + 6u * FEW_SUMS) + few_left(at + 7u * FEW_SUMS);
        total += low + high;
    }
    return total;
}

@if(subgroups)
fn few_total(i: u32) -> vec4<f32> {
    var total = vec4<f32>(0.0);
    for (var subgroup = 0u; subgroup < few_subgroup_count; subgroup++) {
        total += few_left(subgroup * FEW_SUMS + i);
    }
    return total;
}

// After `few`, result `i` of FEW_RESULTS: the sums of row i % FEW_ROWS for the slots from few_slot(i) on.
fn few_sums(first_slot: u32, i: u32) -> vec4<f32> {
    let slots = vec4<u32>(first_slot + few_slot(i)) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), few_total(i), slots < vec4<u32>(part.weight_rows));
}

fn few_slot(i: u32) -> u32 {
    return 4u * (i / FEW_ROWS);
}

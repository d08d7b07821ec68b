// x by way of workgroup memory, for products of few rows that take quantised weights in groups.
//
// A group of 32 elements of x is 128 bytes, a cache line of most GPUs. Where every lane loads its own group from storage, a
// load of 16 bytes touches as many lines as a subgroup has lanes, and takes as many turns; on an H200 a row of x took three
// times as long to load as the q4 weights that it was multiplied with. Here neighbours load neighbours: a group by eight lanes
// where there is one row, by four or two where the stage of a group is the smaller for two rows or four. They read what they need
// from workgroup memory, where it lies so that eight lanes find their vectors in different banks.

import package::shared::weights::{step_powers, Block};
import package::shared::rows::rows;
import package::shared::matmul::{x_row, x, K_BLOCKS};
import package::shared::lanes::{few_lanes, FEW_ROWS, LANES};

// Vectors of each group that are here at a time: with all rows, eight a lane.
override STAGE_QUADS: u32 = 8u / FEW_ROWS;

// Where a vector of group `group` of a turn lies. The memory has eight banks of 16 bytes.
fn staged_at(r: u32, group: u32, quad: u32) -> u32 {
    let turned = quad ^ (group / (8u / STAGE_QUADS) % STAGE_QUADS);
    return (r * LANES + group) * STAGE_QUADS + turned;
}

// The i-th of the eight vectors that a lane brings: of row i / STAGE_QUADS, the vector lane % STAGE_QUADS of this group.
fn brought_group(i: u32, lane: u32) -> u32 {
    return (i % STAGE_QUADS) * (LANES / STAGE_QUADS) + lane / STAGE_QUADS;
}

// `first`: the vector of a row of x that is the first of the turn's first group and of the stage.
fn brought(first_row: u32, first: u32, i: u32, lane: u32) -> vec4<f32> {
    let row = x_row(min(first_row + i / STAGE_QUADS, rows.count - 1u)) * 2u * K_BLOCKS;
    let quad = first + 8u * brought_group(i, lane) + lane % STAGE_QUADS;
    if K_BLOCKS % (4u * LANES) == 0u {
        return x[row + quad];
    }
    // Without a branch, so that lanes need not wait for one vector before they ask for the next.
    return select(vec4<f32>(0.0), x[row + min(quad, 2u * K_BLOCKS - 1u)], quad < 2u * K_BLOCKS);
}

// Brings the vectors from STAGE_QUADS * stage on of each of LANES groups, for every row; of rows that are not there, another's.
// All lanes of a workgroup take part, between barriers.
fn stage_x(first_row: u32, first_group: u32, stage: u32, lane: u32) {
    let first = 8u * first_group + stage * STAGE_QUADS;
    for (var i = 0u; i < 8u; i++) {
        let at = staged_at(i / STAGE_QUADS, brought_group(i, lane), lane % STAGE_QUADS);
        few_lanes[at] = brought(first_row, first, i, lane) * step_powers();
    }
}

// Block b of the lane's group, if its stage is here.
fn staged_x(r: u32, lane: u32, b: u32) -> Block {
    let quad = 2u * b % STAGE_QUADS;
    return Block(few_lanes[staged_at(r, lane, quad)], few_lanes[staged_at(r, lane, quad + 1u)]);
}

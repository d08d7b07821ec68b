// x by way of workgroup memory, for products of few rows that take quantised weights in groups.
//
// A group of 32 elements of x is 128 bytes, a cache line of most GPUs. Where every lane loads its own group from storage, a
// load of 16 bytes touches as many lines as a subgroup has lanes, and takes as many turns; on an H200 a row of x took three
// times as long to load as the q4 weights that it was multiplied with. Here neighbours load neighbours, eight lanes a group, for
// all teams. They read what they need from workgroup memory, where it lies so that eight lanes find their vectors in different
// banks.

import package::shared::rows::rows;
import package::shared::matmul::{x_row, x, K_BLOCKS};
import package::shared::lanes::{few_lanes, FEW_LANES, LANES, PLACES, STAGED_GROUPS};

// Turns of the lanes that a stage is for.
override STAGED_TURNS: u32 = (STAGED_GROUPS + LANES - 1u) / LANES;

// Where a group of a row has its place.
fn stage_place(r: u32, group: u32) -> u32 {
    return r * STAGED_GROUPS + group % STAGED_GROUPS;
}

// Where a vector of a place lies. The memory has eight banks of 16 bytes.
fn staged_at(place: u32, quad: u32) -> u32 {
    return 8u * place + (quad ^ (place % 8u));
}

// `quad`: a vector of a row of x.
fn brought(row: u32, quad: u32) -> vec4<f32> {
    if K_BLOCKS % (4u * STAGED_GROUPS) == 0u {
        return x[row + quad];
    }
    // Without a branch, so that lanes need not wait for one vector before they ask for the next.
    return select(vec4<f32>(0.0), x[row + min(quad, 2u * K_BLOCKS - 1u)], quad < 2u * K_BLOCKS);
}

// Brings the groups from first_group on, of every row; of rows that are not there, another's. All lanes of a workgroup take part,
// between barriers.
fn stage_x(first_row: u32, first_group: u32, lane: u32, powers: vec4<f32>) {
    for (var place = lane / 8u; place < PLACES; place += FEW_LANES / 8u) {
        let row = x_row(min(first_row + place / STAGED_GROUPS, rows.count - 1u)) * 2u * K_BLOCKS;
        let quad = 8u * (first_group + place % STAGED_GROUPS) + lane % 8u;
        few_lanes[staged_at(place, lane % 8u)] = bitcast<vec4<u32>>(brought(row, quad) * powers);
    }
}

// A vector that was brought.
fn staged_x(place: u32, quad: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(few_lanes[staged_at(place, quad)]);
}

// Products of many rows on adapters that are programs on the CPU: see matmul.wgsl. There a load costs each invocation as much as
// several multiplications, from workgroup memory too, and a barrier costs much more. So eight invocations hold 8 rows by 16
// slots each, as 2 x 4 matrices of 4 x 4, and read the operands where they lie.

import package::shared::weights::weight_block;
import package::shared::rows::rows;
import package::shared::matmul::{part, four_weight_rows, x_row, x, K_BLOCKS};

const BLOCK_ROWS: u32 = 32u;
const BLOCK_SLOTS: u32 = 32u;

// What `block` leaves: of four rows r and four slots s matrix 4 r + s, a row in each column.
var<private> block_sums: array<mat4x4<f32>, 8>;

// Four rows, or slots, over eight elements of K.
struct Eights {
    a: mat4x4<f32>,
    b: mat4x4<f32>,
}

// Rows from `row` on, a row in each column; for rows that are not there, the last.
fn four_rows(row: u32, block: u32) -> Eights {
    let last = rows.count - 1u;
    let at = vec4<u32>(
        x_row(min(row, last)),
        x_row(min(row + 1u, last)),
        x_row(min(row + 2u, last)),
        x_row(min(row + 3u, last)),
    ) * (2u * K_BLOCKS) + vec4<u32>(2u * block);
    return Eights(
        mat4x4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]),
        mat4x4<f32>(x[at.x + 1u], x[at.y + 1u], x[at.z + 1u], x[at.w + 1u]),
    );
}

// Slots of these rows of W, an element of K in each column.
fn four_weights(row: vec4<u32>, block: u32) -> Eights {
    let p = weight_block(row.x, block, part.scales);
    let q = weight_block(row.y, block, part.scales);
    let r = weight_block(row.z, block, part.scales);
    let s = weight_block(row.w, block, part.scales);
    return Eights(
        transpose(mat4x4<f32>(p.a, q.a, r.a, s.a)),
        transpose(mat4x4<f32>(p.b, q.b, r.b, s.b)),
    );
}

fn plus_eights(sum: mat4x4<f32>, w: Eights, from_x: Eights) -> mat4x4<f32> {
    return sum + w.a * from_x.a + w.b * from_x.b;
}

// The first row and slot of a lane's.
fn block_row(first_row: u32, lane: u32) -> u32 {
    return first_row + 8u * (lane / 2u);
}

fn block_slot(first_slot: u32, lane: u32) -> u32 {
    return first_slot + 16u * (lane % 2u);
}

fn block(first_row: u32, first_slot: u32, lane: u32) {
    let row = block_row(first_row, lane);
    let slot = block_slot(first_slot, lane);
    let w_row_0 = four_weight_rows(slot);
    let w_row_1 = four_weight_rows(slot + 4u);
    let w_row_2 = four_weight_rows(slot + 8u);
    let w_row_3 = four_weight_rows(slot + 12u);
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    for (var k = 0u; k < K_BLOCKS; k++) {
        let x_0 = four_rows(row, k);
        let x_1 = four_rows(row + 4u, k);
        let w_0 = four_weights(w_row_0, k);
        c00 = plus_eights(c00, w_0, x_0); c10 = plus_eights(c10, w_0, x_1);
        let w_1 = four_weights(w_row_1, k);
        c01 = plus_eights(c01, w_1, x_0); c11 = plus_eights(c11, w_1, x_1);
        let w_2 = four_weights(w_row_2, k);
        c02 = plus_eights(c02, w_2, x_0); c12 = plus_eights(c12, w_2, x_1);
        let w_3 = four_weights(w_row_3, k);
        c03 = plus_eights(c03, w_3, x_0); c13 = plus_eights(c13, w_3, x_1);
    }
    block_sums = array<mat4x4<f32>, 8>(c00, c01, c02, c03, c10, c11, c12, c13);
}

// After `block`, the sums of a lane's row i (of 8) for its j-th four slots.
fn block_row_sums(first_slot: u32, lane: u32, i: u32, j: u32) -> vec4<f32> {
    let slots = vec4<u32>(block_slot(first_slot, lane) + 4u * j) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), block_sums[4u * (i / 4u) + j][i % 4u], slots < vec4<u32>(part.weight_rows));
}

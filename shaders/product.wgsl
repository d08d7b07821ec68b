// product: C[m, n] = sum over k of A[m, k] B[n, k] in f32, the three products of a linear layer by its constants:
//   forward          y[r, o]  = sum over i of x[r, i]  W[o, i]
//   input gradient   dx[r, i] = sum over o of dy[r, o] W[o, i]
//   weight gradient  dW[o, i] += sum over r of dy[r, o] x[r, i]
//
//   a   A as it lies in memory: rows of A_STRIDE quads, row m with k along it (A_ALONG_DEPTH) or row k with m along it
//   b   B likewise, rows of B_STRIDE quads
//   c   `main_*`: [splits, ROWS, 4 * C_STRIDE] f32, the sums of split s over k in [s * SPLIT_DEPTH, (s + 1) * SPLIT_DEPTH);
//       added to what is there if ADD.
//       `reduce`: [4 * REDUCE_QUADS] f32, to which the SPLITS partial sums in `a` are added in their order.
//
// Rows are padded to whole quads with zeros; so are the rows of C. A workgroup makes a tile of 64 x 64 elements of C.
// `main_tile`, for GPUs: an invocation holds 8 x 8 of them. Each stage brings 16 k of both operands into workgroup memory, k by
// k, whatever way they lie in memory.
// `main_block`, for adapters that are programs on the CPU: there a load costs each invocation as much as several
// multiplications, from workgroup memory too, and a barrier costs much more. So 16 invocations hold 16 x 16 each, as 4 x 4
// matrices of 4 x 4, and read the operands where they lie. What lies outside is read from the nearest row inside and not stored.
// `main_patch` is the same with 64 invocations of 8 x 8, which are sooner compiled.
// Limits: baseline WebGPU (3 storage buffers, 8 KiB of workgroup memory, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override DEPTH: u32 = 1u;
override SPLIT_DEPTH: u32 = 16u;
override A_STRIDE: u32 = 2u;
override B_STRIDE: u32 = 2u;
override C_STRIDE: u32 = 2u;
// Rows of B where k lies along them.
override COLUMNS: u32 = 1u;
override A_ALONG_DEPTH: bool = true;
override B_ALONG_DEPTH: bool = true;
override ADD: bool = false;
override ROW_TILES: u32 = 1u;
override SPLITS: u32 = 1u;
override REDUCE_QUADS: u32 = 1u;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;

const TILE: u32 = 64u;
const TILE_QUADS: u32 = 16u;
const STAGE: u32 = 16u;

// [STAGE, TILE_QUADS]: four neighbouring m (or n) at one k.
var<workgroup> a_panel: array<vec4<f32>, 256>;
var<workgroup> b_panel: array<vec4<f32>, 256>;

fn load_a(row: u32, quad: u32, rows: u32) -> vec4<f32> {
    if row < rows && quad < A_STRIDE {
        return a[row * A_STRIDE + quad];
    }
    return vec4<f32>();
}

fn load_b(row: u32, quad: u32, rows: u32) -> vec4<f32> {
    if row < rows && quad < B_STRIDE {
        return b[row * B_STRIDE + quad];
    }
    return vec4<f32>();
}

fn store(row: u32, quad: u32, base: u32, value: vec4<f32>) {
    if row < ROWS && quad < C_STRIDE {
        let at = base + row * C_STRIDE + quad;
        if ADD {
            c[at] += value;
        } else {
            c[at] = value;
        }
    }
}

@compute @workgroup_size(64)
fn main_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let split = group.y / ROW_TILES;
    let first_row = (group.y % ROW_TILES) * TILE;
    let first_quad = group.x * TILE_QUADS;
    let begin = split * SPLIT_DEPTH;
    let end = min(begin + SPLIT_DEPTH, DEPTH);
    let x = lane % 8u;
    let y = lane / 8u;

    var c00 = vec4<f32>(); var c01 = vec4<f32>();
    var c10 = vec4<f32>(); var c11 = vec4<f32>();
    var c20 = vec4<f32>(); var c21 = vec4<f32>();
    var c30 = vec4<f32>(); var c31 = vec4<f32>();
    var c40 = vec4<f32>(); var c41 = vec4<f32>();
    var c50 = vec4<f32>(); var c51 = vec4<f32>();
    var c60 = vec4<f32>(); var c61 = vec4<f32>();
    var c70 = vec4<f32>(); var c71 = vec4<f32>();

    for (var k = begin; k < end; k += STAGE) {
        // Quads along k are turned, a block of 4 x 4 an invocation; quads along m (or n) are taken as they are.
        if A_ALONG_DEPTH {
            let row = first_row + 4u * (lane % 16u);
            let quad = k / 4u + lane / 16u;
            let block = transpose(mat4x4<f32>(
                load_a(row, quad, ROWS), load_a(row + 1u, quad, ROWS), load_a(row + 2u, quad, ROWS), load_a(row + 3u, quad, ROWS)));
            let at = lane / 16u * 64u + lane % 16u;
            a_panel[at] = block[0];
            a_panel[at + 16u] = block[1];
            a_panel[at + 32u] = block[2];
            a_panel[at + 48u] = block[3];
        } else {
            let row = k + lane / 16u;
            let quad = first_row / 4u + lane % 16u;
            a_panel[lane] = load_a(row, quad, end);
            a_panel[lane + 64u] = load_a(row + 4u, quad, end);
            a_panel[lane + 128u] = load_a(row + 8u, quad, end);
            a_panel[lane + 192u] = load_a(row + 12u, quad, end);
        }
        if B_ALONG_DEPTH {
            let row = 4u * (first_quad + lane % 16u);
            let quad = k / 4u + lane / 16u;
            let block = transpose(mat4x4<f32>(
                load_b(row, quad, COLUMNS), load_b(row + 1u, quad, COLUMNS), load_b(row + 2u, quad, COLUMNS), load_b(row + 3u, quad, COLUMNS)));
            let at = lane / 16u * 64u + lane % 16u;
            b_panel[at] = block[0];
            b_panel[at + 16u] = block[1];
            b_panel[at + 32u] = block[2];
            b_panel[at + 48u] = block[3];
        } else {
            let row = k + lane / 16u;
            let quad = first_quad + lane % 16u;
            b_panel[lane] = load_b(row, quad, end);
            b_panel[lane + 64u] = load_b(row + 4u, quad, end);
            b_panel[lane + 128u] = load_b(row + 8u, quad, end);
            b_panel[lane + 192u] = load_b(row + 12u, quad, end);
        }
        workgroupBarrier();
        for (var i = 0u; i < STAGE * TILE_QUADS; i += TILE_QUADS) {
            let a0 = a_panel[i + y];
            let a1 = a_panel[i + y + 8u];
            let b0 = b_panel[i + x];
            let b1 = b_panel[i + x + 8u];
            c00 += a0.x * b0; c01 += a0.x * b1;
            c10 += a0.y * b0; c11 += a0.y * b1;
            c20 += a0.z * b0; c21 += a0.z * b1;
            c30 += a0.w * b0; c31 += a0.w * b1;
            c40 += a1.x * b0; c41 += a1.x * b1;
            c50 += a1.y * b0; c51 += a1.y * b1;
            c60 += a1.z * b0; c61 += a1.z * b1;
            c70 += a1.w * b0; c71 += a1.w * b1;
        }
        workgroupBarrier();
    }

    let row = first_row + 4u * y;
    let quad = first_quad + x;
    let base = split * ROWS * C_STRIDE;
    store(row, quad, base, c00); store(row, quad + 8u, base, c01);
    store(row + 1u, quad, base, c10); store(row + 1u, quad + 8u, base, c11);
    store(row + 2u, quad, base, c20); store(row + 2u, quad + 8u, base, c21);
    store(row + 3u, quad, base, c30); store(row + 3u, quad + 8u, base, c31);
    store(row + 32u, quad, base, c40); store(row + 32u, quad + 8u, base, c41);
    store(row + 33u, quad, base, c50); store(row + 33u, quad + 8u, base, c51);
    store(row + 34u, quad, base, c60); store(row + 34u, quad + 8u, base, c61);
    store(row + 35u, quad, base, c70); store(row + 35u, quad + 8u, base, c71);
}

// Four m, one in each column, over four k.
fn block_a(row: u32, k: u32, end: u32) -> mat4x4<f32> {
    if A_ALONG_DEPTH {
        let quad = k / 4u;
        let last = ROWS - 1u;
        return mat4x4<f32>(
            a[min(row, last) * A_STRIDE + quad],
            a[min(row + 1u, last) * A_STRIDE + quad],
            a[min(row + 2u, last) * A_STRIDE + quad],
            a[min(row + 3u, last) * A_STRIDE + quad]);
    }
    let quad = min(row / 4u, A_STRIDE - 1u);
    let last = end - 1u;
    let zero = vec4<f32>();
    return transpose(mat4x4<f32>(
        a[k * A_STRIDE + quad],
        select(zero, a[min(k + 1u, last) * A_STRIDE + quad], k < last),
        select(zero, a[min(k + 2u, last) * A_STRIDE + quad], k + 1u < last),
        select(zero, a[min(k + 3u, last) * A_STRIDE + quad], k + 2u < last)));
}

// Four k, one in each column, over four n. What it holds beyond the last k meets a zero of A.
fn block_b(column_quad: u32, k: u32, end: u32) -> mat4x4<f32> {
    if B_ALONG_DEPTH {
        let quad = k / 4u;
        let row = 4u * column_quad;
        let last = COLUMNS - 1u;
        return transpose(mat4x4<f32>(
            b[min(row, last) * B_STRIDE + quad],
            b[min(row + 1u, last) * B_STRIDE + quad],
            b[min(row + 2u, last) * B_STRIDE + quad],
            b[min(row + 3u, last) * B_STRIDE + quad]));
    }
    let quad = min(column_quad, B_STRIDE - 1u);
    let last = end - 1u;
    return mat4x4<f32>(
        b[k * B_STRIDE + quad],
        b[min(k + 1u, last) * B_STRIDE + quad],
        b[min(k + 2u, last) * B_STRIDE + quad],
        b[min(k + 3u, last) * B_STRIDE + quad]);
}

// The columns of `value` are four rows of C.
fn store_block(row: u32, quad: u32, base: u32, value: mat4x4<f32>) {
    var inside = vec4<bool>(true, true, true, true);
    if B_ALONG_DEPTH {
        inside = 4u * vec4<u32>(quad) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(COLUMNS);
    }
    let zero = vec4<f32>();
    store(row, quad, base, select(zero, value[0], inside));
    store(row + 1u, quad, base, select(zero, value[1], inside));
    store(row + 2u, quad, base, select(zero, value[2], inside));
    store(row + 3u, quad, base, select(zero, value[3], inside));
}

@compute @workgroup_size(16)
fn main_block(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let split = group.y / ROW_TILES;
    let row = (group.y % ROW_TILES) * TILE + 4u * (lane / 4u);
    let quad = group.x * TILE_QUADS + lane % 4u;
    let begin = split * SPLIT_DEPTH;
    let end = min(begin + SPLIT_DEPTH, DEPTH);

    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var k = begin; k < end; k += 4u) {
        let a0 = block_a(row, k, end);
        let a1 = block_a(row + 16u, k, end);
        let a2 = block_a(row + 32u, k, end);
        let a3 = block_a(row + 48u, k, end);
        let b0 = block_b(quad, k, end);
        let b1 = block_b(quad + 4u, k, end);
        let b2 = block_b(quad + 8u, k, end);
        let b3 = block_b(quad + 12u, k, end);
        c00 += b0 * a0; c01 += b1 * a0; c02 += b2 * a0; c03 += b3 * a0;
        c10 += b0 * a1; c11 += b1 * a1; c12 += b2 * a1; c13 += b3 * a1;
        c20 += b0 * a2; c21 += b1 * a2; c22 += b2 * a2; c23 += b3 * a2;
        c30 += b0 * a3; c31 += b1 * a3; c32 += b2 * a3; c33 += b3 * a3;
    }

    let base = split * ROWS * C_STRIDE;
    store_block(row, quad, base, c00);
    store_block(row, quad + 4u, base, c01);
    store_block(row, quad + 8u, base, c02);
    store_block(row, quad + 12u, base, c03);
    store_block(row + 16u, quad, base, c10);
    store_block(row + 16u, quad + 4u, base, c11);
    store_block(row + 16u, quad + 8u, base, c12);
    store_block(row + 16u, quad + 12u, base, c13);
    store_block(row + 32u, quad, base, c20);
    store_block(row + 32u, quad + 4u, base, c21);
    store_block(row + 32u, quad + 8u, base, c22);
    store_block(row + 32u, quad + 12u, base, c23);
    store_block(row + 48u, quad, base, c30);
    store_block(row + 48u, quad + 4u, base, c31);
    store_block(row + 48u, quad + 8u, base, c32);
    store_block(row + 48u, quad + 12u, base, c33);
}

@compute @workgroup_size(64)
fn main_patch(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let split = group.y / ROW_TILES;
    let row = (group.y % ROW_TILES) * TILE + 4u * (lane / 8u);
    let quad = group.x * TILE_QUADS + lane % 8u;
    let begin = split * SPLIT_DEPTH;
    let end = min(begin + SPLIT_DEPTH, DEPTH);

    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>();
    for (var k = begin; k < end; k += 4u) {
        let a0 = block_a(row, k, end);
        let a1 = block_a(row + 32u, k, end);
        let b0 = block_b(quad, k, end);
        let b1 = block_b(quad + 8u, k, end);
        c00 += b0 * a0; c01 += b1 * a0;
        c10 += b0 * a1; c11 += b1 * a1;
    }

    let base = split * ROWS * C_STRIDE;
    store_block(row, quad, base, c00);
    store_block(row, quad + 8u, base, c01);
    store_block(row + 32u, quad, base, c10);
    store_block(row + 32u, quad + 8u, base, c11);
}

@compute @workgroup_size(64)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = flat_index(group, lane);
    if at < REDUCE_QUADS {
        var sum = c[at];
        for (var split = 0u; split < SPLITS; split++) {
            sum += a[split * REDUCE_QUADS + at];
        }
        c[at] = sum;
    }
}

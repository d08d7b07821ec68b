// product: C[m, n] = sum over k of A[m, k] B[n, k] in f32, the three products of a linear layer by its constants:
//   forward          y[r, o]  = sum over i of x[r, i]  W[o, i]
//   input gradient   dx[r, i] = sum over o of dy[r, o] W[o, i]
//   weight gradient  dW[o, i] += sum over r of dy[r, o] x[r, i]
//
//   a   A as it lies in memory: rows of A_STRIDE quads, row m with k along it (A_ALONG_DEPTH) or row k with m along it
//   b   B likewise, rows of B_STRIDE quads
//   c   `main`: [splits, ROWS, 4 * C_STRIDE] f32, the sums of split s over k in [s * SPLIT_DEPTH, (s + 1) * SPLIT_DEPTH);
//       added to what is there if ADD.
//       `reduce`: [4 * REDUCE_QUADS] f32, to which the SPLITS partial sums in `a` are added in their order.
//
// Rows are padded to whole quads with zeros; so are the rows of C. One workgroup is a tile of 64 x 64 elements of C, an
// invocation holds 8 x 8 of them. Each stage brings 16 k of both operands into workgroup memory, k by k, whatever way they
// lie in memory.
// Limits: baseline WebGPU (3 storage buffers, 8 KiB of workgroup memory, 64 invocations).

override ROWS: u32 = 1u;
override DEPTH: u32 = 1u;
override SPLIT_DEPTH: u32 = 16u;
override A_STRIDE: u32 = 2u;
override B_STRIDE: u32 = 2u;
override C_STRIDE: u32 = 2u;
// Rows of B if k lies along them.
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

const LANES: u32 = 64u;
const GROUPS_ACROSS: u32 = 32768u;
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
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
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

@compute @workgroup_size(64)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = (group.y * GROUPS_ACROSS + group.x) * LANES + lane;
    if at < REDUCE_QUADS {
        var sum = c[at];
        for (var split = 0u; split < SPLITS; split++) {
            sum += a[split * REDUCE_QUADS + at];
        }
        c[at] = sum;
    }
}

// causal_attention: causal attention over packed documents, for training: row r attends to rows first[r] ..= r.
//
//   qkv    [ROWS, ROW_STRIDE] f32: HEADS queries, KV_HEADS keys (both rotated), KV_HEADS values of HEAD_DIM each, side by
//          side; ROW_STRIDE is their number padded to a multiple of 8
//   first  [ROWS] u32, first row of the row's document
//   out    [ROWS, OUT_STRIDE] f32: heads side by side; OUT_STRIDE is HEADS * HEAD_DIM padded to a multiple of 8, the
//          padding written as zero
//   lse    [ROWS, HEADS] f32, log-sum-exp of the scaled scores: what the backward pass needs instead of the weights
//
// Online softmax, no barriers. `main` takes a (row, head) an invocation; `main_four` takes four neighbouring rows of a head,
// for adapters on which a load costs much more than a multiplication (those that compute on the CPU). HEAD_DIM is even and
// at most 128, for `main_four` at most 32. A head that does not begin on a vec4 is put together from the two it touches.
// Limits: baseline WebGPU (4 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override ROW_STRIDE: u32 = 8u;
override OUT_STRIDE: u32 = 8u;
override SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> first: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

// Elements 4 i .. 4 i + 3 of the head at `base`, with zeros behind its end.
fn qkv_quad(base: u32, i: u32) -> vec4<f32> {
    let at = base / 4u + i;
    if HEAD_DIM % 4u == 0u {
        return qkv[at];
    }
    var quad = qkv[at];
    if base % 4u == 2u {
        quad = vec4<f32>(quad.zw, qkv[at + 1u].xy);
    }
    if 4u * i + 4u > HEAD_DIM {
        quad = vec4<f32>(quad.xy, 0.0, 0.0);
    }
    return quad;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let row = index / HEADS;
    if row >= ROWS {
        return;
    }
    let head = index % HEADS;
    let quads = (HEAD_DIM + 3u) / 4u;
    let key_offset = (HEADS + head / (HEADS / KV_HEADS)) * HEAD_DIM;
    let value_offset = key_offset + KV_HEADS * HEAD_DIM;

    var query: array<vec4<f32>, 32>;
    var acc: array<vec4<f32>, 32>;
    for (var i = 0u; i < quads; i++) {
        query[i] = qkv_quad(row * ROW_STRIDE + head * HEAD_DIM, i) * SCALE;
        acc[i] = vec4<f32>(0.0);
    }
    var top = -3.0e38;  // below any score, finite so that it never makes a NaN
    var norm = 0.0;
    for (var key = first[row]; key <= row; key++) {
        let key_base = key * ROW_STRIDE + key_offset;
        var score = 0.0;
        for (var i = 0u; i < quads; i++) {
            score += dot(query[i], qkv_quad(key_base, i));
        }
        // One of the two exponentials of an online softmax is always 1.
        let e = exp(-abs(score - top));
        let higher = score > top;
        let rescale = select(1.0, e, higher);
        let weight = select(e, 1.0, higher);
        top = max(top, score);
        norm = norm * rescale + weight;
        let value_base = key * ROW_STRIDE + value_offset;
        for (var i = 0u; i < quads; i++) {
            acc[i] = acc[i] * rescale + weight * qkv_quad(value_base, i);
        }
    }

    let to = (row * OUT_STRIDE + head * HEAD_DIM) / 2u;
    for (var i = 0u; i < quads; i++) {
        let quad = acc[i] / norm;
        out[to + 2u * i] = quad.xy;
        if 4u * i + 2u < HEAD_DIM {
            out[to + 2u * i + 1u] = quad.zw;
        }
    }
    lse[index] = top + log(norm);
    if head == 0u {
        for (var pad = HEADS * HEAD_DIM; pad < OUT_STRIDE; pad += 2u) {
            out[(row * OUT_STRIDE + pad) / 2u] = vec2<f32>(0.0);
        }
    }
}

// Quad i of the heads at `bases`, one of them in each component of the columns.
fn four_quads(bases: vec4<u32>, i: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        qkv_quad(bases.x, i),
        qkv_quad(bases.y, i),
        qkv_quad(bases.z, i),
        qkv_quad(bases.w, i),
    ));
}

// As `main`, with what belongs to rows 4 n .. 4 n + 3 in the components of a vector. The keys go from the first row of the
// first one's document to the last one, and each row counts those that it sees.
@compute @workgroup_size(64)
fn main_four(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let head = index % HEADS;
    let row = 4u * (index / HEADS);
    if row >= ROWS {
        return;
    }
    // Behind the last row, the last row again.
    let rows = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(ROWS - 1u));
    let quads = (HEAD_DIM + 3u) / 4u;
    let key_offset = (HEADS + head / (HEADS / KV_HEADS)) * HEAD_DIM;
    let value_offset = key_offset + KV_HEADS * HEAD_DIM;

    var query: array<vec4<f32>, 32>;
    var acc: array<vec4<f32>, 32>;
    for (var i = 0u; i < quads; i++) {
        let q = four_quads(rows * ROW_STRIDE + head * HEAD_DIM, i);
        for (var c = 0u; c < 4u; c++) {
            query[4u * i + c] = q[c] * SCALE;
            acc[4u * i + c] = vec4<f32>(0.0);
        }
    }
    let firsts = vec4<u32>(first[rows.x], first[rows.y], first[rows.z], first[rows.w]);
    var top = vec4<f32>(-3.0e38);
    var norm = vec4<f32>(0.0);
    for (var key = firsts.x; key <= rows.w; key++) {
        let key_base = key * ROW_STRIDE + key_offset;
        var score = vec4<f32>(0.0);
        for (var i = 0u; i < quads; i++) {
            let k = qkv_quad(key_base, i);
            score += query[4u * i] * k.x + query[4u * i + 1u] * k.y;
            score += query[4u * i + 2u] * k.z + query[4u * i + 3u] * k.w;
        }
        let seen = (vec4<u32>(key) >= firsts) & (vec4<u32>(key) <= rows);
        let e = exp(-abs(score - top));
        let higher = seen & (score > top);
        let rescale = select(vec4<f32>(1.0), e, higher);
        let weight = select(vec4<f32>(0.0), select(e, vec4<f32>(1.0), higher), seen);
        top = select(top, score, higher);
        norm = norm * rescale + weight;
        let value_base = key * ROW_STRIDE + value_offset;
        for (var i = 0u; i < quads; i++) {
            let v = qkv_quad(value_base, i);
            for (var c = 0u; c < 4u; c++) {
                acc[4u * i + c] = acc[4u * i + c] * rescale + weight * v[c];
            }
        }
    }

    for (var t = 0u; t < min(4u, ROWS - row); t++) {
        let to = (row + t) * OUT_STRIDE / 2u;
        for (var i = 0u; i < HEAD_DIM / 2u; i++) {
            out[to + head * HEAD_DIM / 2u + i] = vec2<f32>(acc[2u * i][t], acc[2u * i + 1u][t]) / norm[t];
        }
        lse[(row + t) * HEADS + head] = top[t] + log(norm[t]);
        if head == 0u {
            for (var pad = HEADS * HEAD_DIM; pad < OUT_STRIDE; pad += 2u) {
                out[to + pad / 2u] = vec2<f32>(0.0);
            }
        }
    }
}

// causal_attention_backward: the gradient of causal_attention with respect to rotated queries and keys and to values. The
// weights p are computed again from lse, never stored (Dao et al., FlashAttention, arXiv 2205.14135, algorithm 4):
//   p = exp(SCALE q.k - lse),  delta = dout.out,  ds = p (dout.v - delta) SCALE
//   dq = sum over keys of ds k,  dk = sum over queries of ds q,  dv = sum over queries of p dout
//
//   qkv, dqkv    [ROWS, ROW_STRIDE] f32, as causal_attention has them; the padding of dqkv is written as zero
//   out, dout    [ROWS, OUT_STRIDE] f32
//   lse, delta   [ROWS, HEADS] f32
//   first, last  [ROWS] u32, first and last row of the row's document
//
// Two stages, in this order: `queries` (an invocation a (row, head); writes dq and delta), `keys` (an invocation a (row,
// key/value head), over the rows that saw it and the heads that share it; writes dk and dv). `queries_four` and `keys_four`
// take four neighbouring rows an invocation, for adapters on which a load costs much more than a multiplication (those that
// compute on the CPU). No barriers, sums in the order of rows. HEAD_DIM is even and at most 128, for four rows at most 32.
// Limits: baseline WebGPU (8 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override HEADS: u32 = 1u;
override KV_HEADS: u32 = 1u;
override HEAD_DIM: u32 = 2u;
override ROW_STRIDE: u32 = 8u;
override OUT_STRIDE: u32 = 8u;
override SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> first: array<u32>;
@group(0) @binding(5) var<storage, read> last: array<u32>;
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<vec2<f32>>;

// Elements 4 i .. 4 i + 3 of the head at `base` from the one or two quads it touches, with zeros behind its end.
fn head_quad(base: u32, i: u32, quad: vec4<f32>, next: vec4<f32>) -> vec4<f32> {
    var result = quad;
    if base % 4u == 2u {
        result = vec4<f32>(quad.zw, next.xy);
    }
    if 4u * i + 4u > HEAD_DIM {
        result = vec4<f32>(result.xy, 0.0, 0.0);
    }
    return result;
}

fn qkv_quad(base: u32, i: u32) -> vec4<f32> {
    let at = base / 4u + i;
    if HEAD_DIM % 4u == 0u {
        return qkv[at];
    }
    return head_quad(base, i, qkv[at], qkv[at + 1u]);
}

fn out_quad(base: u32, i: u32) -> vec4<f32> {
    let at = base / 4u + i;
    if HEAD_DIM % 4u == 0u {
        return out[at];
    }
    return head_quad(base, i, out[at], out[at + 1u]);
}

fn dout_quad(base: u32, i: u32) -> vec4<f32> {
    let at = base / 4u + i;
    if HEAD_DIM % 4u == 0u {
        return dout[at];
    }
    return head_quad(base, i, dout[at], dout[at + 1u]);
}

fn write_quad(base: u32, i: u32, quad: vec4<f32>) {
    let to = base / 2u + 2u * i;
    dqkv[to] = quad.xy;
    if 4u * i + 2u < HEAD_DIM {
        dqkv[to + 1u] = quad.zw;
    }
}

@compute @workgroup_size(64)
fn queries(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let row = index / HEADS;
    if row >= ROWS {
        return;
    }
    let head = index % HEADS;
    let quads = (HEAD_DIM + 3u) / 4u;
    let query_base = row * ROW_STRIDE + head * HEAD_DIM;
    let out_base = row * OUT_STRIDE + head * HEAD_DIM;
    let key_offset = (HEADS + head / (HEADS / KV_HEADS)) * HEAD_DIM;
    let value_offset = key_offset + KV_HEADS * HEAD_DIM;

    var query: array<vec4<f32>, 32>;
    var slope: array<vec4<f32>, 32>;  // dout
    var acc: array<vec4<f32>, 32>;
    var own_delta = 0.0;
    for (var i = 0u; i < quads; i++) {
        query[i] = qkv_quad(query_base, i) * SCALE;
        slope[i] = dout_quad(out_base, i);
        acc[i] = vec4<f32>(0.0);
        own_delta += dot(slope[i], out_quad(out_base, i));
    }
    delta[index] = own_delta;
    let own_lse = lse[index];
    for (var key = first[row]; key <= row; key++) {
        let key_base = key * ROW_STRIDE + key_offset;
        let value_base = key * ROW_STRIDE + value_offset;
        var score = 0.0;
        var dweight = 0.0;
        for (var i = 0u; i < quads; i++) {
            score += dot(query[i], qkv_quad(key_base, i));
            dweight += dot(slope[i], qkv_quad(value_base, i));
        }
        let dscore = exp(score - own_lse) * (dweight - own_delta) * SCALE;
        for (var i = 0u; i < quads; i++) {
            acc[i] += dscore * qkv_quad(key_base, i);
        }
    }
    for (var i = 0u; i < quads; i++) {
        write_quad(query_base, i, acc[i]);
    }
    if head == 0u {
        for (var pad = (HEADS + 2u * KV_HEADS) * HEAD_DIM; pad < ROW_STRIDE; pad += 2u) {
            dqkv[(row * ROW_STRIDE + pad) / 2u] = vec2<f32>(0.0);
        }
    }
}

@compute @workgroup_size(64)
fn keys(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let row = index / KV_HEADS;
    if row >= ROWS {
        return;
    }
    let kv_head = index % KV_HEADS;
    let quads = (HEAD_DIM + 3u) / 4u;
    let key_base = row * ROW_STRIDE + (HEADS + kv_head) * HEAD_DIM;
    let value_base = key_base + KV_HEADS * HEAD_DIM;
    let sharing = HEADS / KV_HEADS;

    var key: array<vec4<f32>, 32>;
    var value: array<vec4<f32>, 32>;
    var dkey: array<vec4<f32>, 32>;
    var dvalue: array<vec4<f32>, 32>;
    for (var i = 0u; i < quads; i++) {
        key[i] = qkv_quad(key_base, i) * SCALE;
        value[i] = qkv_quad(value_base, i);
        dkey[i] = vec4<f32>(0.0);
        dvalue[i] = vec4<f32>(0.0);
    }
    // No row is behind the last one, whatever `last` says: the loop must end.
    let end = min(last[row], ROWS - 1u);
    for (var asker = row; asker <= end; asker++) {
        for (var head = kv_head * sharing; head < (kv_head + 1u) * sharing; head++) {
            let query_base = asker * ROW_STRIDE + head * HEAD_DIM;
            let out_base = asker * OUT_STRIDE + head * HEAD_DIM;
            var score = 0.0;
            var dweight = 0.0;
            for (var i = 0u; i < quads; i++) {
                score += dot(key[i], qkv_quad(query_base, i));
                dweight += dot(value[i], dout_quad(out_base, i));
            }
            let weight = exp(score - lse[asker * HEADS + head]);
            let dscore = weight * (dweight - delta[asker * HEADS + head]) * SCALE;
            for (var i = 0u; i < quads; i++) {
                dkey[i] += dscore * qkv_quad(query_base, i);
                dvalue[i] += weight * dout_quad(out_base, i);
            }
        }
    }
    for (var i = 0u; i < quads; i++) {
        write_quad(key_base, i, dkey[i]);
        write_quad(value_base, i, dvalue[i]);
    }
}

// The four rows from `row` on; behind the last one, the last one again.
fn four_rows(row: u32) -> vec4<u32> {
    return min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(ROWS - 1u));
}

// Quad i of the heads at `bases`, one of them in each component of the columns.
fn qkv_quads(bases: vec4<u32>, i: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        qkv_quad(bases.x, i),
        qkv_quad(bases.y, i),
        qkv_quad(bases.z, i),
        qkv_quad(bases.w, i),
    ));
}

fn out_quads(bases: vec4<u32>, i: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        out_quad(bases.x, i),
        out_quad(bases.y, i),
        out_quad(bases.z, i),
        out_quad(bases.w, i),
    ));
}

fn dout_quads(bases: vec4<u32>, i: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        dout_quad(bases.x, i),
        dout_quad(bases.y, i),
        dout_quad(bases.z, i),
        dout_quad(bases.w, i),
    ));
}

// As `queries`, with what belongs to rows 4 n .. 4 n + 3 in the components of a vector. The keys go from the first row of
// the first one's document to the last one, and each row counts those that it sees.
@compute @workgroup_size(64)
fn queries_four(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let head = index % HEADS;
    let row = 4u * (index / HEADS);
    if row >= ROWS {
        return;
    }
    let rows = four_rows(row);
    let quads = (HEAD_DIM + 3u) / 4u;
    let key_offset = (HEADS + head / (HEADS / KV_HEADS)) * HEAD_DIM;
    let value_offset = key_offset + KV_HEADS * HEAD_DIM;

    var query: array<vec4<f32>, 32>;
    var slope: array<vec4<f32>, 32>;  // dout
    var acc: array<vec4<f32>, 32>;
    var own_delta = vec4<f32>(0.0);
    for (var i = 0u; i < quads; i++) {
        let q = qkv_quads(rows * ROW_STRIDE + head * HEAD_DIM, i);
        for (var c = 0u; c < 4u; c++) {
            query[4u * i + c] = q[c] * SCALE;
            acc[4u * i + c] = vec4<f32>(0.0);
        }
    }
    for (var i = 0u; i < quads; i++) {
        let d = dout_quads(rows * OUT_STRIDE + head * HEAD_DIM, i);
        for (var c = 0u; c < 4u; c++) {
            slope[4u * i + c] = d[c];
        }
    }
    for (var i = 0u; i < quads; i++) {
        let o = out_quads(rows * OUT_STRIDE + head * HEAD_DIM, i);
        for (var c = 0u; c < 4u; c++) {
            own_delta += slope[4u * i + c] * o[c];
        }
    }
    let at = rows * HEADS + head;
    let own_lse = vec4<f32>(lse[at.x], lse[at.y], lse[at.z], lse[at.w]);
    let firsts = vec4<u32>(first[rows.x], first[rows.y], first[rows.z], first[rows.w]);
    for (var key = firsts.x; key <= rows.w; key++) {
        var keys: array<vec4<f32>, 8>;
        var score = vec4<f32>(0.0);
        var dweight = vec4<f32>(0.0);
        for (var i = 0u; i < quads; i++) {
            let k = qkv_quad(key * ROW_STRIDE + key_offset, i);
            let v = qkv_quad(key * ROW_STRIDE + value_offset, i);
            keys[i] = k;
            for (var c = 0u; c < 4u; c++) {
                score += query[4u * i + c] * k[c];
                dweight += slope[4u * i + c] * v[c];
            }
        }
        let seen = (vec4<u32>(key) >= firsts) & (vec4<u32>(key) <= rows);
        let weight = select(vec4<f32>(0.0), exp(score - own_lse), seen);
        let dscore = weight * (dweight - own_delta) * SCALE;
        for (var i = 0u; i < quads; i++) {
            for (var c = 0u; c < 4u; c++) {
                acc[4u * i + c] += dscore * keys[i][c];
            }
        }
    }
    for (var t = 0u; t < min(4u, ROWS - row); t++) {
        let to = (row + t) * ROW_STRIDE / 2u;
        for (var i = 0u; i < HEAD_DIM / 2u; i++) {
            dqkv[to + head * HEAD_DIM / 2u + i] = vec2<f32>(acc[2u * i][t], acc[2u * i + 1u][t]);
        }
        delta[(row + t) * HEADS + head] = own_delta[t];
        if head == 0u {
            for (var pad = (HEADS + 2u * KV_HEADS) * HEAD_DIM; pad < ROW_STRIDE; pad += 2u) {
                dqkv[to + pad / 2u] = vec2<f32>(0.0);
            }
        }
    }
}

// As `keys`, with what belongs to rows 4 n .. 4 n + 3 in the components of a vector.
@compute @workgroup_size(64)
fn keys_four(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = flat_index(group, lane);
    let kv_head = index % KV_HEADS;
    let row = 4u * (index / KV_HEADS);
    if row >= ROWS {
        return;
    }
    let rows = four_rows(row);
    let quads = (HEAD_DIM + 3u) / 4u;
    let key_bases = rows * ROW_STRIDE + (HEADS + kv_head) * HEAD_DIM;
    let sharing = HEADS / KV_HEADS;

    var key: array<vec4<f32>, 32>;
    var value: array<vec4<f32>, 32>;
    var dkey: array<vec4<f32>, 32>;
    var dvalue: array<vec4<f32>, 32>;
    for (var i = 0u; i < quads; i++) {
        let k = qkv_quads(key_bases, i);
        let v = qkv_quads(key_bases + KV_HEADS * HEAD_DIM, i);
        for (var c = 0u; c < 4u; c++) {
            key[4u * i + c] = k[c] * SCALE;
            value[4u * i + c] = v[c];
            dkey[4u * i + c] = vec4<f32>(0.0);
            dvalue[4u * i + c] = vec4<f32>(0.0);
        }
    }
    let lasts = min(vec4<u32>(last[rows.x], last[rows.y], last[rows.z], last[rows.w]), vec4<u32>(ROWS - 1u));
    for (var asker = row; asker <= lasts.w; asker++) {
        let asks = (vec4<u32>(asker) >= rows) & (vec4<u32>(asker) <= lasts);
        for (var head = kv_head * sharing; head < (kv_head + 1u) * sharing; head++) {
            var query: array<vec4<f32>, 8>;
            var slope: array<vec4<f32>, 8>;
            var score = vec4<f32>(0.0);
            var dweight = vec4<f32>(0.0);
            for (var i = 0u; i < quads; i++) {
                let q = qkv_quad(asker * ROW_STRIDE + head * HEAD_DIM, i);
                let d = dout_quad(asker * OUT_STRIDE + head * HEAD_DIM, i);
                query[i] = q;
                slope[i] = d;
                for (var c = 0u; c < 4u; c++) {
                    score += key[4u * i + c] * q[c];
                    dweight += value[4u * i + c] * d[c];
                }
            }
            let at = asker * HEADS + head;
            let weight = select(vec4<f32>(0.0), exp(score - lse[at]), asks);
            let dscore = weight * (dweight - delta[at]) * SCALE;
            for (var i = 0u; i < quads; i++) {
                for (var c = 0u; c < 4u; c++) {
                    dkey[4u * i + c] += dscore * query[i][c];
                    dvalue[4u * i + c] += weight * slope[i][c];
                }
            }
        }
    }
    for (var t = 0u; t < min(4u, ROWS - row); t++) {
        let to = ((row + t) * ROW_STRIDE + (HEADS + kv_head) * HEAD_DIM) / 2u;
        for (var i = 0u; i < HEAD_DIM / 2u; i++) {
            dqkv[to + i] = vec2<f32>(dkey[2u * i][t], dkey[2u * i + 1u][t]);
            dqkv[to + KV_HEADS * HEAD_DIM / 2u + i] = vec2<f32>(dvalue[2u * i][t], dvalue[2u * i + 1u][t]);
        }
    }
}

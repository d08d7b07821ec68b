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
// key/value head), over the rows that saw it and the heads that share it; writes dk and dv). No barriers, sums in the
// order of rows. HEAD_DIM is even and at most 128.
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
    for (var asker = row; asker <= last[row]; asker++) {
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

// cross_entropy: the loss of each row's logits against its target, the most probable id, and, if GRADIENT is 1, the
// gradient of the weighted loss in place of the logits.
//
//   logits        [ROWS, 4 * QUADS] f32, VOCABULARY of them meaningful; with GRADIENT becomes
//                 weight * (softmax - onehot(target)), zero in ignored rows and in the padding
//   targets       [ROWS] i32: rows with a negative target (or one beyond the vocabulary) are ignored
//   weights       [ROWS] f32, read only with GRADIENT
//   losses        [ROWS] f32: -log softmax[target] in nats, not weighted; 0 in ignored rows
//   predictions   [ROWS] u32: the id of the largest logit, the smallest such id; in ignored rows too
//
// One invocation a row, which suits vocabularies of up to a few thousand.
// Limits: baseline WebGPU (5 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override ROWS: u32 = 1u;
override VOCABULARY: u32 = 1u;
override QUADS: u32 = 2u;
override GRADIENT: u32 = 0u;

@group(0) @binding(0) var<storage, read_write> logits: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> predictions: array<u32>;

const LOWEST: f32 = -3.4e38;

/// Four logits; those beyond the vocabulary so low that their exponential is zero.
fn quad(row: u32, q: u32) -> vec4<f32> {
    let ids = 4u * q + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(LOWEST), logits[row + q], ids < vec4<u32>(VOCABULARY));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = flat_index(group, lane);
    if r >= ROWS {
        return;
    }
    let row = r * QUADS;
    let filled = (VOCABULARY + 3u) / 4u;

    var best = vec4<f32>(LOWEST);
    var best_quad = vec4<u32>(0u);
    for (var q = 0u; q < filled; q++) {
        let value = quad(row, q);
        let better = value > best;
        best = select(best, value, better);
        best_quad = select(best_quad, vec4<u32>(q), better);
    }
    var top = best.x;
    var id = 4u * best_quad.x;
    for (var i = 1u; i < 4u; i++) {
        let other = 4u * best_quad[i] + i;
        if best[i] > top || (best[i] == top && other < id) {
            top = best[i];
            id = other;
        }
    }
    predictions[r] = id;

    let wanted = targets[r];
    if wanted < 0 || u32(wanted) >= VOCABULARY {
        losses[r] = 0.0;
        if GRADIENT == 1u {
            for (var q = 0u; q < QUADS; q++) {
                logits[row + q] = vec4<f32>(0.0);
            }
        }
        return;
    }
    let at = row + u32(wanted) / 4u;
    let part = u32(wanted) % 4u;
    let below = logits[at][part] - top;
    var mass = vec4<f32>(0.0);
    for (var q = 0u; q < filled; q++) {
        let value = exp(quad(row, q) - top);
        mass += value;
        if GRADIENT == 1u {
            logits[row + q] = value;
        }
    }
    let total = mass.x + mass.y + mass.z + mass.w;
    losses[r] = log(total) - below;
    if GRADIENT == 1u {
        let scale = weights[r] / total;
        for (var q = 0u; q < filled; q++) {
            logits[row + q] *= scale;
        }
        for (var q = filled; q < QUADS; q++) {
            logits[row + q] = vec4<f32>(0.0);
        }
        logits[at][part] -= weights[r];
    }
}

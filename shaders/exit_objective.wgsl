// exit_objective: the objective of each row from its losses and gate logits, its gradient in the logits, and sums over
// the rows. T = STEPS, L_t the loss of step t, lambda_t = sigmoid(z_t), p_t the probability of exiting at t.
//
//   Stage I     J = sum_t p_t L_t + beta sum_t p_t (log p_t - log prior_t); with the uniform prior the constant log T is
//               left out, so that J = sum_t p_t L_t - beta H(p)
//   last step   J = L_T
//   Stage II    J = sum_t BCE_t / T, BCE_t = -(w_t log(1 - lambda_t) + (1 - w_t) log lambda_t) with
//               w_t = sigmoid(k (max(0, gain_t) - gamma)); gain_t = L_(t-1) - L_t for t = 2..T (label of the paper) or
//               L_t - min over s > t of L_s for t = 1..T-1 (look-ahead); the losses are constants
//
//   objective   what the update trains for (shared/objective.wgsl)
//   targets     [ROWS] i32, negative where there is none
//   z, losses   [STEPS, ROWS] f32
//   dz          [STEPS, ROWS] f32: inv_count * dJ/dz; 0 in rows without a target
//   row_stats   [ROWS, 4] f32: J, entropy of p in nats, expected exit step, 1; zeros in rows without a target
//   totals      [16 + 16 * chunks] f32: the sums of row_stats, then of the losses of steps 1..8 in rows with a target,
//               then zeros; behind them the same of each chunk of CHUNK rows
//
// `gradient` does one row an invocation, `chunk_totals` one chunk, `totals_of_chunks` one sum, in order.
// Limits: baseline WebGPU (7 storage buffers, 64 invocations).

import package::shared::flat::flat_index;
import package::shared::objective::{Objective, STAGE_1, LAST_STEP, STAGE_2, GEOMETRIC, LOOK_AHEAD, MAX_STEPS, log_sigmoid};

override ROWS: u32 = 1u;
override STEPS: u32 = 1u;

@group(0) @binding(0) var<storage, read> objective: Objective;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> dz: array<f32>;
@group(0) @binding(5) var<storage, read_write> row_stats: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> totals: array<f32>;

const CHUNK: u32 = 64u;
const SUMS: u32 = 16u;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(min(-x, 80.0)));
}

/// log of the prior of exiting at step t (from 0), less a constant.
fn log_prior(t: u32) -> f32 {
    if objective.prior != GEOMETRIC {
        return 0.0;
    }
    let survived = f32(t) * log(1.0 - objective.exit_rate);
    return survived + select(log(objective.exit_rate), 0.0, t + 1u == STEPS);
}

@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = flat_index(group, lane);
    if r >= ROWS {
        return;
    }
    if targets[r] < 0 {
        for (var t = 0u; t < STEPS; t++) {
            dz[t * ROWS + r] = 0.0;
        }
        row_stats[r] = vec4<f32>(0.0);
        return;
    }
    var p: array<f32, MAX_STEPS>;
    // p_t times the derivative of Stage I's J in p_t. Constants in that derivative cancel, as p always sums to 1.
    var slope: array<f32, MAX_STEPS>;
    var log_before = 0.0;
    var value = 0.0;
    var entropy = 0.0;
    var expected = 0.0;
    for (var t = 0u; t < STEPS; t++) {
        let at = t * ROWS + r;
        let log_p = log_before + select(log_sigmoid(z[at]), 0.0, t + 1u == STEPS);
        log_before += log_sigmoid(-z[at]);
        p[t] = exp(log_p);
        entropy -= p[t] * log_p;
        expected += p[t] * f32(t + 1u);
        slope[t] = p[t] * (losses[at] + objective.beta * (log_p - log_prior(t)));
        value += slope[t];
    }
    if objective.kind == LAST_STEP {
        value = losses[(STEPS - 1u) * ROWS + r];
    }
    if objective.kind == STAGE_2 {
        value = 0.0;
    }
    var later = 0.0;
    var best_later = losses[(STEPS - 1u) * ROWS + r];
    for (var left = STEPS; left > 0u; left--) {
        let t = left - 1u;
        let at = t * ROWS + r;
        var derivative = 0.0;
        if objective.kind == STAGE_1 {
            if left < STEPS {
                derivative = sigmoid(-z[at]) * slope[t] - sigmoid(z[at]) * later;
            }
            later += slope[t];
        } else if objective.kind == STAGE_2 {
            var labelled = t > 0u;
            var before = losses[(max(t, 1u) - 1u) * ROWS + r];
            var after = losses[at];
            if objective.label == LOOK_AHEAD {
                labelled = left < STEPS;
                before = after;
                after = best_later;
                best_later = min(best_later, before);
            }
            if labelled {
                let gain = max(before - after, 0.0);
                let go_on = sigmoid(objective.k * (gain - objective.gamma));
                let stop = sigmoid(-objective.k * (gain - objective.gamma));
                value -= (go_on * log_sigmoid(-z[at]) + stop * log_sigmoid(z[at])) / f32(STEPS);
                derivative = (go_on * sigmoid(z[at]) - stop * sigmoid(-z[at])) / f32(STEPS);
            }
        }
        dz[at] = objective.inv_count * derivative;
    }
    row_stats[r] = vec4<f32>(value, entropy, expected, 1.0);
}

@compute @workgroup_size(64)
fn chunk_totals(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let chunk = flat_index(group, lane);
    let first = chunk * CHUNK;
    if first >= ROWS {
        return;
    }
    let end = min(first + CHUNK, ROWS);
    let to = SUMS * (chunk + 1u);
    var sums = vec4<f32>(0.0);
    for (var r = first; r < end; r++) {
        sums += row_stats[r];
    }
    for (var i = 0u; i < 4u; i++) {
        totals[to + i] = sums[i];
    }
    for (var t = 0u; t < SUMS - 4u; t++) {
        var sum = 0.0;
        if t < STEPS {
            for (var r = first; r < end; r++) {
                sum += select(0.0, losses[t * ROWS + r], targets[r] >= 0);
            }
        }
        totals[to + 4u + t] = sum;
    }
}

@compute @workgroup_size(64)
fn totals_of_chunks(@builtin(local_invocation_index) lane: u32) {
    if lane >= SUMS {
        return;
    }
    let chunks = (ROWS + CHUNK - 1u) / CHUNK;
    var sum = 0.0;
    for (var chunk = 1u; chunk <= chunks; chunk++) {
        sum += totals[SUMS * chunk + lane];
    }
    totals[lane] = sum;
}

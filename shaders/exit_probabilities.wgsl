// exit_probabilities: from the gate's logits to the distribution over exit steps, and the weight of each step's loss.
//
//   objective   what the update trains for (shared/objective.wgsl)
//   targets     [ROWS] i32, negative where there is none
//   z           [STEPS, ROWS] f32: logits of the gate
//   p           [STEPS, ROWS] f32: p_t = lambda_t * product over s < t of (1 - lambda_s), lambda = sigmoid(z); the last
//               step takes what remains, so its z does not matter
//   weights     [STEPS, ROWS] f32: derivative of the objective in the step's loss: Stage I inv_count * p; last-step
//               training inv_count at the last step; Stage II 0; 0 in rows without a target
//
// One invocation a row. Limits: baseline WebGPU (5 storage buffers, 64 invocations).

import package::shared::flat::flat_index;
import package::shared::objective::{Objective, STAGE_1, LAST_STEP, log_sigmoid};

override ROWS: u32 = 1u;
override STEPS: u32 = 1u;

@group(0) @binding(0) var<storage, read> objective: Objective;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = flat_index(group, lane);
    if r >= ROWS {
        return;
    }
    let share = select(0.0, objective.inv_count, targets[r] >= 0);
    var log_before = 0.0;
    for (var t = 0u; t < STEPS; t++) {
        let at = t * ROWS + r;
        let last = t + 1u == STEPS;
        let probability = exp(log_before + select(log_sigmoid(z[at]), 0.0, last));
        log_before += log_sigmoid(-z[at]);
        p[at] = probability;
        var weight = 0.0;
        if objective.kind == STAGE_1 {
            weight = probability * share;
        } else if objective.kind == LAST_STEP && last {
            weight = share;
        }
        weights[at] = weight;
    }
}

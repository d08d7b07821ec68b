// finish: the end of a recurrent step. The last layer's residual, the final norm, and the exit gate.
//
//   y <- RMSNorm(h + RMSNorm(a) * gain_a) * gain_final    read by the head, the gate and the next step
//   lambda <- sigmoid(gate . y + bias)                    instantaneous exit probability
//   p <- lambda * survival, or survival at the row's last step, whose own gate output is not used
//
//   a, h     [rows, STRIDE] f32
//   gains    [3, STRIDE] and 1 more f32: gain_a, gain_final, gate, and at 3 STRIDE the gate's bias
//   state    [slots, STRIDE] f32: the step's input, replaced by y
//   records  [slots] of Record: what the step's gate said; step 1 starts it anew
//
// One workgroup a row. STRIDE is WIDTH padded to a multiple of 8; padding of the states is written as zero.
// Probabilities are computed in f32 (section 3.3 of the paper; eq. 3).
// Limits: baseline WebGPU (6 storage buffers, 0.5 KiB of workgroup memory, 128 invocations).

import package::shared::rows::rows;
import package::shared::reduce::{workgroup_sum, REDUCE_LANES};

override WIDTH: u32 = 1u;
override STRIDE: u32 = 8u;
override EPSILON: f32 = 1e-6;

const MAX_STEPS: u32 = 8u;

struct Record {
    survival: f32,          // product of (1 - lambda) so far
    steps: u32,             // steps done
    lambda: array<f32, 8>,
    p: array<f32, 8>,
    change: array<f32, 8>,  // |y_t - y_(t-1)| / |y_(t-1)|, y_0 the embedding
    moved: array<f32, 8>,   // |y_t - y_(t-1)|
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> gains: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;
@group(0) @binding(4) var<storage, read_write> records: array<Record>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let row = r * STRIDE;
    let slot = rows.row[r].state;
    let at = slot * STRIDE;
    var square = 0.0;
    for (var i = lane; i < WIDTH; i += REDUCE_LANES) {
        square += a[row + i] * a[row + i];
    }
    let scale_a = inverseSqrt(workgroup_sum(lane, square) / f32(WIDTH) + EPSILON);
    square = 0.0;
    for (var i = lane; i < WIDTH; i += REDUCE_LANES) {
        let sum = h[row + i] + a[row + i] * scale_a * gains[i];
        square += sum * sum;
    }
    let scale_y = inverseSqrt(workgroup_sum(lane, square) / f32(WIDTH) + EPSILON);

    var gate = 0.0;
    var moved = 0.0;
    var before = 0.0;
    for (var i = lane; i < STRIDE; i += REDUCE_LANES) {
        var y = 0.0;
        if i < WIDTH {
            y = (h[row + i] + a[row + i] * scale_a * gains[i]) * scale_y * gains[STRIDE + i];
            let previous = state[at + i];
            gate += y * gains[2u * STRIDE + i];
            moved += (y - previous) * (y - previous);
            before += previous * previous;
        }
        state[at + i] = y;
    }
    gate = workgroup_sum(lane, gate) + gains[3u * STRIDE];
    moved = workgroup_sum(lane, moved);
    before = workgroup_sum(lane, before);

    if lane == 0u {
        let step = rows.row[r].step;
        let lambda = 1.0 / (1.0 + exp(-gate));
        if step == 1u {
            records[slot].survival = 1.0;
        }
        let survival = records[slot].survival;
        var p = lambda * survival;
        if step == rows.row[r].last_step {
            p = survival;
        }
        records[slot].survival = survival * (1.0 - lambda);
        records[slot].steps = step;
        records[slot].lambda[(step - 1u) % MAX_STEPS] = lambda;
        records[slot].p[(step - 1u) % MAX_STEPS] = p;
        records[slot].change[(step - 1u) % MAX_STEPS] = sqrt(moved / max(before, 1e-30));
        records[slot].moved[(step - 1u) % MAX_STEPS] = sqrt(moved);
    }
}

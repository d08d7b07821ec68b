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
// Limits: baseline WebGPU (6 storage buffers, 0.5 KiB of workgroup memory, 128 invocations at most).

import package::shared::rows::rows;
import package::shared::reduce::{workgroup_sum, REDUCE_LANES};
import package::shared::quads::{has_quad, some_quad, quad, square, squares, WIDTH, STRIDE, QUADS_A_TURN};

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

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> h: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gains: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> records: array<Record>;

fn branch(row: u32, i: u32) -> vec4<f32> {
    return quad(i, a[row + some_quad(i)]);
}

fn residual(row: u32, i: u32, scale: f32) -> vec4<f32> {
    let at = some_quad(i);
    return quad(i, h[row + at] + a[row + at] * scale * gains[at]);
}

// What a lane has seen of y: its product with the gate, and the squares of its way and of where that began.
struct Seen {
    gate: f32,
    moved: f32,
    before: f32,
}

fn look(seen: Seen, i: u32, y: vec4<f32>, previous: vec4<f32>) -> Seen {
    let gate = quad(i, gains[2u * (STRIDE / 4u) + some_quad(i)]);
    return Seen(seen.gate + dot(y, gate), seen.moved + square(y - previous), seen.before + square(previous));
}

fn previous_quad(at: u32, i: u32) -> vec4<f32> {
    return quad(i, state[at + some_quad(i)]);
}

fn normed(row: u32, i: u32, scale_a: f32, scale_y: f32) -> vec4<f32> {
    return quad(i, residual(row, i, scale_a) * scale_y * gains[STRIDE / 4u + some_quad(i)]);
}

fn store(at: u32, i: u32, value: vec4<f32>) {
    if has_quad(i) {
        state[at + i] = value;
    }
}

@compute @workgroup_size(REDUCE_LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let row = r * (STRIDE / 4u);
    let slot = rows.row[r].state;
    let at = slot * (STRIDE / 4u);
    var sum = 0.0;
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = branch(row, i);
        let q_1 = branch(row, i + REDUCE_LANES);
        let q_2 = branch(row, i + 2u * REDUCE_LANES);
        let q_3 = branch(row, i + 3u * REDUCE_LANES);
        sum += squares(q_0, q_1, q_2, q_3);
    }
    let scale_a = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);
    sum = 0.0;
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let q_0 = residual(row, i, scale_a);
        let q_1 = residual(row, i + REDUCE_LANES, scale_a);
        let q_2 = residual(row, i + 2u * REDUCE_LANES, scale_a);
        let q_3 = residual(row, i + 3u * REDUCE_LANES, scale_a);
        sum += squares(q_0, q_1, q_2, q_3);
    }
    let scale_y = inverseSqrt(workgroup_sum(lane, sum) / f32(WIDTH) + EPSILON);

    var seen = Seen(0.0, 0.0, 0.0);
    for (var i = lane; i < STRIDE / 4u; i += QUADS_A_TURN) {
        let before_0 = previous_quad(at, i);
        let before_1 = previous_quad(at, i + REDUCE_LANES);
        let before_2 = previous_quad(at, i + 2u * REDUCE_LANES);
        let before_3 = previous_quad(at, i + 3u * REDUCE_LANES);
        let y_0 = normed(row, i, scale_a, scale_y);
        let y_1 = normed(row, i + REDUCE_LANES, scale_a, scale_y);
        let y_2 = normed(row, i + 2u * REDUCE_LANES, scale_a, scale_y);
        let y_3 = normed(row, i + 3u * REDUCE_LANES, scale_a, scale_y);
        seen = look(seen, i, y_0, before_0);
        seen = look(seen, i + REDUCE_LANES, y_1, before_1);
        seen = look(seen, i + 2u * REDUCE_LANES, y_2, before_2);
        seen = look(seen, i + 3u * REDUCE_LANES, y_3, before_3);
        store(at, i, y_0);
        store(at, i + REDUCE_LANES, y_1);
        store(at, i + 2u * REDUCE_LANES, y_2);
        store(at, i + 3u * REDUCE_LANES, y_3);
    }
    let gate = workgroup_sum(lane, seen.gate) + gains[3u * (STRIDE / 4u)].x;
    let moved = workgroup_sum(lane, seen.moved);
    let before = workgroup_sum(lane, seen.before);

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

// token_stats: what the head says of each row, small enough to read back: the logit lens of a step.
//
//   logits  [rows, STRIDE] f32, VOCAB of them meaningful
//   stats   [MAX_STEPS * SLOTS, 2 + 2 TOP_MAX] of 32-bit words; row r writes entry (step - 1) * SLOTS + state:
//           entropy (nats), log of the sum of exponentials, then top_k pairs of (id, probability), floats as their bits,
//           the most probable first, the smaller id first among equals
//
// One workgroup a row. Limits: baseline WebGPU (3 storage buffers, 2 KiB of workgroup memory, 256 invocations at most).

import package::shared::rows::rows;
import package::shared::ordered::{workgroup_best, workgroup_total, WIDE_LANES};

override VOCAB: u32 = 1u;
override STRIDE: u32 = 8u;
override SLOTS: u32 = 1u;

const TOP_MAX: u32 = 16u;
const WORDS: u32 = 34u;  // 2 + 2 TOP_MAX

struct Wanted {
    top_k: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<uniform> wanted: Wanted;
@group(0) @binding(2) var<storage, read_write> stats: array<u32>;  // a float that holds an id could be flushed to zero

@compute @workgroup_size(WIDE_LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    if r >= rows.count {
        return;
    }
    let from_row = r * STRIDE;
    let entry = ((rows.row[r].step - 1u) * SLOTS + rows.row[r].state) * WORDS;
    var last = 3.4e38;
    var last_id = 0u;
    var top = 0.0;
    var log_sum = 0.0;
    for (var k = 0u; k < max(min(wanted.top_k, TOP_MAX), 1u); k++) {
        // The best of those that come after the one found before.
        var value = -3.4e38;
        var best_id = VOCAB;
        for (var id = lane; id < VOCAB; id += WIDE_LANES) {
            let logit = logits[from_row + id];
            let after = k == 0u || logit < last || (logit == last && id > last_id);
            if after && (logit > value || best_id == VOCAB) {
                value = logit;
                best_id = id;
            }
        }
        let best = workgroup_best(lane, value, best_id);
        last = best.value;
        last_id = best.id;
        if k == 0u {
            top = best.value;
            var mass = 0.0;
            var weighted = 0.0;
            for (var id = lane; id < VOCAB; id += WIDE_LANES) {
                let z = logits[from_row + id] - top;
                mass += exp(z);
                weighted += exp(z) * z;
            }
            mass = workgroup_total(lane, mass);
            weighted = workgroup_total(lane, weighted);
            log_sum = log(mass);
            if lane == 0u {
                stats[entry] = bitcast<u32>(log_sum - weighted / mass);
                stats[entry + 1u] = bitcast<u32>(top + log_sum);
            }
        }
        if lane == 0u && k < wanted.top_k {
            stats[entry + 2u + 2u * k] = best.id;
            let probability = select(0.0, exp(best.value - top - log_sum), best.id < VOCAB);
            stats[entry + 3u + 2u * k] = bitcast<u32>(probability);
        }
    }
}

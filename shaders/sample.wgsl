// sample: the next token of each row from its logits, one workgroup a row. The draws of a submission are numbered: those that
// come first may be the tokens of its later passes (see embed.wgsl). Row r makes draw number rows.row[r].token.
//
//   logits    [rows, STRIDE] f32, VOCAB of them meaningful
//   requests  [draws] of Request
//   seen      [sequences, ceil(VOCAB / 32)] bit set of the tokens a sequence holds; draws with `note` add theirs
//   tokens    [draws] u32, the result
//
// In the order Transformers applies them: repetition penalty, temperature, top-k, top-p, min-p, then the draw.
// Temperature 0 takes the largest logit (the smallest id among equals). The draw is Gumbel-max: the largest
// z + g(seed, position, id) among what was kept, so equal seeds give equal text however rows are batched.
// Tokens that tie with the last one kept by top-k or top-p are kept as well.
// Limits: baseline WebGPU (5 storage buffers, 11 KiB of workgroup memory, 256 invocations at most).

import package::shared::rows::rows;
import package::shared::ordered::{ordered, workgroup_best, workgroup_total, WIDE_LANES};
import package::shared::bins::{clear_bins, add_to_bin, bin_that_reaches};

override VOCAB: u32 = 1u;
override STRIDE: u32 = 8u;

struct Request {
    temperature: f32,
    top_k: u32,               // 0: off
    top_p: f32,               // 1: off
    min_p: f32,               // 0: off
    repetition_penalty: f32,  // 1: off
    seed_low: u32,
    seed_high: u32,
    position: u32,            // of the token to draw
    sequence: u32,            // row of `seen`
    note: u32,                // 1: the token joins the sequence at once
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> requests: array<Request>;
@group(0) @binding(2) var<storage, read_write> seen: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;

fn seen_word(draw: u32, id: u32) -> u32 {
    return requests[draw].sequence * ((VOCAB + 31u) / 32u) + id / 32u;
}

// Logits are looked at four by four, and four such quads in a turn, whose loads do not wait for each other.
override QUADS: u32 = (VOCAB + 3u) / 4u;
override QUADS_A_TURN: u32 = 4u * WIDE_LANES;

fn quad_at(r: u32, quad: u32) -> vec4<f32> {
    return logits[r * (STRIDE / 4u) + min(quad, QUADS - 1u)];
}

// The quads of a lane's turn: quad, and what follows at distances of WIDE_LANES.
fn turn_at(r: u32, quad: u32) -> array<vec4<f32>, 4> {
    return array<vec4<f32>, 4>(
        quad_at(r, quad),
        quad_at(r, quad + WIDE_LANES),
        quad_at(r, quad + 2u * WIDE_LANES),
        quad_at(r, quad + 3u * WIDE_LANES),
    );
}

// The token of element i of a turn; VOCAB or more for what is beyond the row.
fn id_at(quad: u32, i: u32) -> u32 {
    return 4u * (quad + WIDE_LANES * (i / 4u)) + i % 4u;
}

// The logit after the repetition penalty.
fn penalised(draw: u32, id: u32, logit: f32) -> f32 {
    let penalty = requests[draw].repetition_penalty;
    if penalty == 1.0 || ((seen[seen_word(draw, id)] >> (id % 32u)) & 1u) == 0u {
        return logit;
    }
    return select(logit * penalty, logit / penalty, logit > 0.0);
}

fn scramble(value: u32) -> u32 {  // PCG-RXS-M-XS, one round
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

fn gumbel(draw: u32, id: u32) -> f32 {
    let h = scramble(id + scramble(requests[draw].position + scramble(requests[draw].seed_low + scramble(requests[draw].seed_high))));
    let u = (f32(h >> 9u) + 0.5) / 8388608.0;
    return -log(-log(u));
}

// The largest ordered value such that tokens from it on, of those from `least` on, weigh `wanted` together. A token
// weighs exp((logit - best) * heat), which is 1 for heat 0. Three bits of the answer at a time, from the highest.
fn lowest_kept(r: u32, draw: u32, lane: u32, least: u32, wanted: f32, best: f32, heat: f32) -> u32 {
    var lowest = 0u;
    var above = 0.0;
    for (var digit = 0u; digit < 11u; digit++) {
        let shift = 30u - 3u * digit;
        clear_bins(lane);
        for (var quad = lane; quad < QUADS; quad += QUADS_A_TURN) {
            var turn = turn_at(r, quad);
            for (var i = 0u; i < 16u; i++) {
                let id = id_at(quad, i);
                if id < VOCAB {
                    let value = penalised(draw, id, turn[i / 4u][i % 4u]);
                    let key = ordered(value);
                    if key >= least && (digit == 0u || (key ^ lowest) >> (shift + 3u) == 0u) {
                        add_to_bin(lane, (key >> shift) & 7u, exp((value - best) * heat));
                    }
                }
            }
        }
        let bin = bin_that_reaches(lane, wanted - above);
        lowest |= bin.index << shift;
        above += bin.above;
    }
    return lowest;
}

@compute @workgroup_size(WIDE_LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    let draw = rows.row[r].token;
    let request = requests[draw];
    var top = -3.4e38;
    var top_id = VOCAB;
    for (var quad = lane; quad < QUADS; quad += QUADS_A_TURN) {
        var turn = turn_at(r, quad);
        for (var i = 0u; i < 16u; i++) {
            let id = id_at(quad, i);
            if id < VOCAB {
                let value = penalised(draw, id, turn[i / 4u][i % 4u]);
                if value > top || top_id == VOCAB {
                    top = value;
                    top_id = id;
                }
            }
        }
    }
    let best = workgroup_best(lane, top, top_id);
    var drawn = best.id;
    if request.temperature > 0.0 {
        let heat = 1.0 / request.temperature;
        // Lowest ordered value that is kept; raised by each filter in turn.
        var least = 0u;
        if request.top_k > 0u && request.top_k < VOCAB {
            least = lowest_kept(r, draw, lane, 0u, f32(request.top_k), best.value, 0.0);
        }
        if request.top_p < 1.0 {
            var mass = 0.0;
            for (var quad = lane; quad < QUADS; quad += QUADS_A_TURN) {
                var turn = turn_at(r, quad);
                for (var i = 0u; i < 16u; i++) {
                    let id = id_at(quad, i);
                    if id < VOCAB {
                        let value = penalised(draw, id, turn[i / 4u][i % 4u]);
                        if ordered(value) >= least {
                            mass += exp((value - best.value) * heat);
                        }
                    }
                }
            }
            let wanted = request.top_p * workgroup_total(lane, mass);
            let lowest = lowest_kept(r, draw, lane, least, wanted, best.value, heat);
            least = max(least, min(lowest, ordered(best.value)));
        }
        top = -3.4e38;
        top_id = VOCAB;
        for (var quad = lane; quad < QUADS; quad += QUADS_A_TURN) {
            var turn = turn_at(r, quad);
            for (var i = 0u; i < 16u; i++) {
                let id = id_at(quad, i);
                if id < VOCAB {
                    let value = penalised(draw, id, turn[i / 4u][i % 4u]);
                    let z = (value - best.value) * heat;
                    if ordered(value) >= least && exp(z) >= request.min_p {
                        let score = z + gumbel(draw, id);
                        if score > top || top_id == VOCAB {
                            top = score;
                            top_id = id;
                        }
                    }
                }
            }
        }
        let kept = workgroup_best(lane, top, top_id).id;
        drawn = select(best.id, kept, kept < VOCAB);
    }
    // Logits that are no numbers may leave nothing to choose from: the result is a token all the same.
    drawn = min(drawn, VOCAB - 1u);
    if lane == 0u {
        tokens[draw] = drawn;
        if request.note == 1u {
            seen[seen_word(draw, drawn)] |= 1u << (drawn % 32u);
        }
    }
}

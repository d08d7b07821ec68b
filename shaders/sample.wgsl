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
// Limits: baseline WebGPU (5 storage buffers, 11 KiB of workgroup memory, 256 invocations).

import package::shared::rows::rows;
import package::shared::ordered::{ordered, workgroup_best, workgroup_total, Best, WIDE_LANES};
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
const QUADS_A_TURN: u32 = 1024u;  // 4 * WIDE_LANES

fn penalty_of(draw: u32, logit: f32, is_seen: bool) -> f32 {
    let penalty = requests[draw].repetition_penalty;
    return select(logit, select(logit * penalty, logit / penalty, logit > 0.0), is_seen);
}

// The logits of tokens 4 quad .. 4 quad + 3, after the repetition penalty; of quads that are not there, another's.
fn penalised(r: u32, quad: u32) -> vec4<f32> {
    let at = min(quad, QUADS - 1u);
    let logit = logits[r * (STRIDE / 4u) + at];
    let draw = rows.row[r].token;
    if requests[draw].repetition_penalty == 1.0 {
        return logit;
    }
    let bits = seen[seen_word(draw, 4u * at)] >> (4u * at % 32u);
    return vec4<f32>(
        penalty_of(draw, logit.x, (bits & 1u) != 0u),
        penalty_of(draw, logit.y, (bits & 2u) != 0u),
        penalty_of(draw, logit.z, (bits & 4u) != 0u),
        penalty_of(draw, logit.w, (bits & 8u) != 0u),
    );
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

fn better(best: Best, value: f32, id: u32) -> Best {
    if id < VOCAB && (value > best.value || best.id == VOCAB) {
        return Best(value, id);
    }
    return best;
}

fn best_of_quad(best: Best, quad: u32, values: vec4<f32>) -> Best {
    var found = better(best, values.x, 4u * quad);
    found = better(found, values.y, 4u * quad + 1u);
    found = better(found, values.z, 4u * quad + 2u);
    return better(found, values.w, 4u * quad + 3u);
}

// What is kept, and how it is weighed: a token weighs exp((logit - best) * heat), which is 1 for heat 0.
struct Sieve {
    least: u32,  // the lowest ordered value that is kept
    best: f32,
    heat: f32,
    digits: u32,  // bits of `lowest` that are known, from the highest on, are those above `shift + 3`
    lowest: u32,
    shift: u32,
}

fn weigh(sieve: Sieve, lane: u32, id: u32, value: f32) {
    let key = ordered(value);
    let known = sieve.digits == 0u || (key ^ sieve.lowest) >> (sieve.shift + 3u) == 0u;
    if id < VOCAB && key >= sieve.least && known {
        add_to_bin(lane, (key >> sieve.shift) & 7u, exp((value - sieve.best) * sieve.heat));
    }
}

fn weigh_quad(sieve: Sieve, lane: u32, quad: u32, values: vec4<f32>) {
    weigh(sieve, lane, 4u * quad, values.x);
    weigh(sieve, lane, 4u * quad + 1u, values.y);
    weigh(sieve, lane, 4u * quad + 2u, values.z);
    weigh(sieve, lane, 4u * quad + 3u, values.w);
}

// The largest ordered value such that tokens from it on, of those that the sieve keeps, weigh `wanted` together. Three bits
// of the answer at a time, from the highest.
fn lowest_kept(r: u32, lane: u32, least: u32, wanted: f32, best: f32, heat: f32) -> u32 {
    var sieve = Sieve(least, best, heat, 0u, 0u, 30u);
    var above = 0.0;
    for (var digit = 0u; digit < 11u; digit++) {
        sieve.digits = digit;
        sieve.shift = 30u - 3u * digit;
        clear_bins(lane);
        for (var quad = lane; quad < QUADS; quad += QUADS_A_TURN) {
            let q_0 = penalised(r, quad);
            let q_1 = penalised(r, quad + WIDE_LANES);
            let q_2 = penalised(r, quad + 2u * WIDE_LANES);
            let q_3 = penalised(r, quad + 3u * WIDE_LANES);
            weigh_quad(sieve, lane, quad, q_0);
            weigh_quad(sieve, lane, quad + WIDE_LANES, q_1);
            weigh_quad(sieve, lane, quad + 2u * WIDE_LANES, q_2);
            weigh_quad(sieve, lane, quad + 3u * WIDE_LANES, q_3);
        }
        let bin = bin_that_reaches(lane, wanted - above);
        sieve.lowest |= bin.index << sieve.shift;
        above += bin.above;
    }
    return sieve.lowest;
}

fn kept_mass(sieve: Sieve, id: u32, value: f32) -> f32 {
    return select(0.0, exp((value - sieve.best) * sieve.heat), id < VOCAB && ordered(value) >= sieve.least);
}

fn kept_quad_mass(sieve: Sieve, quad: u32, values: vec4<f32>) -> f32 {
    return (kept_mass(sieve, 4u * quad, values.x) + kept_mass(sieve, 4u * quad + 1u, values.y))
        + (kept_mass(sieve, 4u * quad + 2u, values.z) + kept_mass(sieve, 4u * quad + 3u, values.w));
}

fn better_draw(sieve: Sieve, draw: u32, best: Best, value: f32, id: u32) -> Best {
    let z = (value - sieve.best) * sieve.heat;
    if id < VOCAB && ordered(value) >= sieve.least && exp(z) >= requests[draw].min_p {
        return better(best, z + gumbel(draw, id), id);
    }
    return best;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.x;
    let draw = rows.row[r].token;
    let request = requests[draw];
    var top = Best(-3.4e38, VOCAB);
    for (var quad = lane; quad < QUADS; quad += QUADS_A_TURN) {
        let q_0 = penalised(r, quad);
        let q_1 = penalised(r, quad + WIDE_LANES);
        let q_2 = penalised(r, quad + 2u * WIDE_LANES);
        let q_3 = penalised(r, quad + 3u * WIDE_LANES);
        top = best_of_quad(top, quad, q_0);
        top = best_of_quad(top, quad + WIDE_LANES, q_1);
        top = best_of_quad(top, quad + 2u * WIDE_LANES, q_2);
        top = best_of_quad(top, quad + 3u * WIDE_LANES, q_3);
    }
    let best = workgroup_best(lane, top.value, top.id);
    var drawn = best.id;
    if request.temperature > 0.0 {
        let heat = 1.0 / request.temperature;
        // Raised by each filter in turn.
        var sieve = Sieve(0u, best.value, heat, 0u, 0u, 0u);
        if request.top_k > 0u && request.top_k < VOCAB {
            sieve.least = lowest_kept(r, lane, 0u, f32(request.top_k), best.value, 0.0);
        }
        if request.top_p < 1.0 {
            var mass = 0.0;
            for (var quad = lane; quad < QUADS; quad += WIDE_LANES) {
                mass += kept_quad_mass(sieve, quad, penalised(r, quad));
            }
            let wanted = request.top_p * workgroup_total(lane, mass);
            let lowest = lowest_kept(r, lane, sieve.least, wanted, best.value, heat);
            sieve.least = max(sieve.least, min(lowest, ordered(best.value)));
        }
        top = Best(-3.4e38, VOCAB);
        for (var quad = lane; quad < QUADS; quad += WIDE_LANES) {
            let values = penalised(r, quad);
            top = better_draw(sieve, draw, top, values.x, 4u * quad);
            top = better_draw(sieve, draw, top, values.y, 4u * quad + 1u);
            top = better_draw(sieve, draw, top, values.z, 4u * quad + 2u);
            top = better_draw(sieve, draw, top, values.w, 4u * quad + 3u);
        }
        let kept = workgroup_best(lane, top.value, top.id).id;
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

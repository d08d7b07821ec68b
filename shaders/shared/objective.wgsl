// What an update trains for (`ObjectiveParams` of the wrapper), and logarithms of exit probabilities that stay finite.

struct Objective {
    inv_count: f32,
    beta: f32,
    kind: u32,
    prior: u32,
    exit_rate: f32,
    k: f32,
    gamma: f32,
    label: u32,
    pad_0: vec4<u32>,
    pad_1: vec4<u32>,
}

const STAGE_1: u32 = 0u;
const LAST_STEP: u32 = 1u;
const STAGE_2: u32 = 2u;
const GEOMETRIC: u32 = 1u;
const LOOK_AHEAD: u32 = 1u;
const MAX_STEPS: u32 = 8u;

/// log(1 + exp(-|z|)), by its series where the sum would round the exponential away.
fn log_of_one_plus(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(log(1.0 + e), e * (1.0 - e * (0.5 - e / 3.0)), e < 0.01);
}

/// log sigmoid(z).
fn log_sigmoid(z: f32) -> f32 {
    return min(z, 0.0) - log_of_one_plus(z);
}

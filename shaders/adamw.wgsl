// adamw: one update of Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), element by element:
//   g <- scale * gradient;  m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
//   p <- (1 - lr * weight_decay) p - lr * (m / correction1) / (sqrt(v / correction2) + epsilon)
//
//   parameters, gradient, m, v   [4 * QUADS] f32; the first DECAY_QUADS quads decay
//   stats                        [4] f32 of gradient_norm: scale is the second, and nothing is done if the third is 0
//   hyper                        [8] f32: lr, beta1, beta2, epsilon, weight_decay, correction1 = 1 - beta1^t,
//                                correction2 = 1 - beta2^t, 0
//
// One invocation four elements. Limits: baseline WebGPU (6 storage buffers, 64 invocations).

import package::shared::flat::flat_index;

override QUADS: u32 = 1u;
override DECAY_QUADS: u32 = 0u;

@group(0) @binding(0) var<storage, read_write> parameters: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> stats: array<f32, 4>;
@group(0) @binding(5) var<storage, read> hyper: array<f32, 8>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = flat_index(group, lane);
    if at >= QUADS || stats[2] == 0.0 {
        return;
    }
    let rate = hyper[0];
    let beta1 = hyper[1];
    let beta2 = hyper[2];
    let g = stats[1] * gradient[at];
    let first = beta1 * m[at] + (1.0 - beta1) * g;
    let second = beta2 * v[at] + (1.0 - beta2) * g * g;
    m[at] = first;
    v[at] = second;
    let kept = select(1.0, 1.0 - rate * hyper[4], at < DECAY_QUADS);
    let step = (first / hyper[5]) / (sqrt(second / hyper[6]) + hyper[3]);
    parameters[at] = kept * parameters[at] - rate * step;
}

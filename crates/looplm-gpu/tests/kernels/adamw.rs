//! `adamw` against its twin.

use looplm_gpu::{
    Buffer, GpuError, cpu,
    kernels::{AdamW, AdamWBuffers, AdamWHyper},
};

use crate::support::{self, fetch, numbers, poison, upload};

const UPDATES: u64 = 3;

/// Parameters, gradient, m, v.
fn state(elements: usize) -> [Vec<f32>; 4] {
    let mut rng = support::rng(elements as u64);
    let parameters = numbers(&mut rng, elements, 1.0);
    let mut gradient = numbers(&mut rng, elements, 1.0);
    // As in the padding of a matrix.
    gradient[elements / 2] = 0.0;
    [
        parameters,
        gradient,
        vec![0.0; elements],
        vec![0.0; elements],
    ]
}

fn hyper(t: u64) -> AdamWHyper {
    AdamWHyper::new(1e-2 / t as f32, [0.9, 0.95], 1e-8, 0.1, t)
}

/// Some updates of both; the views lie in the middle of their buffers.
fn check(elements: usize, decay_below: usize, stats: [f32; 4]) {
    let gpu = support::gpu();
    let mut want = state(elements);
    let buffers: Vec<Buffer> = want
        .iter()
        .map(|data| upload(gpu, &[&poison(64), data.as_slice(), &poison(64)].concat()))
        .collect();
    let part = |i: usize| {
        let view = buffers[i].part(256, 4 * elements as u64);
        view.expect("aligned")
    };
    let (stats_buffer, hyper_buffer) = (upload(gpu, &stats), support::poisoned(gpu, 8));
    let to = AdamWBuffers {
        parameters: part(0),
        gradient: part(1),
        m: part(2),
        v: part(3),
        stats: stats_buffer.view(),
        hyper: hyper_buffer.view(),
    };
    let bound = AdamW::new(gpu, elements, decay_below)
        .and_then(|kernel| kernel.bind(gpu, to))
        .expect("the shapes fit");
    for t in 1..=UPDATES {
        hyper_buffer.write(gpu, 0, bytemuck::bytes_of(&hyper(t)));
        let mut encoder = gpu.encoder();
        bound
            .record(&mut encoder.begin_compute_pass(&Default::default()))
            .expect("the grid is small");
        gpu.submit(encoder);
        let [parameters, gradient, m, v] = &mut want;
        cpu::adamw(parameters, gradient, m, v, stats, &hyper(t), decay_below);
    }
    let names = ["parameters", "gradient", "m", "v"];
    for ((name, buffer), want) in names.into_iter().zip(&buffers).zip(&want) {
        let got: Vec<f32> = fetch(gpu, buffer, elements + 128);
        let what = format!("{name} of {elements}, {decay_below} with decay");
        support::assert_near(&what, &got[64..64 + elements], want, 1e-6);
        let around = got[..64].iter().chain(&got[64 + elements..]);
        assert!(around.clone().all(|v| v.is_nan()), "{what}: around it");
    }
}

#[test]
fn any_number_of_quads() {
    let stats = [5.0, 0.2, 1.0, 0.0];
    for (elements, decay_below) in [(4, 0), (4, 4), (252, 128), (260, 256), (4124, 4), (8, 64)] {
        check(elements, decay_below, stats);
    }
}

#[test]
fn more_workgroups_than_one_dimension_takes() {
    let gpu = support::gpu();
    let elements = 4 * 64 * 32_768 + 8;
    let stats = [1.0, 1.0, 1.0, 0.0];
    let [parameters, gradient, m, v] =
        [1.0, 0.5, 0.25, 0.125].map(|value: f32| upload(gpu, &vec![value; elements]));
    let (stats_buffer, hyper_buffer) = (upload(gpu, &stats), upload(gpu, &[hyper(1)]));
    let to = AdamWBuffers {
        parameters: parameters.view(),
        gradient: gradient.view(),
        m: m.view(),
        v: v.view(),
        stats: stats_buffer.view(),
        hyper: hyper_buffer.view(),
    };
    let bound = AdamW::new(gpu, elements - 4, elements - 8)
        .and_then(|kernel| kernel.bind(gpu, to))
        .expect("the shapes fit");
    let mut encoder = gpu.encoder();
    bound
        .record(&mut encoder.begin_compute_pass(&Default::default()))
        .expect("the grid is small");
    gpu.submit(encoder);
    let got: Vec<f32> = fetch(gpu, &parameters, elements);
    // One that decays and one that does not.
    let mut want = [1.0; 2];
    let (mut m, mut v) = ([0.25; 2], [0.125; 2]);
    cpu::adamw(&mut want, &[0.5; 2], &mut m, &mut v, stats, &hyper(1), 1);
    let picked = [0, elements - 9, elements - 8, elements - 5].map(|i| got[i]);
    support::assert_near(
        "parameters",
        &picked,
        &[want[0], want[0], want[1], want[1]],
        1e-6,
    );
    assert_eq!(
        got[elements - 4..],
        [1.0; 4],
        "nothing behind it is written"
    );
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    check(1028, 512, [f32::NAN, 0.0, 0.0, 0.0]);
}

#[test]
fn the_first_update_moves_by_the_learning_rate() {
    let mut parameters = [1.0, 1.0];
    let hyper = AdamWHyper::new(0.1, [0.9, 0.999], 1e-12, 0.0, 1);
    let (mut m, mut v) = ([0.0; 2], [0.0; 2]);
    let gradient = [3.0, -0.01];
    cpu::adamw(
        &mut parameters,
        &gradient,
        &mut m,
        &mut v,
        [3.0, 1.0, 1.0, 0.0],
        &hyper,
        0,
    );
    support::assert_near("parameters", &parameters, &[0.9, 1.1], 1e-6);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    for (elements, decay_below) in [(0, 0), (6, 4), (8, 6)] {
        let kernel = AdamW::new(gpu, elements, decay_below);
        assert!(matches!(kernel, Err(GpuError::Shape { .. })));
    }
    let kernel = AdamW::new(gpu, 64, 0).expect("a multiple of 4");
    let large: Vec<_> = (0..6).map(|_| support::poisoned(gpu, 64)).collect();
    let small = support::poisoned(gpu, 4);
    for short in 0..7 {
        let at = |i: usize| {
            if i == short {
                small.view()
            } else {
                large[i].view()
            }
        };
        let to = AdamWBuffers {
            parameters: at(0),
            gradient: at(1),
            m: at(2),
            v: at(3),
            stats: at(4),
            hyper: at(5),
        };
        // Four elements are enough for the stats.
        let enough = short == 4 || short == 6;
        assert_eq!(kernel.bind(gpu, to).is_ok(), enough, "operand {short}");
    }
}

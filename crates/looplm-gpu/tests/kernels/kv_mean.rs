//! `kv_mean` against its twin.

use looplm_gpu::{
    GpuError, KvFormat, MAX_STEPS, cpu, head_stride,
    kernels::{AttentionShape, KvMean, KvMove},
};
use rand::{
    Rng,
    seq::{IndexedRandom, SliceRandom},
};

use crate::support::{
    self, assert_close, assert_kv_close, kv_fetch, kv_round, kv_upload, numbers, poison, poisoned,
    upload,
};

fn attention(kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads: kv_heads,
        kv_heads,
        head_dim,
    }
}

/// Makes `moves` moves between entries in any order. Sources are shared between the moves, every second move has its
/// target among its sources too, and all entries that are no source are poisoned: those that no move writes stay so.
fn check(shape: AttentionShape, moves: usize, counts: &[usize], tolerance: f32) {
    for format in KvFormat::ALL {
        check_format(shape, format, moves, counts, tolerance);
    }
}

fn check_format(
    shape: AttentionShape,
    format: KvFormat,
    moves: usize,
    counts: &[usize],
    tolerance: f32,
) {
    let gpu = support::gpu();
    let mut rng = support::rng((shape.entry() * 1000 + moves) as u64);
    let mut entries: Vec<u32> = (0..(2 * moves + 2 * MAX_STEPS) as u32).collect();
    entries.shuffle(&mut rng);
    let (targets, others) = entries.split_at(moves + 1);
    let (sources, untouched) = others.split_at(MAX_STEPS + moves / 2);
    let mut list: Vec<KvMove> = targets
        .iter()
        .enumerate()
        .map(|(i, &target)| {
            let count = counts[i % counts.len()];
            let mut source = [untouched[0]; MAX_STEPS];
            for (source, &of) in source
                .iter_mut()
                .zip(sources.choose_multiple(&mut rng, count))
            {
                *source = of;
            }
            if i % 2 == 1 {
                source[rng.random_range(0..count)] = target;
            }
            KvMove {
                target,
                count: count as u32,
                source,
            }
        })
        .collect();
    let mut want: [Vec<f32>; 2] = std::array::from_fn(|_| poison(entries.len() * shape.entry()));
    for data in &mut want {
        for one in &list {
            for &entry in &one.source[..one.count as usize] {
                let at = entry as usize * shape.entry();
                if data[at].is_nan() {
                    let random = numbers(&mut rng, shape.entry(), 1.0);
                    data[at..][..shape.entry()].copy_from_slice(&kv_round(format, &random));
                }
            }
        }
    }
    // The buffer holds one move more than is asked for.
    let buffer = upload(gpu, &list);
    list.truncate(moves);
    let [keys, values] = want.each_ref().map(|data| kv_upload(gpu, format, data));
    for data in &mut want {
        cpu::kv_mean(shape, format, &list, data);
    }

    let op = KvMean::new(gpu, shape, format).bind(gpu, &buffer, &keys, &values);
    let op = op.expect("the shapes fit");
    let mut encoder = gpu.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        op.encode(&mut pass, moves).expect("the grid is small");
    }
    gpu.submit(encoder);
    for (name, got, want) in [("keys", &keys, &want[0]), ("values", &values, &want[1])] {
        let what = format!("{name} of {shape:?}, {format}, {moves} moves of {counts:?}");
        let got = kv_fetch(gpu, format, got, want.len());
        if tolerance == 0.0 {
            assert_close(&what, &got, want, 0.0);
        } else {
            assert_kv_close(&what, format, &got, want, tolerance);
        }
    }
}

#[test]
fn odd_entry_sizes() {
    for (kv_heads, head_dim) in [
        (1, 2),
        (3, 2),
        (1, 6),
        (2, 10),
        (1, 64),
        (1, 66),
        (5, 14),
        (3, 34),
        (16, 64),
    ] {
        check(attention(kv_heads, head_dim), 5, &[3, 1, 8, 2, 4], 1e-6);
    }
}

#[test]
fn every_number_of_sources() {
    for count in 1..=MAX_STEPS {
        check(attention(3, 30), 4, &[count], 1e-6);
    }
}

#[test]
fn one_source_is_copied() {
    check(attention(3, 30), 6, &[1], 0.0);
}

#[test]
fn many_moves() {
    let counts: Vec<usize> = (1..=MAX_STEPS).collect();
    check(attention(2, 34), 1500, &counts, 1e-6);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let shape = attention(2, 6);
    let kernel = KvMean::new(gpu, shape, KvFormat::F32);
    let entry = 2 * head_stride(6);
    assert_eq!(shape.entry(), entry);
    let buffer = |count| poisoned(gpu, count);
    let (keys, values) = (buffer(4 * entry), buffer(4 * entry));
    let words = size_of::<KvMove>() / 4;
    let moves = buffer(2 * words);
    for (keys, values) in [
        (&keys, &buffer(3 * entry)),
        (&buffer(3 * entry), &values),
        (&buffer(entry - 4), &buffer(entry - 4)),
    ] {
        assert!(matches!(
            kernel.bind(gpu, &moves, keys, values),
            Err(GpuError::Shape {
                kernel: "kv_mean",
                ..
            })
        ));
    }
    let many = buffer(70_000 * words);
    let mut encoder = gpu.encoder();
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for (moves, asked) in [(&moves, 3), (&many, 70_000)] {
        let op = kernel.bind(gpu, moves, &keys, &values);
        let op = op.expect("the shapes fit");
        assert!(
            matches!(op.encode(&mut pass, asked), Err(GpuError::Shape { .. })),
            "{asked} moves"
        );
    }
}

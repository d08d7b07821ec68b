//! `embed` against its twin.

use looplm_gpu::{
    Arrangement, Format, Gpu, GpuError, GpuRow, MatrixShape, cpu,
    kernel::Op,
    kernels::{Embed, EmbedBuffers},
    stride,
};
use rand::{Rng, seq::SliceRandom};

use crate::support::{self, FORMATS, assert_close, fetch, poison, poisoned, upload, wait};

const EPSILON: f32 = 1e-6;

/// Looks up random tokens for the rows of step 1, mixed with rows of later steps, states in any order; one slot belongs
/// to no row. Returns the number of parts.
fn check(gpu: &Gpu, vocab: usize, width: usize, format: Format, count: usize) -> usize {
    let mut rng = support::rng((vocab * 1000 + width) as u64);
    let shape = MatrixShape {
        outputs: vocab,
        inputs: width,
        format,
        arrangement: Arrangement::Plain,
    };
    let (embedding, values) = support::matrix(gpu, &mut rng, shape);
    let gain = support::padded_rows(&mut rng, 1, width);
    let mut slots: Vec<u32> = (0..=count as u32).collect();
    slots.shuffle(&mut rng);
    let mut rows = Vec::new();
    let mut want_state = poison((count + 1) * stride(width));
    for (i, &state) in slots[..count].iter().enumerate() {
        let step = if i % 3 == 1 {
            rng.random_range(2..5)
        } else {
            1
        };
        let mut token = rng.random_range(0..vocab as u32);
        if i == 0 {
            token = vocab as u32 - 1;
        }
        if step > 1 {
            // Rows of later steps bring a state and no token.
            token = u32::MAX;
            let at = state as usize * stride(width);
            want_state[at..at + stride(width)]
                .copy_from_slice(&support::padded_rows(&mut rng, 1, width));
        }
        rows.push(GpuRow {
            token,
            state,
            step,
            ..support::row(i)
        });
    }
    let state = upload(gpu, &want_state);
    let (mut want_h, mut want_x) =
        cpu::embed(width, EPSILON, &rows, &values, &gain, &mut want_state);
    want_h.extend(poison(stride(width)));
    want_x.extend(poison(stride(width)));

    let (h, x) = (poisoned(gpu, want_h.len()), poisoned(gpu, want_x.len()));
    let kernel = wait(Embed::new(gpu, &embedding, EPSILON)).expect("a plain matrix");
    let gain = upload(gpu, &gain);
    let to = EmbedBuffers {
        gain: &gain,
        state: &state,
        h: &h,
        x: &x,
    };
    let op = kernel.bind(gpu, &embedding, to);
    support::run(gpu, &rows, |pass, table| {
        let dispatches = op.encode(gpu, pass, table).expect("the grid is small");
        assert_eq!(dispatches, embedding.parts.len());
    });
    let what = format!("{vocab} tokens of {width} in {format:?}, {count} rows");
    assert_close(
        &format!("state, {what}"),
        &fetch(gpu, &state, want_state.len()),
        &want_state,
        0.0,
    );
    assert_close(
        &format!("h, {what}"),
        &fetch(gpu, &h, want_h.len()),
        &want_h,
        0.0,
    );
    assert_close(
        &format!("x, {what}"),
        &fetch(gpu, &x, want_x.len()),
        &want_x,
        1e-5,
    );
    embedding.parts.len()
}

#[test]
fn odd_widths() {
    for (i, width) in support::ODD_SIZES.into_iter().enumerate() {
        check(support::gpu(), [1, 5, 257][i % 3], width, FORMATS[i % 3], 7);
    }
}

#[test]
fn all_formats() {
    for format in FORMATS {
        check(support::gpu(), 1031, 1100, format, 5);
    }
}

#[test]
fn many_rows_and_a_large_vocabulary() {
    check(support::gpu(), 50_000, 16, Format::BF16, 70);
}

#[test]
fn embeddings_in_parts() {
    for format in FORMATS {
        assert!(check(support::small_gpu(), 257, 37, format, 20) > 2);
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let mut rng = support::rng(1);
    let shape = MatrixShape {
        outputs: 8,
        inputs: 16,
        format: Format::F32,
        arrangement: Arrangement::Plain,
    };
    let (paired, _) = support::matrix(
        gpu,
        &mut rng,
        MatrixShape {
            arrangement: Arrangement::Paired,
            ..shape
        },
    );
    assert!(matches!(
        wait(Embed::new(gpu, &paired, EPSILON)),
        Err(GpuError::Shape {
            kernel: "embed",
            ..
        })
    ));
    let (embedding, _) = support::matrix(gpu, &mut rng, shape);
    let buffer = |count| poisoned(gpu, count);
    let (gain, state, h, x) = (buffer(16), buffer(64), buffer(32), buffer(32));
    let kernel = wait(Embed::new(gpu, &embedding, EPSILON)).expect("a plain matrix");
    let op = kernel.bind(
        gpu,
        &embedding,
        EmbedBuffers {
            gain: &gain,
            state: &state,
            h: &h,
            x: &x,
        },
    );
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}

//! `embed` against its twin.

use looplm_gpu::{
    Arrangement, Format, Gpu, GpuError, GpuRow, MAX_STEPS, MatrixShape, cpu,
    kernel::Op,
    kernels::{Embed, EmbedBuffers},
    rows::DRAWN,
    stride,
};
use rand::{Rng, seq::SliceRandom};

use crate::support::{self, FORMATS, assert_close, fetch, poison, poisoned, upload};

const EPSILON: f32 = 1e-6;

/// An element of the KV map that nothing has written.
const UNWRITTEN: u32 = 0xdead_beef;

/// Elements in front of the first line of the KV map.
const MAP_START: usize = 3;

/// Looks up random tokens for the rows of step 1, some of them drawn before, mixed with rows of later steps, states in any order; one slot belongs
/// to no row. Rows write their entries into none, one or several lines of the KV map, which they share with other rows.
/// Returns the number of parts.
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
    let mut entries: Vec<u32> = (0..4 * count as u32).collect();
    entries.shuffle(&mut rng);
    // A draw more than there are rows, so that some are nobody's.
    let draws = count as u32 + 1;
    let drawn: Vec<u32> = (0..draws)
        .map(|_| rng.random_range(0..vocab as u32))
        .collect();
    let (lines, pitch) = (2 * MAX_STEPS, count + 2);
    let mut want_map = vec![UNWRITTEN; MAP_START + lines * pitch];
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
        } else if i % 4 == 3 {
            token = DRAWN + rng.random_range(0..draws);
        }
        if step > 1 {
            // Rows of later steps bring a state and no token.
            token = u32::MAX;
            let at = state as usize * stride(width);
            want_state[at..at + stride(width)]
                .copy_from_slice(&support::padded_rows(&mut rng, 1, width));
        }
        let written = [1, 0, MAX_STEPS, 2, 1, 5, 0][i % 7];
        let line = rng.random_range(0..=lines - written);
        rows.push(GpuRow {
            token,
            entry: entries[i],
            map: (MAP_START + line * pitch) as u32,
            state,
            step,
            lines: written as u32,
            pitch: pitch as u32,
            ..support::row(i)
        });
    }
    let (state, kv_map) = (upload(gpu, &want_state), upload(gpu, &want_map));
    let (mut want_h, mut want_x) = cpu::embed(
        width,
        EPSILON,
        &rows,
        &drawn,
        &values,
        &gain,
        &mut want_state,
        &mut want_map,
    );
    let written = want_map.iter().filter(|&&entry| entry != UNWRITTEN).count();
    assert_eq!(
        written,
        rows.iter().map(|row| row.lines as usize).sum::<usize>()
    );
    want_h.extend(poison(stride(width)));
    want_x.extend(poison(stride(width)));

    let (h, x) = (poisoned(gpu, want_h.len()), poisoned(gpu, want_x.len()));
    let kernel = Embed::new(gpu, &embedding, EPSILON).expect("a plain matrix");
    let (gain, tokens) = (upload(gpu, &gain), upload(gpu, &drawn));
    let to = EmbedBuffers {
        gain: &gain,
        state: &state,
        h: &h,
        x: &x,
        kv_map: &kv_map,
        tokens: &tokens,
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
    assert_eq!(
        fetch::<u32>(gpu, &kv_map, want_map.len()),
        want_map,
        "KV map, {what}"
    );
    embedding.parts.len()
}

#[test]
fn odd_widths() {
    for (i, width) in support::ODD_SIZES.into_iter().enumerate() {
        for gpu in &support::lanes_of_rows() {
            check(gpu, [1, 5, 257][i % 3], width, FORMATS[i % 3], 7);
        }
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
        assert!(check(support::small_gpu(), 457, 37, format, 20) > 2);
    }
}

#[test]
fn only_the_part_with_the_token_writes() {
    let gpu = support::small_gpu();
    let (vocab, width) = (257, 37);
    let shape = MatrixShape {
        outputs: vocab,
        inputs: width,
        format: Format::F32,
        arrangement: Arrangement::Plain,
    };
    let (embedding, _) = support::matrix(gpu, &mut support::rng(4), shape);
    assert!(embedding.parts.len() > 2);
    let rows: Vec<GpuRow> = [vocab as u32 - 1, vocab as u32, 0, DRAWN]
        .into_iter()
        .zip(support::rows(4))
        .map(|(token, row)| GpuRow {
            token,
            lines: 1,
            ..row
        })
        .collect();
    let buffer = || poisoned(gpu, rows.len() * stride(width));
    let (gain, state, h, x) = (buffer(), buffer(), buffer(), buffer());
    let (kv_map, tokens) = (upload(gpu, &[UNWRITTEN; 5]), upload(gpu, &[vocab as u32]));
    let to = EmbedBuffers {
        gain: &gain,
        state: &state,
        h: &h,
        x: &x,
        kv_map: &kv_map,
        tokens: &tokens,
    };
    let kernel = Embed::new(gpu, &embedding, EPSILON).expect("a plain matrix");
    let op = kernel.bind(gpu, &embedding, to);
    support::run(gpu, &rows, |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    // No part holds the second row's token, nor the one drawn for the fourth: none of the dispatches may take these rows for
    // its own.
    let written = [0, UNWRITTEN, 2, UNWRITTEN, UNWRITTEN];
    assert_eq!(fetch::<u32>(gpu, &kv_map, 5), written);
    for written in [&state, &h, &x] {
        let all: Vec<f32> = fetch(gpu, written, 4 * stride(width));
        for row in [1, 3] {
            assert_close(
                "a row without a part",
                &all[row * stride(width)..][..stride(width)],
                &poison(stride(width)),
                0.0,
            );
        }
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
        Embed::new(gpu, &paired, EPSILON),
        Err(GpuError::Shape {
            kernel: "embed",
            ..
        })
    ));
    let (embedding, _) = support::matrix(gpu, &mut rng, shape);
    let buffer = |count| poisoned(gpu, count);
    let (gain, state, h, x) = (buffer(16), buffer(64), buffer(32), buffer(32));
    let kv_map = upload(gpu, &[UNWRITTEN; 4]);
    let kernel = Embed::new(gpu, &embedding, EPSILON).expect("a plain matrix");
    let op = kernel.bind(
        gpu,
        &embedding,
        EmbedBuffers {
            gain: &gain,
            state: &state,
            h: &h,
            x: &x,
            kv_map: &kv_map,
            tokens: &kv_map,
        },
    );
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}

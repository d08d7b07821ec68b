//! `qkv` against its twin.

use looplm_gpu::{
    Arrangement, Format, Gpu, GpuError, GpuRow, Matrix, MatrixShape, cpu, head_stride,
    kernel::Op,
    kernels::{AttentionShape, Qkv, QkvBuffers, RowVariant},
};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use crate::support::{self, FORMATS, SMALL_BINDING, assert_close, fetch, poison, poisoned, upload};

const ENTRIES: usize = 360;
const POSITIONS: usize = 90;

/// Rows of different sequences and steps: each at any position, with an entry of its own anywhere in the cache.
fn ragged_rows(rng: &mut StdRng, count: usize) -> Vec<GpuRow> {
    let mut entries: Vec<u32> = (0..ENTRIES as u32).collect();
    entries.shuffle(rng);
    let mut rows = support::rows(count);
    for (i, row) in rows.iter_mut().enumerate() {
        row.position = rng.random_range(0..POSITIONS as u32);
        row.entry = entries[i];
        row.step = (i % 4 + 1) as u32;
    }
    rows
}

fn matrix(
    gpu: &Gpu,
    rng: &mut StdRng,
    shape: AttentionShape,
    inputs: usize,
    format: Format,
) -> (Matrix, Vec<f32>) {
    let outputs = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
    support::matrix(
        gpu,
        rng,
        MatrixShape {
            outputs,
            inputs,
            format,
            arrangement: Arrangement::Heads(shape.head_dim),
        },
    )
}

fn attention(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
    }
}

/// Runs the kernel over a poisoned cache, so that an entry written by mistake shows.
fn check(
    gpu: &Gpu,
    shape: AttentionShape,
    inputs: usize,
    format: Format,
    row_counts: &[usize],
    variants: &[RowVariant],
) {
    let mut rng = support::rng((shape.head_dim * 1000 + inputs) as u64);
    let (matrix, weights) = matrix(gpu, &mut rng, shape, inputs, format);
    let kernel = Qkv::new(gpu, shape, &matrix).expect("the shapes fit");
    let table = cpu::rotary_table(shape.head_dim, 10_000.0, POSITIONS);
    let rotary = upload(gpu, table.as_flattened());
    for &count in row_counts {
        let rows = ragged_rows(&mut rng, count);
        let x = support::padded_rows(&mut rng, count, inputs);
        let mut want_keys = poison(ENTRIES * shape.entry());
        let mut want_values = want_keys.clone();
        let mut want_q = cpu::qkv(
            shape,
            inputs,
            &rows,
            &weights,
            &x,
            &table,
            &mut want_keys,
            &mut want_values,
        );
        want_q.extend(poison(shape.heads * head_stride(shape.head_dim)));
        let x = upload(gpu, &x);
        for &variant in variants {
            let q = poisoned(gpu, want_q.len());
            let (keys, values) = (
                poisoned(gpu, want_keys.len()),
                poisoned(gpu, want_values.len()),
            );
            let to = QkvBuffers {
                rotary: &rotary,
                q: &q,
                keys: &keys,
                values: &values,
            };
            let op = kernel.bind(gpu, &matrix, &x, to).expect("the shapes fit");
            support::run(gpu, &rows, |pass, table| {
                let dispatches = op
                    .encode_as(gpu, pass, table, variant)
                    .expect("the grid is small");
                assert_eq!(dispatches, matrix.parts.len());
            });
            let what = format!("{shape:?}, {inputs} inputs, {format:?}, {count} rows, {variant:?}");
            assert_close(
                &format!("q of {what}"),
                &fetch(gpu, &q, want_q.len()),
                &want_q,
                3e-5,
            );
            assert_close(
                &format!("keys of {what}"),
                &fetch(gpu, &keys, want_keys.len()),
                &want_keys,
                3e-5,
            );
            assert_close(
                &format!("values of {what}"),
                &fetch(gpu, &values, want_values.len()),
                &want_values,
                3e-5,
            );
        }
    }
}

#[test]
fn every_variant_takes_every_number_of_rows() {
    let shape = attention(4, 2, 6);
    check(
        support::gpu(),
        shape,
        60,
        Format::F32,
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        &RowVariant::ALL[..4],
    );
    check(
        support::gpu(),
        shape,
        60,
        Format::F32,
        &[1, 33, 70],
        &[RowVariant::Tile],
    );
}

#[test]
fn odd_shapes() {
    let shapes = [
        (1, 1, 2, 1),
        (2, 1, 14, 7),
        (3, 3, 10, 65),
        (6, 2, 64, 63),
        (9, 3, 34, 9),
        (1, 1, 256, 127),
        (5, 1, 126, 3),
    ];
    for (i, (heads, kv_heads, head_dim, inputs)) in shapes.into_iter().enumerate() {
        let variants = [RowVariant::Few(4), RowVariant::Tile];
        check(
            support::gpu(),
            attention(heads, kv_heads, head_dim),
            inputs,
            FORMATS[i % FORMATS.len()],
            &[5],
            &variants,
        );
    }
}

#[test]
fn all_formats() {
    for format in FORMATS {
        check(
            support::gpu(),
            attention(2, 1, 16),
            523,
            format,
            &[2],
            &[RowVariant::Few(2), RowVariant::Tile],
        );
    }
}

#[test]
fn matrices_in_parts() {
    let gpu = support::small_gpu();
    for (format, head_dim) in FORMATS.into_iter().zip([6, 16, 10, 16, 20]) {
        let shape = attention(4, 2, head_dim);
        let (matrix, _) = matrix(gpu, &mut support::rng(0), shape, 70, format);
        assert!(
            matrix.parts.len() > 1,
            "{} bytes fit into {SMALL_BINDING}",
            matrix.bytes()
        );
        // The cache has to fit as well: two rows, and few entries.
        let mut rng = support::rng(3);
        let (matrix, weights) = self::matrix(gpu, &mut rng, shape, 70, format);
        let rows = [
            GpuRow {
                entry: 5,
                ..support::row(2)
            },
            GpuRow {
                entry: 10,
                ..support::row(1)
            },
        ];
        let x = support::padded_rows(&mut rng, 2, 70);
        let table = cpu::rotary_table(head_dim, 1e6, 3);
        let mut want_keys = poison(12 * shape.entry());
        let mut want_values = want_keys.clone();
        let want_q = cpu::qkv(
            shape,
            70,
            &rows,
            &weights,
            &x,
            &table,
            &mut want_keys,
            &mut want_values,
        );
        let x = upload(gpu, &x);
        for variant in [RowVariant::Few(2), RowVariant::Tile] {
            let (q, keys, values) = (
                poisoned(gpu, want_q.len()),
                poisoned(gpu, want_keys.len()),
                poisoned(gpu, want_keys.len()),
            );
            let rotary = upload(gpu, table.as_flattened());
            let to = QkvBuffers {
                rotary: &rotary,
                q: &q,
                keys: &keys,
                values: &values,
            };
            let op =
                Qkv::new(gpu, shape, &matrix).and_then(|kernel| kernel.bind(gpu, &matrix, &x, to));
            let op = op.expect("the shapes fit");
            support::run(gpu, &rows, |pass, table| {
                op.encode_as(gpu, pass, table, variant)
                    .expect("the grid is small");
            });
            assert_close("q", &fetch(gpu, &q, want_q.len()), &want_q, 3e-5);
            assert_close(
                "keys",
                &fetch(gpu, &keys, want_keys.len()),
                &want_keys,
                3e-5,
            );
            assert_close(
                "values",
                &fetch(gpu, &values, want_values.len()),
                &want_values,
                3e-5,
            );
        }
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let mut rng = support::rng(1);
    for shape in [
        attention(0, 1, 8),
        attention(1, 0, 8),
        attention(3, 2, 8),
        attention(1, 1, 7),
        attention(1, 1, 258),
        attention(1, 1, 0),
    ] {
        assert!(
            matches!(shape.check(), Err(GpuError::Shape { .. })),
            "{shape:?}"
        );
    }
    let shape = attention(2, 1, 8);
    let (matrix, _) = matrix(gpu, &mut rng, shape, 16, Format::F32);
    let (plain, _) = support::matrix(
        gpu,
        &mut rng,
        MatrixShape {
            arrangement: Arrangement::Plain,
            ..matrix.shape
        },
    );
    assert!(matches!(
        Qkv::new(gpu, shape, &plain),
        Err(GpuError::Shape { .. })
    ));
    assert!(matches!(
        Qkv::new(gpu, attention(4, 1, 8), &matrix),
        Err(GpuError::Shape { .. })
    ));

    let kernel = Qkv::new(gpu, shape, &matrix).expect("the shapes fit");
    let buffer = |count| poisoned(gpu, count);
    let (rotary, x, q, keys, values) = (buffer(64), buffer(32), buffer(32), buffer(64), buffer(64));
    let to = QkvBuffers {
        rotary: &rotary,
        q: &q,
        keys: &keys,
        values: &values,
    };
    assert!(matches!(
        kernel.bind(gpu, &plain, &x, to),
        Err(GpuError::Shape { .. })
    ));
    assert!(matches!(
        kernel.bind(gpu, &matrix, &buffer(12), to),
        Err(GpuError::Shape { .. })
    ));
    assert!(matches!(
        kernel.bind(gpu, &matrix, &x, QkvBuffers { values: &q, ..to }),
        Err(GpuError::Shape { .. })
    ));
    let op = kernel.bind(gpu, &matrix, &x, to).expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}

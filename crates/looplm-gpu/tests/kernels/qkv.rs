//! `qkv` against its twin.

use looplm_gpu::{
    Arrangement, Format, Gpu, GpuError, GpuRow, KvFormat, Matrix, MatrixShape, cpu, head_stride,
    kernel::Op,
    kernels::{AttentionShape, Qkv, QkvBuffers, RowVariant},
};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use crate::support::{
    self, FORMATS, SMALL_BINDING, assert_close, assert_kv_close, fetch, kv_fetch, poison, poisoned,
    upload,
};

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

/// Runs the kernel over poisoned caches, so that an entry written by mistake shows.
fn check(
    gpu: &Gpu,
    shape: AttentionShape,
    inputs: usize,
    format: Format,
    row_counts: &[usize],
    variants: &[RowVariant],
) {
    for kv_format in support::kv_formats(shape) {
        check_in(gpu, shape, kv_format, inputs, format, row_counts, variants);
    }
}

/// As [`check`], in one format of the cache.
fn check_in(
    gpu: &Gpu,
    shape: AttentionShape,
    kv_format: KvFormat,
    inputs: usize,
    format: Format,
    row_counts: &[usize],
    variants: &[RowVariant],
) {
    let mut rng = support::rng((shape.head_dim * 1000 + inputs) as u64);
    let (matrix, weights) = matrix(gpu, &mut rng, shape, inputs, format);
    for &count in row_counts {
        let rows = ragged_rows(&mut rng, count);
        let x = support::padded_rows(&mut rng, count, inputs);
        let case = Case {
            gpu,
            shape,
            kv_format,
            matrix: &matrix,
            weights: &weights,
            positions: POSITIONS,
            entries: ENTRIES,
        };
        case.check(&rows, &x, variants);
    }
}

/// A format that the cache can have, another for each `i`: a pipeline takes a CPU adapter a second to compile, and not every test has to have
/// all of them.
fn kv_format_in_turn(i: usize, shape: AttentionShape) -> KvFormat {
    let formats: Vec<_> = support::kv_formats(shape).collect();
    formats[i % formats.len()]
}

/// A matrix and a cache to run the kernel with.
struct Case<'a> {
    gpu: &'a Gpu,
    shape: AttentionShape,
    kv_format: KvFormat,
    matrix: &'a Matrix,
    weights: &'a [f32],
    positions: usize,
    entries: usize,
}

impl Case<'_> {
    /// Compares the variants of the kernel with its twin.
    fn check(&self, rows: &[GpuRow], x: &[f32], variants: &[RowVariant]) {
        let Self {
            gpu,
            shape,
            kv_format,
            matrix,
            ..
        } = *self;
        let inputs = matrix.shape.inputs;
        let table = cpu::rotary_table(shape.head_dim, 10_000.0, self.positions);
        let rotary = upload(gpu, table.as_flattened());
        let input = upload(gpu, x);
        for (variant, gpu) in &support::ways(gpu, variants) {
            let mut want_keys = poison(self.entries * shape.entry());
            let mut want_values = want_keys.clone();
            let mut want_q = cpu::qkv(
                shape,
                kv_format,
                inputs,
                rows,
                self.weights,
                &support::seen(gpu, matrix.shape, *variant, x),
                &table,
                &mut want_keys,
                &mut want_values,
            );
            want_q.extend(poison(shape.heads * head_stride(shape.head_dim)));
            let q = poisoned(gpu, want_q.len());
            let kernel = Qkv::new(gpu, shape, kv_format, matrix).expect("the shapes fit");
            let words = want_keys.len() * kv_format.bytes() / size_of::<u32>();
            let (keys, values) = (poisoned(gpu, words), poisoned(gpu, words));
            let to = QkvBuffers {
                rotary: &rotary,
                q: &q,
                keys: &keys,
                values: &values,
            };
            let op = kernel
                .bind(gpu, matrix, &input, to)
                .expect("the shapes fit");
            support::run(gpu, rows, |pass, table| {
                let dispatches = op
                    .encode_as(gpu, pass, table, *variant)
                    .expect("the grid is small");
                assert_eq!(dispatches, matrix.parts.len());
            });
            let (weights, count) = (matrix.shape.format, rows.len());
            let what = format!(
                "{shape:?}, {inputs} inputs, {weights:?}, {kv_format}, {count} rows, {variant:?}"
            );
            let got = fetch(gpu, &q, want_q.len());
            assert_close(&format!("q of {what}"), &got, &want_q, 3e-5);
            for (name, buffer, want) in [
                ("keys", &keys, &want_keys),
                ("values", &values, &want_values),
            ] {
                let got = kv_fetch(gpu, kv_format, buffer, want.len());
                assert_kv_close(&format!("{name} of {what}"), kv_format, &got, want, 3e-5);
            }
        }
    }
}

#[test]
fn every_variant_takes_every_number_of_rows() {
    for shape in [attention(4, 2, 6), attention(2, 1, 12)] {
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
}

#[test]
fn every_tuning_computes_the_same() {
    let tunings = support::unusual_tunings();
    for (i, (gpu, format)) in tunings.iter().zip(support::formats_in_turn()).enumerate() {
        let (few, many) = (attention(3, 1, 12), attention(5, 1, 12));
        let variants = [RowVariant::Few(1), RowVariant::Few(4)];
        let kv_format = kv_format_in_turn(i, few);
        check_in(gpu, few, kv_format, 270, format, &[1, 3], &variants);
        let tile = [RowVariant::Tile];
        check_in(gpu, many, kv_format, 53, format, &[65], &tile);
    }
}

#[test]
fn x_by_way_of_workgroup_memory() {
    let tunings = support::staged_tunings();
    let in_turn = tunings.iter().zip(support::quantised_in_turn());
    for (i, (gpu, format)) in in_turn.enumerate() {
        let shape = attention(3, 1, 12);
        let variants = [RowVariant::Few(1), RowVariant::Few(4)];
        let kv_format = kv_format_in_turn(i, shape);
        check_in(gpu, shape, kv_format, 270, format, &[1, 3], &variants);
    }
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
        (2, 2, 20, 33),
        (3, 1, 4, 70),
    ];
    for (i, (heads, kv_heads, head_dim, inputs)) in shapes.into_iter().enumerate() {
        let variants = [RowVariant::Few(4), RowVariant::Tile];
        let shape = attention(heads, kv_heads, head_dim);
        check_in(
            support::gpu(),
            shape,
            kv_format_in_turn(i, shape),
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
    for (i, (format, head_dim)) in FORMATS.into_iter().zip([6, 16, 10, 16, 20]).enumerate() {
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
        let case = Case {
            gpu,
            shape,
            kv_format: kv_format_in_turn(i, shape),
            matrix: &matrix,
            weights: &weights,
            positions: 3,
            entries: 12,
        };
        case.check(&rows, &x, &[RowVariant::Few(2), RowVariant::Tile]);
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
        Qkv::new(gpu, shape, KvFormat::F32, &plain),
        Err(GpuError::Shape { .. })
    ));
    assert!(matches!(
        Qkv::new(gpu, attention(4, 1, 8), KvFormat::F32, &matrix),
        Err(GpuError::Shape { .. })
    ));

    let kernel = Qkv::new(gpu, shape, KvFormat::F32, &matrix).expect("the shapes fit");
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

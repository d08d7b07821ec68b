//! A row comes to the same bits alone and in company: `linear`, `qkv`, `swiglu` and `attention` in passes of up to
//! [`MAX_FEW_ROWS`] rows.

use looplm_gpu::{
    Arrangement, Format, Gpu, GpuRow, KvFormat, MatrixShape, cpu, head_stride,
    kernel::Op,
    kernels::{
        Attention, AttentionBuffers, AttentionParts, AttentionShape, Linear, MAX_FEW_ROWS,
        ProjectionOp, Qkv, QkvBuffers, RowVariant, Swiglu,
    },
    stride,
};
use rand::{Rng, seq::SliceRandom};

use crate::support::{self, FORMATS, fetch, kv_fetch, kv_upload, poisoned, upload};

/// Inputs within a block, a part of the lanes' blocks, and several blocks a lane.
const INPUTS: [usize; 3] = [7, 150, 1031];

/// Each format with two of the three [`INPUTS`], by their index: a pipeline takes a CPU adapter more than a second to compile.
fn formats_and_inputs() -> impl Iterator<Item = (Format, usize)> {
    let both = |(f, format)| {
        (0..3)
            .filter(move |i| (f + i) % 3 != 2)
            .map(move |i| (format, i))
    };
    FORMATS.into_iter().enumerate().flat_map(both)
}

/// Rows of a pass with the inputs of each. Returns what each comes to, all of its numbers in one list.
type Compute<'a> = dyn Fn(&[GpuRow], &[Vec<f32>], RowVariant) -> Vec<Vec<f32>> + 'a;

/// As many rows as a pass may have, each at its own position and with its own entry and state.
fn all_rows() -> Vec<GpuRow> {
    let mut rng = support::rng(11);
    let count = MAX_FEW_ROWS as u32;
    let mut slots: [Vec<u32>; 2] = std::array::from_fn(|_| (0..count).collect());
    slots.iter_mut().for_each(|slots| slots.shuffle(&mut rng));
    let mut rows = support::rows(MAX_FEW_ROWS);
    for (i, row) in rows.iter_mut().enumerate() {
        row.position = rng.random_range(0..count);
        (row.entry, row.state) = (slots[0][i], slots[1][i]);
    }
    rows
}

/// Computes each row alone, then in passes of all sizes, in changing company and at changing places.
fn check(what: &str, inputs: usize, compute: &Compute<'_>) {
    let mut rng = support::rng(inputs as u64);
    let rows = all_rows();
    let x: Vec<_> = rows
        .iter()
        .map(|_| support::padded_rows(&mut rng, 1, inputs))
        .collect();
    let alone: Vec<_> = (0..rows.len())
        .map(|r| compute(&rows[r..=r], &x[r..=r], RowVariant::Few(1)).remove(0))
        .collect();
    let mut passes: Vec<_> = (2..=MAX_FEW_ROWS)
        .map(|count| (count, RowVariant::for_rows(count)))
        .collect();
    // Groups of rows that the number of rows would not choose.
    passes.extend(RowVariant::ALL[..4].iter().map(|&few| (7, few)));
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for (count, variant) in passes {
        assert!(matches!(variant, RowVariant::Few(_)), "{count} rows");
        order.shuffle(&mut rng);
        let chosen: Vec<_> = order[..count].iter().map(|&r| rows[r]).collect();
        let chosen_x: Vec<_> = order[..count].iter().map(|&r| x[r].clone()).collect();
        let got = compute(&chosen, &chosen_x, variant);
        for (got, &r) in got.iter().zip(&order) {
            assert_eq!(got.len(), alone[r].len());
            for (i, (together, alone)) in got.iter().zip(&alone[r]).enumerate() {
                assert!(
                    together.to_bits() == alone.to_bits(),
                    "{what}, element {i} of a row: {together:e} among {count} rows with {variant:?}, {alone:e} alone"
                );
            }
        }
    }
}

/// Runs a bound kernel with the given variant.
fn run(gpu: &Gpu, op: &ProjectionOp, rows: &[GpuRow], variant: RowVariant) {
    support::run(gpu, rows, |pass, table| {
        op.encode_as(gpu, pass, table, variant)
            .expect("the grid is small");
    });
}

fn rows_of(data: &[f32], size: usize) -> Vec<Vec<f32>> {
    data.chunks_exact(size).map(<[f32]>::to_vec).collect()
}

fn check_linear(gpu: &Gpu, outputs: usize, inputs: usize, format: Format, gather_states: bool) {
    let shape = MatrixShape {
        outputs,
        inputs,
        format,
        arrangement: Arrangement::Plain,
    };
    let (matrix, _) = support::matrix(gpu, &mut support::rng(1), shape);
    let kernel = Linear::new(gpu, &matrix, gather_states);
    let what = format!("linear, {shape:?}, gather_states {gather_states}");
    check(&what, inputs, &|rows, x, variant| {
        let mut given = x.concat();
        if gather_states {
            given = vec![0.0; MAX_FEW_ROWS * stride(inputs)];
            for (row, x) in rows.iter().zip(x) {
                given[row.state as usize * x.len()..][..x.len()].copy_from_slice(x);
            }
        }
        let count = rows.len() * stride(outputs);
        let (given, y) = (upload(gpu, &given), poisoned(gpu, count));
        let op = kernel.bind(gpu, &matrix, &given, &y);
        run(gpu, &op.expect("the shapes fit"), rows, variant);
        rows_of(&fetch(gpu, &y, count), stride(outputs))
    });
}

fn check_swiglu(gpu: &Gpu, outputs: usize, inputs: usize, format: Format) {
    let shape = MatrixShape {
        outputs,
        inputs,
        format,
        arrangement: Arrangement::Paired,
    };
    let (matrix, _) = support::matrix(gpu, &mut support::rng(2), shape);
    let kernel = Swiglu::new(gpu, &matrix);
    check(
        &format!("swiglu, {shape:?}"),
        inputs,
        &|rows, x, variant| {
            let count = rows.len() * stride(outputs);
            let (x, m) = (upload(gpu, &x.concat()), poisoned(gpu, count));
            let op = kernel.bind(gpu, &matrix, &x, &m);
            run(gpu, &op.expect("the shapes fit"), rows, variant);
            rows_of(&fetch(gpu, &m, count), stride(outputs))
        },
    );
}

fn check_qkv(gpu: &Gpu, shape: AttentionShape, inputs: usize, format: Format, kv_format: KvFormat) {
    let AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let matrix_shape = MatrixShape {
        outputs: (heads + 2 * kv_heads) * head_dim,
        inputs,
        format,
        arrangement: Arrangement::Heads(head_dim),
    };
    let (matrix, _) = support::matrix(gpu, &mut support::rng(3), matrix_shape);
    let kernel = Qkv::new(gpu, shape, kv_format, &matrix).expect("the shapes fit");
    let table = cpu::rotary_table(head_dim, 10_000.0, MAX_FEW_ROWS);
    let rotary = upload(gpu, table.as_flattened());
    let what = format!("qkv, {shape:?}, {inputs} inputs, {format:?}, {kv_format}");
    check(&what, inputs, &|rows, x, variant| {
        let q_size = heads * head_stride(head_dim);
        let kv_count = MAX_FEW_ROWS * shape.entry();
        let x = upload(gpu, &x.concat());
        let q = poisoned(gpu, rows.len() * q_size);
        let (keys, values) = (poisoned(gpu, kv_count), poisoned(gpu, kv_count));
        let to = QkvBuffers {
            rotary: &rotary,
            q: &q,
            keys: &keys,
            values: &values,
        };
        let op = kernel.bind(gpu, &matrix, &x, to);
        run(gpu, &op.expect("the shapes fit"), rows, variant);
        let q = rows_of(&fetch(gpu, &q, rows.len() * q_size), q_size);
        let [keys, values] = [keys, values]
            .map(|buffer| rows_of(&kv_fetch(gpu, kv_format, &buffer, kv_count), shape.entry()));
        rows.iter()
            .zip(q)
            .map(|(row, q)| {
                let entry = row.entry as usize;
                [q, keys[entry].clone(), values[entry].clone()].concat()
            })
            .collect()
    });
}

/// Keys that rows see: fewer and more than a part has.
const KEY_COUNTS: [usize; MAX_FEW_ROWS] = [
    1, 2, 7, 63, 64, 65, 256, 257, 511, 512, 513, 600, 770, 1025, 1100, 1200,
];

fn check_attention(shape: AttentionShape, format: KvFormat) {
    let gpu = support::gpu();
    let mut rng = support::rng(4);
    let longest = KEY_COUNTS[MAX_FEW_ROWS - 1];
    let [keys, values] = [(); 2].map(|()| {
        let random = support::numbers(&mut rng, longest * shape.entry(), 1.0);
        kv_upload(gpu, format, &random)
    });
    let kv_map = upload(gpu, &(0..longest as u32).rev().collect::<Vec<_>>());
    let room = AttentionParts::new(shape, longest, 1 << 30);
    assert!(room.most > 2);
    let kernel = Attention::new(gpu, shape, format, room).expect("a valid shape");
    let (inputs, outputs) = (
        shape.heads * head_stride(shape.head_dim),
        stride(shape.heads * shape.head_dim),
    );
    // All look at one line, as the tokens of a sequence do that are between their steps.
    check(&format!("{shape:?}, {format}"), inputs, &|rows, q, _| {
        let rows: Vec<GpuRow> = rows
            .iter()
            .map(|row| {
                let position = KEY_COUNTS[row.state as usize] - 1;
                GpuRow {
                    entry: (longest - 1 - position) as u32,
                    lines: 1,
                    ..support::row(position)
                }
            })
            .collect();
        let (q, out) = (
            upload(gpu, &q.concat()),
            poisoned(gpu, rows.len() * outputs),
        );
        let parts = poisoned(gpu, room.bytes as usize / 4);
        let buffers = AttentionBuffers {
            q: &q,
            keys: &keys,
            values: &values,
            kv_map: &kv_map,
            out: &out,
            parts: &parts,
        };
        let op = kernel.bind(gpu, buffers).expect("the shapes fit");
        support::run(gpu, &rows, |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        rows_of(&fetch(gpu, &out, rows.len() * outputs), outputs)
    });
}

/// As GPUs take them, x by way of workgroup memory: a stage of it holds less of each row the more rows there are.
#[test]
fn staged_products_do_not_see_the_other_rows() {
    check_staged(&support::staged());
}

#[test]
fn packed_products_do_not_see_the_other_rows() {
    check_staged(&support::packed(24_577));
    // With weights that are asked for a turn ahead.
    let gpu = &support::packed(1);
    check_linear(gpu, 5, 4200, Format::Q4, false);
    let shape = AttentionShape {
        heads: 2,
        kv_heads: 1,
        head_dim: 12,
    };
    check_qkv(gpu, shape, 150, Format::Q8, KvFormat::F32);
}

/// In whole numbers, which tiles are not computed in, that holds for as many rows as are not computed in those.
#[test]
fn packed_products_of_many_rows_are_those_of_one() {
    let gpu = &support::packed(8193);
    let shape = MatrixShape {
        outputs: 9,
        inputs: 100,
        format: Format::Q4,
        arrangement: Arrangement::Plain,
    };
    let mut rng = support::rng(5);
    let (matrix, _) = support::matrix(gpu, &mut rng, shape);
    let kernel = Linear::new(gpu, &matrix, false);
    let product = |x: &[f32], rows: usize| {
        let count = rows * stride(shape.outputs);
        let (x, y) = (upload(gpu, x), poisoned(gpu, count));
        let op = kernel.bind(gpu, &matrix, &x, &y).expect("the shapes fit");
        support::run(gpu, &support::rows(rows), |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        fetch::<f32>(gpu, &y, count)
    };
    let x = support::padded_rows(&mut rng, 64, shape.inputs);
    let row = stride(shape.inputs);
    let alone: Vec<f32> = x.chunks(row).flat_map(|x| product(x, 1)).collect();
    for rows in [17, 64] {
        let together = product(&x[..rows * row], rows);
        assert!(
            together
                .iter()
                .zip(&alone)
                .all(|(a, b)| a.to_bits() == b.to_bits()),
            "{rows} rows"
        );
    }
}

fn check_staged(gpu: &Gpu) {
    for format in [Format::Q8, Format::Q4] {
        // More groups than lanes, and groups cut short.
        for (inputs, gather_states) in [(2300, true), (101, false)] {
            check_linear(gpu, 13, inputs, format, gather_states);
        }
        check_swiglu(gpu, 9, 321, format);
    }
}

#[test]
fn attention_does_not_see_the_other_rows() {
    for format in KvFormat::ALL {
        for (heads, kv_heads, head_dim) in [(2, 1, 12), (1, 1, 64)] {
            let shape = AttentionShape {
                heads,
                kv_heads,
                head_dim,
            };
            check_attention(shape, format);
        }
    }
}

#[test]
fn linear_does_not_see_the_other_rows() {
    for (format, i) in formats_and_inputs() {
        check_linear(
            support::gpu(),
            [65, 21, 3][i],
            INPUTS[i],
            format,
            i % 2 == 1,
        );
    }
}

#[test]
fn swiglu_does_not_see_the_other_rows() {
    for (format, i) in formats_and_inputs() {
        check_swiglu(support::gpu(), [33, 11, 2][i], INPUTS[i], format);
    }
}

#[test]
fn qkv_does_not_see_the_other_rows() {
    let shapes = [(6, 2, 12), (2, 1, 14), (1, 1, 34)];
    let mut kv_formats = KvFormat::ALL.into_iter().cycle();
    for (format, i) in formats_and_inputs() {
        let (heads, kv_heads, head_dim) = shapes[i];
        let shape = AttentionShape {
            heads,
            kv_heads,
            head_dim,
        };
        let kv_format = kv_formats.find(|kv_format| shape.check_format(*kv_format).is_ok());
        let kv_format = kv_format.expect("every shape can be kept in some format");
        check_qkv(support::gpu(), shape, INPUTS[i], format, kv_format);
    }
}

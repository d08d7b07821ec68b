//! Measures every kernel at the shapes of a reduced Ouro, next to a plain reading of memory in the same run.
//!
//! `cargo run --release -p looplm-gpu --example kernels -- [--json] [--shapes ouro-1.4b] [--formats q8,q4]
//! [--tuning 64,4,wide,subgroups] [--rows 1,4] [kernel ...]`
//!
//! A number is the wall time from submitting a batch of equal dispatches to its end, divided by their number; recording
//! the commands is not counted. Each is the median of the batches, with the quartiles as its spread.

mod arguments;
mod bench;
mod layer;
mod product;
mod report;

use std::cell::Cell;

use looplm_gpu::{
    Arrangement, Buffer, DeviceOptions, Format, Gpu, GpuError, KvFormat, MAX_STEPS, Matrix,
    MatrixShape, cpu, head_stride,
    kernel::Op,
    kernels::{
        AddNorm, Attention, AttentionBuffers, AttentionParts, AttentionShape, Embed, EmbedBuffers,
        Finish, FinishBuffers, KvMean, KvMove, Linear, ProjectionOp, Qkv, QkvBuffers, Record,
        STATS_WORDS, Sample, SampleRequest, StreamRead, Swiglu, TokenStats, seen_words,
    },
};
use pollster::block_on;
use serde_json::json;

use crate::arguments::Arguments;
use crate::bench::{Bench, LONG, PRODUCT_ROWS, ROW_COUNTS};

/// The shapes that are measured.
#[derive(Clone, Copy)]
struct Sizes {
    hidden: usize,
    intermediate: usize,
    attention: AttentionShape,
    vocabulary: usize,
    /// What the streaming read reads, and matrices together come to.
    bytes: usize,
    /// Numbers of rows of products.
    rows: &'static [usize],
}

/// A reduced Ouro, for programs on the CPU.
const REDUCED: Sizes = Sizes {
    hidden: 1024,
    intermediate: 2816,
    attention: AttentionShape {
        heads: 16,
        kv_heads: 16,
        head_dim: 64,
    },
    vocabulary: 16_384,
    bytes: 64 << 20,
    rows: &ROW_COUNTS,
};

/// Ouro-1.4B.
const OURO: Sizes = Sizes {
    hidden: 2048,
    intermediate: 5632,
    attention: AttentionShape {
        heads: 16,
        kv_heads: 16,
        head_dim: 128,
    },
    vocabulary: 49_152,
    bytes: 256 << 20,
    rows: &PRODUCT_ROWS,
};

const KEYS: usize = 512;
const EPSILON: f32 = 1e-6;
const FORMATS: [Format; 4] = [Format::F32, Format::F16, Format::Q8, Format::Q4];
const MAX_ROWS: usize = ROW_COUNTS[ROW_COUNTS.len() - 1];
const MAX_PRODUCT_ROWS: usize = PRODUCT_ROWS[PRODUCT_ROWS.len() - 1];

type Outcome = Result<(), GpuError>;

fn stream_read(bench: &mut Bench, sizes: Sizes) -> Outcome {
    // All at once, in pieces as large as the head is in each format, and as large as a matrix of a layer.
    let all = sizes.bytes.min(bench.gpu.max_binding() as usize);
    let mut pieces = vec![all];
    pieces.extend(bench.formats.iter().map(|&format| {
        let head = MatrixShape {
            outputs: sizes.vocabulary,
            inputs: sizes.hidden,
            format,
            arrangement: Arrangement::Plain,
        };
        (head.bytes() as usize).min(all)
    }));
    pieces.push(2 * sizes.hidden * sizes.hidden);
    for bytes in pieces {
        let data = (0..all / bytes)
            .map(|_| bench.floats(bytes / 4))
            .collect::<Result<Vec<_>, _>>()?;
        let kernels = data
            .iter()
            .map(|data| block_on(StreamRead::new(&bench.gpu, data)))
            .collect::<Result<Vec<_>, _>>()?;
        let next = Turns::of(&kernels);
        let detail = format!("{} MiB", bytes >> 20);
        bench.measure("stream_read", &detail, &[1], |_| bytes, &|_, pass, _| {
            next.get().encode(pass)
        })?;
    }
    Ok(())
}

/// Things that take turns.
struct Turns<'a, T> {
    things: &'a [T],
    turn: Cell<usize>,
}

impl<'a, T> Turns<'a, T> {
    fn of(things: &'a [T]) -> Self {
        let turn = Cell::new(0);
        Self { things, turn }
    }

    fn get(&self) -> &'a T {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.things.len());
        &self.things[turn]
    }
}

/// A product of `matrices`, in turns, for every number of rows.
fn product_of(
    bench: &mut Bench,
    sizes: Sizes,
    kernel: &'static str,
    detail: &str,
    matrices: &[Matrix],
    bind: impl Fn(&Gpu, &Matrix) -> Result<ProjectionOp, GpuError>,
) -> Outcome {
    let ops = matrices
        .iter()
        .map(|matrix| bind(&bench.gpu, matrix))
        .collect::<Result<Vec<_>, _>>()?;
    let next = Turns::of(&ops);
    let bytes = matrices[0].bytes() as usize;
    let mut counts = sizes.rows.to_vec();
    counts.retain(|&count| bench.wants(count));
    bench.measure(kernel, detail, &counts, |_| bytes, &|gpu, pass, table| {
        let op = next.get();
        op.encode_as(gpu, pass, table, op.best(table.rows))
    })
}

fn embed(bench: &mut Bench, sizes: Sizes) -> Outcome {
    for format in bench.formats.clone() {
        let matrices =
            bench.matrices(sizes.vocabulary, sizes.hidden, format, Arrangement::Plain)?;
        let matrix = &matrices[0];
        let kernel = Embed::new(&bench.gpu, matrix, EPSILON)?;
        let (gain, state) = (
            bench.floats(sizes.hidden)?,
            bench.floats(MAX_ROWS * sizes.hidden)?,
        );
        let (h, x) = (
            bench.floats(MAX_ROWS * sizes.hidden)?,
            bench.floats(MAX_ROWS * sizes.hidden)?,
        );
        let (kv_map, tokens) = (kv_map(bench)?, bench.buffer(&[0u32])?);
        let to = EmbedBuffers {
            gain: &gain,
            state: &state,
            h: &h,
            x: &x,
            kv_map: &kv_map,
            tokens: &tokens,
        };
        let op = kernel.bind(&bench.gpu, matrix, to);
        let bytes = |rows| rows * (sizes.hidden * format.bits() / 8 + sizes.hidden * 3 * 4);
        bench.measure(
            "embed",
            &format!("{format:?}"),
            &ROW_COUNTS,
            bytes,
            &|gpu, pass, table| op.encode(gpu, pass, table),
        )?;
    }
    Ok(())
}

/// Where the keys and values of as many sequences as there are rows lie: one sequence behind the other.
fn kv_map(bench: &Bench) -> Result<Buffer, GpuError> {
    bench.buffer(&(0..(MAX_ROWS * KEYS) as u32).collect::<Vec<_>>())
}

/// Keys and values of as many sequences as there are rows.
fn cache(bench: &mut Bench, sizes: Sizes, format: KvFormat) -> Result<(Buffer, Buffer), GpuError> {
    let elements = MAX_ROWS * KEYS * sizes.attention.entry();
    Ok((bench.kv(elements, format)?, bench.kv(elements, format)?))
}

fn qkv(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let table = cpu::rotary_table(sizes.attention.head_dim, 10_000.0, KEYS);
    let rotary = bench.buffer(table.as_flattened())?;
    let (keys, values) = cache(bench, sizes, KvFormat::F16)?;
    for format in bench.formats.clone() {
        let outputs =
            (sizes.attention.heads + 2 * sizes.attention.kv_heads) * sizes.attention.head_dim;
        let heads = Arrangement::Heads(sizes.attention.head_dim);
        let matrices = bench.matrices(outputs, sizes.hidden, format, heads)?;
        let (x, q) = (
            bench.floats(MAX_PRODUCT_ROWS * sizes.hidden)?,
            bench.floats(MAX_PRODUCT_ROWS * sizes.hidden)?,
        );
        let to = QkvBuffers {
            rotary: &rotary,
            q: &q,
            keys: &keys,
            values: &values,
        };
        let kernel = Qkv::new(&bench.gpu, sizes.attention, KvFormat::F16, &matrices[0])?;
        let detail = format!("{format:?}");
        product_of(bench, sizes, "qkv", &detail, &matrices, |gpu, matrix| {
            kernel.bind(gpu, matrix, &x, to)
        })?;
    }
    Ok(())
}

fn attention(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let q =
        bench.floats(MAX_ROWS * sizes.attention.heads * head_stride(sizes.attention.head_dim))?;
    let out = bench.floats(MAX_ROWS * sizes.hidden)?;
    let kv_map = kv_map(bench)?;
    for format in KvFormat::ALL {
        let (keys, values) = cache(bench, sizes, format)?;
        let room = AttentionParts::new(sizes.attention, LONG * KEYS, u64::MAX);
        let parts = bench.floats(room.bytes as usize / size_of::<f32>())?;
        let buffers = AttentionBuffers {
            q: &q,
            keys: &keys,
            values: &values,
            kv_map: &kv_map,
            out: &out,
            parts: &parts,
        };
        let op =
            Attention::new(&bench.gpu, sizes.attention, format, room)?.bind(&bench.gpu, buffers)?;
        let record: &bench::Record<'_> = &|gpu, pass, table| op.encode(gpu, pass, table);
        let bytes = |rows| rows * KEYS * (2 * sizes.attention.entry_bytes(format) + 4);
        bench.measure(
            "attention",
            &format!("{KEYS} keys, {format}"),
            &ROW_COUNTS,
            bytes,
            record,
        )?;
        let detail = format!("{KEYS} keys, {format}, one prompt");
        bench.measure_table("attention", detail, bench.prompt, bytes(1), record)?;
        let detail = format!("{} keys, {format}", LONG * KEYS);
        bench.measure_table("attention", detail, bench.long, bytes(LONG), record)?;
    }
    Ok(())
}

fn kv_mean(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let format = KvFormat::F16;
    let (keys, values) = cache(bench, sizes, format)?;
    let kernel = KvMean::new(&bench.gpu, sizes.attention, format);
    for count in [1, 4] {
        // A move for each sequence: one of its entries becomes the mean of `count` others.
        let moves: Vec<_> = (0..MAX_ROWS)
            .map(|i| KvMove {
                target: (i * KEYS) as u32,
                count: count as u32,
                source: std::array::from_fn(|s| (i * KEYS + 1 + s) as u32),
            })
            .collect();
        let moves = bench.buffer(&moves)?;
        let op = kernel.bind(&bench.gpu, &moves, &keys, &values)?;
        let bytes = |rows| 2 * rows * (count + 1) * sizes.attention.entry_bytes(format);
        let detail = format!("mean of {count}");
        bench.measure("kv_mean", &detail, &ROW_COUNTS, bytes, &|_, pass, table| {
            op.encode(pass, table.rows).map(|()| 1)
        })?;
    }
    Ok(())
}

fn linear(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let shapes = [
        ("output", sizes.hidden, sizes.hidden),
        ("down", sizes.hidden, sizes.intermediate),
        ("head", sizes.vocabulary, sizes.hidden),
    ];
    for (name, outputs, inputs) in shapes {
        for format in bench.formats.clone() {
            let matrices = bench.matrices(outputs, inputs, format, Arrangement::Plain)?;
            let (x, y) = (
                bench.floats(MAX_PRODUCT_ROWS * inputs)?,
                bench.floats(MAX_PRODUCT_ROWS * outputs)?,
            );
            let kernel = Linear::new(&bench.gpu, &matrices[0], false);
            let detail = format!("{name} {format:?}");
            product_of(bench, sizes, "linear", &detail, &matrices, |gpu, matrix| {
                kernel.bind(gpu, matrix, &x, &y)
            })?;
        }
    }
    Ok(())
}

fn add_norm(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let (a, gains) = (
        bench.floats(MAX_ROWS * sizes.hidden)?,
        bench.floats(2 * sizes.hidden)?,
    );
    let (h, x) = (
        bench.floats(MAX_ROWS * sizes.hidden)?,
        bench.floats(MAX_ROWS * sizes.hidden)?,
    );
    let op =
        AddNorm::new(&bench.gpu, sizes.hidden, EPSILON).bind(&bench.gpu, &a, &gains, &h, &x)?;
    bench.measure(
        "add_norm",
        "",
        &ROW_COUNTS,
        |rows| rows * sizes.hidden * 4 * 4,
        &|gpu, pass, table| op.encode(gpu, pass, table),
    )
}

fn swiglu(bench: &mut Bench, sizes: Sizes) -> Outcome {
    for format in bench.formats.clone() {
        let matrices = bench.matrices(
            sizes.intermediate,
            sizes.hidden,
            format,
            Arrangement::Paired,
        )?;
        let (x, m) = (
            bench.floats(MAX_PRODUCT_ROWS * sizes.hidden)?,
            bench.floats(MAX_PRODUCT_ROWS * sizes.intermediate)?,
        );
        let kernel = Swiglu::new(&bench.gpu, &matrices[0]);
        let detail = format!("{format:?}");
        product_of(bench, sizes, "swiglu", &detail, &matrices, |gpu, matrix| {
            kernel.bind(gpu, matrix, &x, &m)
        })?;
    }
    Ok(())
}

fn finish(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let (a, h) = (
        bench.floats(MAX_ROWS * sizes.hidden)?,
        bench.floats(MAX_ROWS * sizes.hidden)?,
    );
    let state = bench.floats(MAX_ROWS * sizes.hidden)?;
    let gains = bench.floats(3 * sizes.hidden + 1)?;
    let records = bench.buffer(&[0u32; MAX_ROWS * size_of::<Record>() / 4])?;
    let to = FinishBuffers {
        a: &a,
        h: &h,
        gains: &gains,
        state: &state,
        records: &records,
    };
    let op = Finish::new(&bench.gpu, sizes.hidden, EPSILON).bind(&bench.gpu, to)?;
    bench.measure(
        "finish",
        "",
        &ROW_COUNTS,
        |rows| rows * sizes.hidden * 4 * 4,
        &|gpu, pass, table| op.encode(gpu, pass, table),
    )
}

fn sample(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let logits = bench.floats(MAX_ROWS * sizes.vocabulary)?;
    let seen = bench.buffer(&vec![0u32; MAX_ROWS * seen_words(sizes.vocabulary)])?;
    // Rows of the bench have tokens of their own, which are the numbers of their draws here.
    let tokens = bench.buffer(&vec![0u32; sizes.vocabulary])?;
    let greedy = SampleRequest {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        seed_low: 1,
        seed_high: 0,
        position: 0,
        sequence: 0,
        note: 0,
        pad: [0; 2],
    };
    let filtered = SampleRequest {
        temperature: 1.0,
        top_k: 40,
        top_p: 0.7,
        ..greedy
    };
    let kernel = Sample::new(&bench.gpu, sizes.vocabulary);
    for (name, request) in [("greedy", greedy), ("top-k, top-p", filtered)] {
        let requests: Vec<_> = (0..sizes.vocabulary as u32)
            .map(|draw| SampleRequest {
                sequence: draw % MAX_ROWS as u32,
                ..request
            })
            .collect();
        let requests = bench.buffer(&requests)?;
        let op = kernel.bind(&bench.gpu, &logits, &requests, &seen, &tokens);
        let bytes = |rows| rows * sizes.vocabulary * 4;
        bench.measure("sample", name, &ROW_COUNTS, bytes, &|_, pass, table| {
            op.encode(pass, table.rows)
        })?;
    }
    Ok(())
}

fn token_stats(bench: &mut Bench, sizes: Sizes) -> Outcome {
    let logits = bench.floats(MAX_ROWS * sizes.vocabulary)?;
    let stats = bench.buffer(&vec![0u32; MAX_ROWS * MAX_STEPS * STATS_WORDS])?;
    let kernel = block_on(TokenStats::new(&bench.gpu, sizes.vocabulary, MAX_ROWS))?;
    kernel.set_top_k(&bench.gpu, 5);
    let op = kernel.bind(&bench.gpu, &logits, &stats);
    bench.measure(
        "token_stats",
        "top 5",
        &ROW_COUNTS,
        |rows| rows * sizes.vocabulary * 4,
        &|gpu, pass, table| op.encode(gpu, pass, table),
    )
}

type Measure = fn(&mut Bench, Sizes) -> Outcome;

/// The kernels in the order of a step.
const KERNELS: [(&str, Measure); 12] = [
    ("embed", embed),
    ("qkv", qkv),
    ("attention", attention),
    ("kv_mean", kv_mean),
    ("linear", linear),
    ("add_norm", add_norm),
    ("swiglu", swiglu),
    ("finish", finish),
    ("sample", sample),
    ("token_stats", token_stats),
    ("layer", layer::layer),
    ("product", |bench, _| product::product(bench)),
];

fn run(arguments: &Arguments) -> Result<Bench, GpuError> {
    let sizes = arguments.sizes;
    let options = DeviceOptions {
        tuning: arguments.tuning,
        ..DeviceOptions::default()
    };
    let mut bench = Bench::new(&options, sizes.vocabulary, KEYS, sizes.bytes)?;
    bench.formats.clone_from(&arguments.formats);
    bench.rows.clone_from(&arguments.rows);
    stream_read(&mut bench, sizes)?;
    for (name, measure) in KERNELS {
        if arguments.only.is_empty() || arguments.only.iter().any(|wanted| wanted == name) {
            measure(&mut bench, sizes)?;
        }
    }
    Ok(bench)
}

fn main() -> Outcome {
    let arguments = Arguments::parse();
    let bench = run(&arguments)?;
    let Sizes {
        hidden,
        intermediate,
        attention,
        vocabulary,
        ..
    } = arguments.sizes;
    let shape = json!({
        "hidden": hidden,
        "intermediate": intermediate,
        "heads": attention.heads,
        "headDim": attention.head_dim,
        "vocabulary": vocabulary,
        "keys": KEYS,
        "tuning": arguments.tuning,
        "tier": bench.gpu.report().tier.name(),
    });
    if arguments.json {
        report::print_json(&bench, &shape);
    } else {
        report::print_table(&bench, &shape);
    }
    Ok(())
}

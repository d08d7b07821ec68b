//! Measures every kernel at the shapes of a reduced Ouro, next to a plain reading of memory in the same run.
//!
//! `cargo run --release -p looplm-gpu --example kernels -- [--json] [kernel ...]`
//!
//! A number is the wall time from submitting a batch of equal dispatches to its end, divided by their number; recording
//! the commands is not counted. Each is the median of the batches, with the quartiles as its spread.

mod bench;
mod product;
mod report;

use looplm_gpu::{
    Arrangement, Buffer, Format, Gpu, GpuError, KvFormat, MAX_STEPS, cpu, head_stride,
    kernel::Op,
    kernels::{
        AddNorm, Attention, AttentionBuffers, AttentionParts, AttentionShape, Embed, EmbedBuffers,
        Finish, FinishBuffers, KvMean, KvMove, Linear, ProjectionOp, Qkv, QkvBuffers, Record,
        RowVariant, STATS_WORDS, Sample, SampleRequest, StreamRead, Swiglu, TokenStats, seen_words,
    },
    rows::Table,
    wgpu,
};
use pollster::block_on;
use serde_json::json;

use crate::bench::{Bench, LONG, ROW_COUNTS};

const HIDDEN: usize = 1024;
const INTERMEDIATE: usize = 2816;
const SHAPE: AttentionShape = AttentionShape {
    heads: 16,
    kv_heads: 16,
    head_dim: 64,
};
const VOCABULARY: usize = 16_384;
const KEYS: usize = 512;
const EPSILON: f32 = 1e-6;
const FORMATS: [Format; 4] = [Format::F32, Format::F16, Format::Q8, Format::Q4];
const STREAM_BYTES: usize = 64 << 20;
const MAX_ROWS: usize = ROW_COUNTS[ROW_COUNTS.len() - 1];

type Outcome = Result<(), GpuError>;

fn stream_read(bench: &mut Bench) -> Outcome {
    let data = bench.floats(STREAM_BYTES / 4)?;
    let kernel = block_on(StreamRead::new(&bench.gpu, &data))?;
    let detail = format!("{} MiB", STREAM_BYTES >> 20);
    bench.measure(
        "stream_read",
        &detail,
        &[1],
        |_| STREAM_BYTES,
        &|_, pass, _| kernel.encode(pass),
    )
}

fn embed(bench: &mut Bench) -> Outcome {
    for format in FORMATS {
        let matrix = bench.matrix(VOCABULARY, HIDDEN, format, Arrangement::Plain)?;
        let kernel = Embed::new(&bench.gpu, &matrix, EPSILON)?;
        let (gain, state) = (bench.floats(HIDDEN)?, bench.floats(MAX_ROWS * HIDDEN)?);
        let (h, x) = (
            bench.floats(MAX_ROWS * HIDDEN)?,
            bench.floats(MAX_ROWS * HIDDEN)?,
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
        let op = kernel.bind(&bench.gpu, &matrix, to);
        let bytes = |rows| rows * (HIDDEN * format.bits() / 8 + HIDDEN * 3 * 4);
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
fn cache(bench: &mut Bench, format: KvFormat) -> Result<(Buffer, Buffer), GpuError> {
    let elements = MAX_ROWS * KEYS * SHAPE.entry();
    Ok((bench.kv(elements, format)?, bench.kv(elements, format)?))
}

/// A product computed in the way that suits its rows, whatever is compiled so far.
fn best(
    op: &ProjectionOp,
    gpu: &Gpu,
    pass: &mut wgpu::ComputePass<'_>,
    table: Table,
) -> Result<usize, GpuError> {
    op.encode_as(gpu, pass, table, RowVariant::for_rows(table.rows))
}

fn qkv(bench: &mut Bench) -> Outcome {
    let table = cpu::rotary_table(SHAPE.head_dim, 10_000.0, KEYS);
    let rotary = bench.buffer(table.as_flattened())?;
    let (keys, values) = cache(bench, KvFormat::F16)?;
    for format in FORMATS {
        let outputs = (SHAPE.heads + 2 * SHAPE.kv_heads) * SHAPE.head_dim;
        let matrix = bench.matrix(outputs, HIDDEN, format, Arrangement::Heads(SHAPE.head_dim))?;
        let (x, q) = (
            bench.floats(MAX_ROWS * HIDDEN)?,
            bench.floats(MAX_ROWS * HIDDEN)?,
        );
        let to = QkvBuffers {
            rotary: &rotary,
            q: &q,
            keys: &keys,
            values: &values,
        };
        let kernel = Qkv::new(&bench.gpu, SHAPE, KvFormat::F16, &matrix)?;
        let op = kernel.bind(&bench.gpu, &matrix, &x, to)?;
        bench.measure(
            "qkv",
            &format!("{format:?}"),
            &ROW_COUNTS,
            |_| matrix.bytes() as usize,
            &|gpu, pass, table| best(&op, gpu, pass, table),
        )?;
    }
    Ok(())
}

fn attention(bench: &mut Bench) -> Outcome {
    let q = bench.floats(MAX_ROWS * SHAPE.heads * head_stride(SHAPE.head_dim))?;
    let out = bench.floats(MAX_ROWS * HIDDEN)?;
    let kv_map = kv_map(bench)?;
    for format in KvFormat::ALL {
        let (keys, values) = cache(bench, format)?;
        let room = AttentionParts::new(SHAPE, LONG * KEYS, u64::MAX);
        let parts = bench.floats(room.bytes as usize / size_of::<f32>())?;
        let buffers = AttentionBuffers {
            q: &q,
            keys: &keys,
            values: &values,
            kv_map: &kv_map,
            out: &out,
            parts: &parts,
        };
        let op = Attention::new(&bench.gpu, SHAPE, format, room)?.bind(&bench.gpu, buffers)?;
        let record: &bench::Record<'_> = &|gpu, pass, table| op.encode(gpu, pass, table);
        let bytes = |rows| rows * KEYS * (2 * SHAPE.entry_bytes(format) + 4);
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

fn kv_mean(bench: &mut Bench) -> Outcome {
    let format = KvFormat::F16;
    let (keys, values) = cache(bench, format)?;
    let kernel = KvMean::new(&bench.gpu, SHAPE, format);
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
        let bytes = |rows| 2 * rows * (count + 1) * SHAPE.entry_bytes(format);
        let detail = format!("mean of {count}");
        bench.measure("kv_mean", &detail, &ROW_COUNTS, bytes, &|_, pass, table| {
            op.encode(pass, table.rows).map(|()| 1)
        })?;
    }
    Ok(())
}

fn linear(bench: &mut Bench) -> Outcome {
    let shapes = [
        ("output", HIDDEN, HIDDEN),
        ("down", HIDDEN, INTERMEDIATE),
        ("head", VOCABULARY, HIDDEN),
    ];
    for (name, outputs, inputs) in shapes {
        for format in FORMATS {
            let matrix = bench.matrix(outputs, inputs, format, Arrangement::Plain)?;
            let (x, y) = (
                bench.floats(MAX_ROWS * inputs)?,
                bench.floats(MAX_ROWS * outputs)?,
            );
            let op = Linear::new(&bench.gpu, &matrix, false).bind(&bench.gpu, &matrix, &x, &y)?;
            let detail = format!("{name} {format:?}");
            bench.measure(
                "linear",
                &detail,
                &ROW_COUNTS,
                |_| matrix.bytes() as usize,
                &|gpu, pass, table| best(&op, gpu, pass, table),
            )?;
        }
    }
    Ok(())
}

fn add_norm(bench: &mut Bench) -> Outcome {
    let (a, gains) = (bench.floats(MAX_ROWS * HIDDEN)?, bench.floats(2 * HIDDEN)?);
    let (h, x) = (
        bench.floats(MAX_ROWS * HIDDEN)?,
        bench.floats(MAX_ROWS * HIDDEN)?,
    );
    let op = AddNorm::new(&bench.gpu, HIDDEN, EPSILON).bind(&bench.gpu, &a, &gains, &h, &x)?;
    bench.measure(
        "add_norm",
        "",
        &ROW_COUNTS,
        |rows| rows * HIDDEN * 4 * 4,
        &|gpu, pass, table| op.encode(gpu, pass, table),
    )
}

fn swiglu(bench: &mut Bench) -> Outcome {
    for format in FORMATS {
        let matrix = bench.matrix(INTERMEDIATE, HIDDEN, format, Arrangement::Paired)?;
        let (x, m) = (
            bench.floats(MAX_ROWS * HIDDEN)?,
            bench.floats(MAX_ROWS * INTERMEDIATE)?,
        );
        let op = Swiglu::new(&bench.gpu, &matrix).bind(&bench.gpu, &matrix, &x, &m)?;
        bench.measure(
            "swiglu",
            &format!("{format:?}"),
            &ROW_COUNTS,
            |_| matrix.bytes() as usize,
            &|gpu, pass, table| best(&op, gpu, pass, table),
        )?;
    }
    Ok(())
}

fn finish(bench: &mut Bench) -> Outcome {
    let (a, h) = (
        bench.floats(MAX_ROWS * HIDDEN)?,
        bench.floats(MAX_ROWS * HIDDEN)?,
    );
    let state = bench.floats(MAX_ROWS * HIDDEN)?;
    let gains = bench.floats(3 * HIDDEN + 1)?;
    let records = bench.buffer(&[0u32; MAX_ROWS * size_of::<Record>() / 4])?;
    let to = FinishBuffers {
        a: &a,
        h: &h,
        gains: &gains,
        state: &state,
        records: &records,
    };
    let op = Finish::new(&bench.gpu, HIDDEN, EPSILON).bind(&bench.gpu, to)?;
    bench.measure(
        "finish",
        "",
        &ROW_COUNTS,
        |rows| rows * HIDDEN * 4 * 4,
        &|gpu, pass, table| op.encode(gpu, pass, table),
    )
}

fn sample(bench: &mut Bench) -> Outcome {
    let logits = bench.floats(MAX_ROWS * VOCABULARY)?;
    let seen = bench.buffer(&vec![0u32; MAX_ROWS * seen_words(VOCABULARY)])?;
    // Rows of the bench have tokens of their own, which are the numbers of their draws here.
    let tokens = bench.buffer(&vec![0u32; VOCABULARY])?;
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
    let kernel = Sample::new(&bench.gpu, VOCABULARY);
    for (name, request) in [("greedy", greedy), ("top-k, top-p", filtered)] {
        let requests: Vec<_> = (0..VOCABULARY as u32)
            .map(|draw| SampleRequest {
                sequence: draw % MAX_ROWS as u32,
                ..request
            })
            .collect();
        let requests = bench.buffer(&requests)?;
        let op = kernel.bind(&bench.gpu, &logits, &requests, &seen, &tokens);
        let bytes = |rows| rows * VOCABULARY * 4;
        bench.measure("sample", name, &ROW_COUNTS, bytes, &|_, pass, table| {
            op.encode(pass, table.rows)
        })?;
    }
    Ok(())
}

fn token_stats(bench: &mut Bench) -> Outcome {
    let logits = bench.floats(MAX_ROWS * VOCABULARY)?;
    let stats = bench.buffer(&vec![0u32; MAX_ROWS * MAX_STEPS * STATS_WORDS])?;
    let kernel = block_on(TokenStats::new(&bench.gpu, VOCABULARY, MAX_ROWS))?;
    kernel.set_top_k(&bench.gpu, 5);
    let op = kernel.bind(&bench.gpu, &logits, &stats);
    bench.measure(
        "token_stats",
        "top 5",
        &ROW_COUNTS,
        |rows| rows * VOCABULARY * 4,
        &|gpu, pass, table| op.encode(gpu, pass, table),
    )
}

type Measure = fn(&mut Bench) -> Outcome;

/// The kernels in the order of a step.
const KERNELS: [(&str, Measure); 11] = [
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
    ("product", product::product),
];

fn run(only: &[String]) -> Result<Bench, GpuError> {
    let mut bench = Bench::new(VOCABULARY, KEYS)?;
    stream_read(&mut bench)?;
    for (name, measure) in KERNELS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            measure(&mut bench)?;
        }
    }
    Ok(bench)
}

fn main() -> Outcome {
    let (flags, only): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let unknown_flag = flags.iter().find(|flag| *flag != "--json");
    let unknown_kernel = only
        .iter()
        .find(|name| KERNELS.iter().all(|(kernel, _)| kernel != name));
    if let Some(unknown) = unknown_flag.or(unknown_kernel) {
        let names = KERNELS.map(|(name, _)| name).join(", ");
        eprintln!("{unknown} is not known; arguments are --json and any of {names}");
        std::process::exit(2);
    }
    let bench = run(&only)?;
    let shape = json!({
        "hidden": HIDDEN,
        "intermediate": INTERMEDIATE,
        "heads": SHAPE.heads,
        "headDim": SHAPE.head_dim,
        "vocabulary": VOCABULARY,
        "keys": KEYS,
    });
    if flags.is_empty() {
        report::print_table(&bench, &shape);
    } else {
        report::print_json(&bench, &shape);
    }
    Ok(())
}

//! Times passes of a generated model: rows per pass, decode, prefill, against a streaming read in the same run.
//!
//!     cargo run --release -p looplm --example bench -- [--hidden 512] [--layers 4] [--vocab 8192] [--format f16] [--json]
//!
//! Times are wall time around a submission and its readback, the median of several with the spread of the middle half.
//! Absolute numbers say little on a shared machine: compare within a run.

use std::time::Instant;

use looplm::{
    LoopLm,
    checkpoint::MemorySource,
    engine::Ask,
    generate::{GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
    row::{Pass, Row, Step},
    schedule::Prefill,
};
use looplm_gpu::{Buffer, Gpu, kernels::StreamRead};
use pollster::block_on;
use serde_json::{Value, json};

const REPEATS: usize = 9;
/// Tokens of the prompt whose prefill is timed.
const PROMPT: usize = 128;

type Failure = Box<dyn std::error::Error>;

/// Sizes of the generated model; the rest follows Ouro's proportions.
struct Sizes {
    hidden: usize,
    layers: usize,
    vocab: usize,
    format: String,
    json: bool,
}

fn sizes() -> Result<Sizes, Failure> {
    let mut sizes = Sizes {
        hidden: 512,
        layers: 4,
        vocab: 8192,
        format: "f16".into(),
        json: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--json" {
            sizes.json = true;
            continue;
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--hidden" => sizes.hidden = value.parse()?,
            "--layers" => sizes.layers = value.parse()?,
            "--vocab" => sizes.vocab = value.parse()?,
            "--format" if value == "f16" || value == "f32" => sizes.format = value,
            _ => return Err(format!("unknown option {name} {value}").into()),
        }
    }
    Ok(sizes)
}

/// A checkpoint folder in memory: small weights from a fixed sequence, norms of one.
fn generated(s: &Sizes) -> Result<MemorySource, Failure> {
    let config = json!({
        "model_type": "ouro", "architectures": ["OuroForCausalLM"], "hidden_act": "silu",
        "vocab_size": s.vocab, "hidden_size": s.hidden, "intermediate_size": s.hidden * 11 / 4,
        "num_hidden_layers": s.layers, "num_attention_heads": s.hidden / 64, "num_key_value_heads": s.hidden / 64,
        "head_dim": 64, "total_ut_steps": 4, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_position_embeddings": 4096,
        "tie_word_embeddings": false, "rope_scaling": null, "use_sliding_window": false,
    });
    let text = config.to_string();
    let parsed = looplm::Config::from_json(&text)?;
    let (dtype, size) = if s.format == "f16" {
        ("F16", 2)
    } else {
        ("F32", 4)
    };
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    let mut state = 1u32;
    for (name, shape) in parsed.tensor_shapes() {
        let begin = data.len();
        let norm = name.contains("norm");
        for _ in 0..shape.iter().product() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = if norm {
                1.0
            } else {
                (state >> 8) as f32 / (1 << 24) as f32 * 0.08 - 0.04
            };
            match size {
                2 => data.extend_from_slice(&half::f16::from_f32(value).to_le_bytes()),
                _ => data.extend_from_slice(&value.to_le_bytes()),
            }
        }
        header.insert(
            name,
            json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()] }),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(&header);
    file.extend_from_slice(&data);
    Ok(MemorySource::new()
        .with("config.json", text)
        .with("model.safetensors", file))
}

/// Median and the middle half of the times of `run`, in seconds, after one turn to warm up.
fn time(mut run: impl FnMut() -> Result<(), Failure>) -> Result<[f64; 3], Failure> {
    run()?;
    let mut times = Vec::with_capacity(REPEATS);
    for _ in 0..REPEATS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok([
        times[REPEATS / 2],
        times[REPEATS / 4],
        times[REPEATS * 3 / 4],
    ])
}

fn stream_read(gpu: &Gpu, bytes: u64) -> Result<f64, Failure> {
    let data = block_on(Buffer::storage(gpu, "stream", bytes.min(gpu.max_binding())))?;
    let read = block_on(StreamRead::new(gpu, &data))?;
    let [median, ..] = time(|| {
        let mut encoder = gpu.encoder();
        read.encode(&mut encoder.begin_compute_pass(&Default::default()))?;
        gpu.submit(encoder);
        Ok(gpu.wait()?)
    })?;
    Ok(data.size() as f64 / median / 1e9)
}

/// Time of one pass of `rows` first positions at step 1.
fn pass(model: &LoopLm, rows: usize) -> Result<[f64; 3], Failure> {
    let mut engine = block_on(model.engine())?;
    let one = Step::FIRST;
    time(|| {
        let id = block_on(engine.begin(one, KvPolicy::Full))?;
        block_on(engine.append(id, &vec![1; rows]))?;
        let rows = (0..rows)
            .map(|position| Row {
                sequence: id,
                position,
                step: one,
            })
            .collect();
        let last = [(id, 0)];
        block_on(engine.submit(
            &[Pass { rows }],
            &Ask {
                report: &last,
                ..Ask::default()
            },
        ))?;
        engine.end(id);
        Ok(())
    })
}

fn prefill(model: &LoopLm, positions: usize) -> Result<[f64; 3], Failure> {
    let mut engine = block_on(model.engine())?;
    let steps = model.steps(None)?;
    time(|| {
        let id = block_on(engine.begin(steps, KvPolicy::Full))?;
        block_on(engine.append(id, &vec![1; positions]))?;
        let passes: Vec<Pass> = Prefill::new(id, 0, positions, steps, engine.max_rows()).collect();
        let last = [(id, positions - 1)];
        for (i, pass) in passes.iter().enumerate() {
            let report = if i + 1 == passes.len() {
                &last[..]
            } else {
                &[]
            };
            block_on(engine.submit(
                std::slice::from_ref(pass),
                &Ask {
                    report,
                    ..Ask::default()
                },
            ))?;
        }
        engine.end(id);
        Ok(())
    })
}

/// Seconds a token of plain decode at full depth, after a prompt of `context` tokens.
fn decode(model: &LoopLm, context: usize) -> Result<[f64; 3], Failure> {
    let options = GenerateOptions {
        max_new_tokens: Some(REPEATS + 3),
        temperature: Some(0.0),
        verify: Verify::Off,
        ..GenerateOptions::default()
    };
    let mut generation = Generation::new(model, vec![1; context], options)?;
    block_on(generation.next(&|| false))?;
    time(|| {
        block_on(generation.next(&|| false))
            .map(|_| ())
            .map_err(Into::into)
    })
}

fn main() -> Result<(), Failure> {
    let sizes = sizes()?;
    let model = block_on(LoopLm::load(
        &generated(&sizes)?,
        &LoadOptions::default(),
        &mut |_| (),
    ))?;
    let info = model.info().clone();
    let gpu = block_on(model.engine())?.gpu().clone();
    let row = (sizes.hidden * sizes.vocab * if sizes.format == "f16" { 2 } else { 4 }) as u64;
    // A pass reads the layers; the embedding and the head are read a row at a time, and once a token.
    let layers = info.memory.weights - 2 * row;
    let stream = stream_read(&gpu, 128 << 20)?;

    let mut passes = Vec::new();
    let mut single = 0.0;
    for rows in [1, 2, 4, 8, 32, 128] {
        let [median, low, high] = pass(&model, rows)?;
        if rows == 1 {
            single = median;
        }
        let bandwidth = layers as f64 / median / 1e9;
        passes.push(json!({
            "rows": rows, "ms": median * 1e3, "low_ms": low * 1e3, "high_ms": high * 1e3, "times_one_row": median / single,
            "weights_gb_per_s": bandwidth, "of_stream_read": bandwidth / stream,
        }));
    }
    let [prompt, ..] = prefill(&model, PROMPT)?;
    let mut decodes = Vec::new();
    for context in [16, 512] {
        let [token, low, high] = decode(&model, context)?;
        decodes.push(json!({
            "context": context, "ms_per_token": token * 1e3, "low_ms": low * 1e3, "high_ms": high * 1e3, "tokens_per_s": 1.0 / token,
        }));
    }
    let steps = info.config.total_ut_steps;
    let report = json!({
        "adapter": info.adapter.name, "driver": info.adapter.driver, "tier": info.adapter.tier.name(),
        "model": { "hidden": sizes.hidden, "layers": sizes.layers, "vocab": sizes.vocab, "steps": steps, "format": sizes.format,
                   "parameters": info.config.parameters(), "weights_mb": info.memory.weights as f64 / 1e6 },
        "stream_read_gb_per_s": stream,
        "dispatches": { "per_pass": info.dispatches_per_pass, "per_layer": (info.dispatches_per_pass - 1) / sizes.layers,
                        "per_token": info.dispatches_per_pass * steps + 2 },
        "submissions_per_token": 1,
        "bytes_read_back_per_token": 4 + size_of::<looplm_gpu::kernels::Record>(),
        "passes": passes, "prompt": PROMPT, "prefill_tokens_per_s": PROMPT as f64 / prompt, "decode": decodes,
    });
    if sizes.json {
        println!("{report}");
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Value) {
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    println!(
        "{} ({})",
        report["adapter"].as_str().unwrap_or("?"),
        report["driver"].as_str().unwrap_or("?")
    );
    println!("model: {}", report["model"]);
    println!(
        "streaming read: {:.1} GB/s",
        number(&report["stream_read_gb_per_s"])
    );
    println!(
        "dispatches: {}; submissions a token: {}; bytes read back a token: {}",
        report["dispatches"], report["submissions_per_token"], report["bytes_read_back_per_token"]
    );
    println!(
        "\n| rows of a pass | ms (middle half) | times one row | weights GB/s | of streaming read |"
    );
    println!("|---:|---:|---:|---:|---:|");
    for p in report["passes"].as_array().into_iter().flatten() {
        println!(
            "| {} | {:.1} ({:.1}-{:.1}) | {:.2} | {:.2} | {:.0} % |",
            p["rows"],
            number(&p["ms"]),
            number(&p["low_ms"]),
            number(&p["high_ms"]),
            number(&p["times_one_row"]),
            number(&p["weights_gb_per_s"]),
            100.0 * number(&p["of_stream_read"])
        );
    }
    println!(
        "\nprefill of {PROMPT} tokens: {:.1} tokens/s",
        number(&report["prefill_tokens_per_s"])
    );
    for d in report["decode"].as_array().into_iter().flatten() {
        println!(
            "decode after {} tokens: {:.1} ms a token ({:.1}-{:.1}), {:.2} tokens/s",
            d["context"],
            number(&d["ms_per_token"]),
            number(&d["low_ms"]),
            number(&d["high_ms"]),
            number(&d["tokens_per_s"])
        );
    }
}

//! Times training steps of three generated models: ms an update, tokens a second, time by kernel, and how much of the
//! best matrix product's throughput the products of a step reach.
//!
//!     cargo run --release -p looplm-train --example train_bench -- [--sizes small,medium,large] [--updates 10] [--json]
//!
//! Absolute times say little on a shared machine: compare within a run.

mod random_tokens;
mod report;
mod sizes;

use std::time::Instant;

use looplm_gpu::{
    Buffer, DeviceOptions, Gpu,
    kernels::{Product, ProductKind, ProductShape},
    stride,
};
use looplm_train::{Trainer, config::TrainConfig};
use pollster::block_on;

use random_tokens::RandomTokens;
use report::{Measured, Report};
use sizes::Size;

type Failure = Box<dyn std::error::Error>;

/// Updates before the clock starts.
const WARM_UP: u64 = 2;

/// Rows, outputs and inputs of the products that the best throughput is taken from: a large square one, and those of a
/// layer of the largest model.
const PRODUCTS: [[usize; 3]; 3] = [[1024, 1024, 1024], [1024, 2048, 320], [1024, 320, 1024]];

struct Arguments {
    sizes: Vec<String>,
    updates: u64,
    json: bool,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut parsed = Arguments {
        sizes: Vec::new(),
        updates: 10,
        json: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--json" {
            parsed.json = true;
            continue;
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--sizes" => parsed.sizes = value.split(',').map(str::to_owned).collect(),
            "--updates" => parsed.updates = value.parse()?,
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    Ok(parsed)
}

/// GFLOP/s of the best of some products.
fn best_product(gpu: &Gpu) -> Result<f64, Failure> {
    let mut best: f64 = 0.0;
    for [rows, outputs, inputs] in PRODUCTS {
        let shape = ProductShape {
            rows,
            outputs,
            inputs,
        };
        let buffer = |elements: usize| {
            block_on(Buffer::storage_with(
                gpu,
                "product",
                &vec![0.5f32; elements],
            ))
        };
        let x = buffer(rows * stride(inputs))?;
        let w = buffer(outputs * stride(inputs))?;
        let y = buffer(rows * stride(outputs))?;
        let (dx, dw) = (
            buffer(rows * stride(inputs))?,
            buffer(outputs * stride(inputs))?,
        );
        for kind in [
            ProductKind::Forward,
            ProductKind::InputGradient,
            ProductKind::WeightGradient,
        ] {
            let product = Product::new(gpu, kind, shape)?;
            let partials = buffer(product.partials_elements().max(4))?;
            let bound = match kind {
                ProductKind::Forward => {
                    product.bind(gpu, x.view(), w.view(), y.view(), partials.view())?
                }
                ProductKind::InputGradient => {
                    product.bind(gpu, y.view(), w.view(), dx.view(), partials.view())?
                }
                ProductKind::WeightGradient => {
                    product.bind(gpu, y.view(), x.view(), dw.view(), partials.view())?
                }
            };
            for round in 0..4 {
                let started = Instant::now();
                let mut encoder = gpu.encoder();
                bound.record(&mut encoder.begin_compute_pass(&Default::default()))?;
                gpu.submit(encoder);
                gpu.wait()?;
                if round > 0 {
                    let flop = 2.0 * (rows * outputs * inputs) as f64;
                    best = best.max(flop / started.elapsed().as_secs_f64() / 1e9);
                }
            }
        }
    }
    Ok(best)
}

fn measure(gpu: &Gpu, size: &Size, updates: u64) -> Result<Measured, Failure> {
    let mut config = TrainConfig::from_json(&size.config().to_string())?;
    config.run.updates = WARM_UP + updates;
    let task = Box::new(RandomTokens {
        vocabulary: size.vocabulary,
        length: size.length,
    });
    let mut trainer = block_on(Trainer::with_task(gpu.clone(), config, task))?;
    for _ in 0..WARM_UP {
        block_on(trainer.update())?;
    }
    block_on(trainer.finish_updates())?;
    let started = Instant::now();
    while !trainer.is_done() {
        block_on(trainer.update())?;
    }
    block_on(trainer.finish_updates())?;
    let seconds = started.elapsed().as_secs_f64() / updates as f64;
    let kernels = block_on(trainer.profile())?;
    Ok(Measured {
        name: size.name.clone(),
        parameters: trainer.parameters(),
        memory: trainer.memory_bytes(),
        seconds,
        tokens: (size.sequences * size.length) as f64,
        product_gflop: size.product_flop() / 1e9,
        kernels,
    })
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let gpu = block_on(Gpu::open(&DeviceOptions::default()))?;
    let mut report = Report {
        adapter: gpu.report().clone(),
        best_product: best_product(&gpu)?,
        sizes: Vec::new(),
    };
    for size in sizes::all()? {
        if arguments.sizes.is_empty() || arguments.sizes.contains(&size.name) {
            eprintln!("{} ...", size.name);
            report.sizes.push(measure(&gpu, &size, arguments.updates)?);
            report.best_product = report.best_product.max(best_product(&gpu)?);
        }
    }
    if arguments.json {
        println!("{}", report.json());
    } else {
        report.print();
    }
    Ok(())
}

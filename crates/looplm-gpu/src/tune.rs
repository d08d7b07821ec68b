//! Choosing the workgroups of the products of few rows by measuring them on the device at hand.

use std::{collections::BTreeMap, hash::Hasher, time::Duration};

use web_time::Instant;

use crate::{
    buffer::Buffer,
    device::{Gpu, Tier},
    error::GpuError,
    format::Format,
    kernel::Op,
    kernels::{Linear, linear},
    matrix::{Matrix, MatrixShape},
    rows::RowTables,
    stride,
    tuning::Tuning,
};

/// Lanes and outputs that are tried in floating point.
const SHAPES: [(usize, usize); 3] = [(64, 8), (64, 4), (32, 8)];

/// What is tried, the likeliest first: the time may not be enough for all.
fn candidates(gpu: &Gpu, format: Format) -> Vec<Tuning> {
    let usual = gpu.tuning();
    let mut packed: Vec<_> = usual.packed_shapes(gpu.workgroup_memory()).collect();
    if format.element().is_some() {
        packed.clear();
    }
    let staged = packed.first().map(|&first| Tuning {
        packed: false,
        ..first
    });
    if !gpu.has_packed_products() {
        packed.clear();
    }
    let plain: Vec<_> = SHAPES
        .into_iter()
        .map(|(lanes, outputs)| Tuning {
            lanes,
            outputs_of_one: outputs,
            outputs_of_few: outputs,
            subgroups: gpu.report().tier >= Tier::Subgroups,
            ..Tuning::GPU
        })
        .collect();
    let without_subgroups = Tuning {
        subgroups: false,
        ..plain[0]
    };
    // One of each kind, then the others of each.
    let mut all = vec![plain[0]];
    all.extend(packed.last());
    all.extend(packed.iter().rev().skip(1));
    all.extend(staged);
    all.extend([plain[1], without_subgroups, plain[2], Tuning::CPU]);
    let mut different = Vec::with_capacity(all.len());
    for tuning in all {
        // What is tried here says nothing of other kernels.
        let tuning = Tuning {
            tile_rows: usual.tile_rows,
            blocks: usual.blocks,
            tile_keys: usual.tile_keys,
            row_lanes: usual.row_lanes,
            ..tuning
        };
        if !different.contains(&tuning) {
            different.push(tuning);
        }
    }
    different
}

/// Products of a submission that is timed.
const REPEATS: usize = 16;
/// Submissions that are timed; the fastest counts.
const ROUNDS: usize = 3;
/// How much faster than the usual one a candidate must be to be chosen: less is noise.
const MARGIN: f64 = 0.95;

/// Workgroups by what they were measured for; see [`key`].
pub type Tunings = BTreeMap<String, Tuning>;

/// Names what a tuning holds for: the adapter, the shader and the matrix.
pub fn key(gpu: &Gpu, matrix: impl Into<MatrixShape>) -> String {
    let shape = matrix.into().plain();
    let report = gpu.report();
    // A change of the shader's text makes what was measured worthless. FNV, which is the same everywhere.
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.write(linear::SOURCE.wgsl.as_bytes());
    hash.write(linear::TEXTS.subgroups.as_bytes());
    hash.write(linear::TEXTS.packed.as_bytes());
    format!(
        "{}|{}|{}|{}|{}|{}|{:016x}|{:?} {}x{}",
        report.name,
        // Browsers that hide the name may tell who made it.
        report.vendor,
        report.driver,
        report.backend,
        report.tier.name(),
        gpu.workgroup_memory(),
        hash.finish(),
        shape.format,
        shape.outputs,
        shape.inputs
    )
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The workgroups that multiply a row by `matrix` (a plain one) fastest. Begins nothing once `budget` is used up; the usual ones stay
/// unless others are clearly faster, and where the device refuses those.
///
/// # Errors
/// What the device reports of the usual ones; [`GpuError::DeviceLost`].
pub async fn measure(gpu: &Gpu, matrix: &Matrix, budget: Duration) -> Result<Tuning, GpuError> {
    let begun = Instant::now();
    let usual = gpu.tuning_for(matrix);
    let x = Buffer::storage(gpu, "tuning", (stride(matrix.shape.inputs) * 4) as u64).await?;
    let y = Buffer::storage(gpu, "tuning", (stride(matrix.shape.outputs) * 4) as u64).await?;
    let mut best = (usual, MARGIN * time(gpu, matrix, (&x, &y)).await?);
    for candidate in candidates(gpu, matrix.shape.format) {
        if begun.elapsed() > budget {
            break;
        }
        if candidate == usual {
            continue;
        }
        match time(&gpu.with_tuning(candidate), matrix, (&x, &y)).await {
            Ok(seconds) if seconds < best.1 => best = (candidate, seconds),
            Err(lost @ GpuError::DeviceLost { .. }) => return Err(lost),
            Ok(_) | Err(_) => (),
        }
    }
    Ok(best.0)
}

/// Seconds of a submission of products, after one that compiles.
async fn time(gpu: &Gpu, matrix: &Matrix, (x, y): (&Buffer, &Buffer)) -> Result<f64, GpuError> {
    let op = Linear::new(gpu, matrix, false).bind(gpu, matrix, x, y)?;
    let mut tables = RowTables::new(gpu, 1, 1).await?;
    let table = tables.push(&[bytemuck::Zeroable::zeroed()])?;
    tables.upload(gpu);
    let mut fastest = f64::INFINITY;
    for round in 0..=ROUNDS {
        let mut encoder = gpu.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            tables.select(&mut pass, table);
            for _ in 0..if round == 0 { 1 } else { REPEATS } {
                op.encode(gpu, &mut pass, table)?;
            }
        }
        let begun = Instant::now();
        gpu.submit(encoder);
        gpu.mark().done(gpu).await?;
        if round > 0 {
            fastest = fastest.min(begun.elapsed().as_secs_f64());
        }
    }
    Ok(fastest)
}

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

/// Lanes and outputs that are tried.
const SHAPES: [(usize, usize); 5] = [(64, 4), (64, 8), (32, 4), (32, 8), (16, 8)];

/// What is tried, the usual ones of GPUs and of CPUs among them.
fn candidates(gpu: &Gpu, format: Format) -> impl Iterator<Item = Tuning> {
    let with_subgroups = gpu.report().tier >= Tier::Subgroups;
    let reads = [(true, true), (true, false), (false, false)];
    reads
        .into_iter()
        .flat_map(|(wide, staged)| [true, false].map(|subgroups| (wide, staged, subgroups)))
        .filter(move |&(wide, _, subgroups)| {
            (!wide || format.element().is_none()) && (!subgroups || with_subgroups)
        })
        .flat_map(move |(wide, staged, subgroups)| {
            SHAPES.map(|(lanes, outputs_of_one)| Tuning {
                lanes,
                outputs_of_one,
                wide,
                staged,
                subgroups,
                ..gpu.tuning()
            })
        })
        .chain([Tuning {
            lanes: Tuning::CPU.lanes,
            outputs_of_one: Tuning::CPU.outputs_of_one,
            outputs_of_few: Tuning::CPU.outputs_of_few,
            staged: Tuning::CPU.staged,
            ..gpu.tuning()
        }])
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
    let shape = matrix.into();
    let report = gpu.report();
    // A change of the shader's text makes what was measured worthless. FNV, which is the same everywhere.
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.write(linear::SOURCE.wgsl.as_bytes());
    hash.write(linear::WITH_SUBGROUPS.as_bytes());
    format!(
        "{}|{}|{}|{}|{:016x}|{:?} {}x{}",
        report.name,
        report.driver,
        report.backend,
        report.tier.name(),
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

/// The workgroups that multiply a row by `matrix` (a plain one) fastest. Ends when `budget` is used up; the usual ones stay
/// unless others are clearly faster.
///
/// # Errors
/// What the device reports.
pub async fn measure(gpu: &Gpu, matrix: &Matrix, budget: Duration) -> Result<Tuning, GpuError> {
    let begun = Instant::now();
    let usual = gpu.tuning();
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
        let seconds = time(&gpu.with_tuning(candidate), matrix, (&x, &y)).await?;
        if seconds < best.1 {
            best = (candidate, seconds);
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

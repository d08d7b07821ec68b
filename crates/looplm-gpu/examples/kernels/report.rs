//! What was measured, as a table and as JSON.

use serde_json::json;

use crate::bench::{BATCHES, Bench};

/// Bytes a second of the plain reading, which is measured first.
fn stream(bench: &Bench) -> f64 {
    bench.measurements[0].gigabytes_per_second()
}

pub(crate) fn print_table(bench: &Bench, shape: &serde_json::Value) {
    let report = bench.gpu.report();
    println!("{} ({}, {})", report.name, report.backend, report.driver);
    println!("{shape}");
    println!(
        "{:<12} {:<20} {:>4} {:>11} {:>23} {:>8} {:>8} {:>8}",
        "kernel", "", "rows", "median us", "quartiles us", "GB/s", "of read", "GFLOP/s"
    );
    for m in &bench.measurements {
        let timing = [
            m.timing.median,
            m.timing.lower_quartile,
            m.timing.upper_quartile,
        ];
        let [median, low, high] = timing.map(|seconds| seconds * 1e6);
        let speed = m.gigabytes_per_second();
        let share = 100.0 * speed / stream(bench);
        let spread = format!("{low:.1} - {high:.1}");
        let operations = m
            .gigaflops()
            .map_or(String::new(), |speed| format!("{speed:.1}"));
        println!(
            "{:<12} {:<20} {:>4} {median:>11.1} {spread:>23} {speed:>8.2} {share:>7.0}% {operations:>8}",
            m.kernel, m.detail, m.rows
        );
    }
}

pub(crate) fn print_json(bench: &Bench, shape: &serde_json::Value) {
    let report = bench.gpu.report();
    let kernels: Vec<_> = bench
        .measurements
        .iter()
        .map(|m| {
            json!({
                "kernel": m.kernel,
                "detail": m.detail,
                "rows": m.rows,
                "bytes": m.bytes,
                "seconds": {
                    "median": m.timing.median,
                    "lowerQuartile": m.timing.lower_quartile,
                    "upperQuartile": m.timing.upper_quartile,
                },
                "gigabytesPerSecond": m.gigabytes_per_second(),
                "gigaflopsPerSecond": m.gigaflops(),
                "shareOfStreamRead": m.gigabytes_per_second() / stream(bench),
            })
        })
        .collect();
    let all = json!({
        "adapter": { "name": report.name, "backend": report.backend, "driver": report.driver },
        "shape": shape,
        "batches": BATCHES,
        "kernels": kernels,
    });
    println!("{all:#}");
}

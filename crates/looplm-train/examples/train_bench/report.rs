//! What the bench prints.

use looplm_gpu::AdapterReport;
use serde_json::{Value, json};

/// One model's figures.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) parameters: u64,
    /// Bytes on the device.
    pub(crate) memory: u64,
    /// Of an update.
    pub(crate) seconds: f64,
    /// Of an update.
    pub(crate) tokens: f64,
    /// Of the matrix products of an update.
    pub(crate) product_gflop: f64,
    /// Seconds by kernel, every dispatch waited for.
    pub(crate) kernels: Vec<(&'static str, f64)>,
}

impl Measured {
    fn kernel_seconds(&self) -> f64 {
        self.kernels.iter().map(|(_, seconds)| seconds).sum()
    }

    /// GFLOP/s of the products while they run.
    fn product_rate(&self) -> f64 {
        let products = self.kernels.iter().filter(|(name, _)| *name == "product");
        self.product_gflop / products.map(|(_, seconds)| seconds).sum::<f64>()
    }
}

/// All of it.
pub(crate) struct Report {
    pub(crate) adapter: AdapterReport,
    /// GFLOP/s of the best single product of the run.
    pub(crate) best_product: f64,
    pub(crate) sizes: Vec<Measured>,
}

impl Report {
    pub(crate) fn json(&self) -> Value {
        let sizes: Vec<Value> = self
            .sizes
            .iter()
            .map(|size| {
                json!({
                    "name": size.name,
                    "parameters": size.parameters,
                    "memory_bytes": size.memory,
                    "ms_per_update": 1e3 * size.seconds,
                    "tokens_per_second": size.tokens / size.seconds,
                    "product_gflop": size.product_gflop,
                    "product_gflops": size.product_rate(),
                    "share_of_best_product": size.product_rate() / self.best_product,
                    "kernel_ms": size.kernels.iter().map(|(name, s)| json!([name, 1e3 * s])).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "adapter": self.adapter.name,
            "driver": self.adapter.driver,
            "best_product_gflops": self.best_product,
            "sizes": sizes,
        })
    }

    pub(crate) fn print(&self) {
        println!("{} ({})", self.adapter.name, self.adapter.driver);
        println!("best product: {:.1} GFLOP/s\n", self.best_product);
        for size in &self.sizes {
            println!(
                "{}: {} parameters, {:.0} MB on the device",
                size.name,
                size.parameters,
                size.memory as f64 / 1e6
            );
            println!(
                "  {:.1} ms an update, {:.0} tokens/s",
                1e3 * size.seconds,
                size.tokens / size.seconds
            );
            println!(
                "  products: {:.2} GFLOP at {:.1} GFLOP/s, {:.0} % of the best",
                size.product_gflop,
                size.product_rate(),
                100.0 * size.product_rate() / self.best_product
            );
            let all = size.kernel_seconds();
            let mut kernels = size.kernels.clone();
            kernels.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (name, seconds) in kernels {
                println!(
                    "  {name:28} {:8.1} ms  {:3.0} %",
                    1e3 * seconds,
                    100.0 * seconds / all
                );
            }
            println!();
        }
    }
}

//! token_stats: entropy and best tokens of each row of logits. See `shaders/token_stats.wgsl`.

use bytemuck::{Pod, Zeroable};

use super::sample::vocab_lanes;
use crate::{
    buffer::Buffer,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, dispatch},
    pipeline::Pipeline,
    rows::Table,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "token_stats",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/token_stats.wgsl")),
    bindings: &[Binding::Read, Binding::Uniform, Binding::Write],
    rows: true,
    entries: &["main"],
};

/// Most tokens it lists.
pub const TOP_MAX: usize = 16;

/// 32-bit words of an entry: entropy, log-sum-exp, then pairs of id and probability.
pub const STATS_WORDS: usize = 2 + 2 * TOP_MAX;

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Wanted {
    top_k: u32,
    pad: [u32; 3],
}

/// The kernel for one vocabulary and number of state slots.
#[derive(Debug)]
pub struct TokenStats {
    vocab: usize,
    kernel: Kernel,
    pipeline: Pipeline,
    wanted: Buffer,
}

impl TokenStats {
    /// A kernel for logits of `vocab` tokens, and entries for `slots` state slots.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`].
    pub async fn new(gpu: &Gpu, vocab: usize, slots: usize) -> Result<Self, GpuError> {
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = vec![
            ("VOCAB", vocab as f64),
            ("STRIDE", stride(vocab) as f64),
            ("WIDE_LANES", vocab_lanes(gpu, vocab) as f64),
            ("SLOTS", slots as f64),
        ];
        let pipeline = kernel.lazy(gpu, "main", constants);
        let wanted = Buffer::uniform(
            gpu,
            "token_stats",
            &Wanted {
                top_k: 0,
                pad: [0; 3],
            },
        )
        .await?;
        Ok(Self {
            vocab,
            kernel,
            pipeline,
            wanted,
        })
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// How many tokens to list from the next submission on, at most [`TOP_MAX`].
    pub fn set_top_k(&self, gpu: &Gpu, top_k: usize) {
        let wanted = Wanted {
            top_k: top_k.min(TOP_MAX) as u32,
            pad: [0; 3],
        };
        self.wanted.write(gpu, 0, bytemuck::bytes_of(&wanted));
    }

    /// Binds `logits` [rows, stride(vocab)] and `stats` [MAX_STEPS * slots, [`STATS_WORDS`]].
    pub fn bind(&self, gpu: &Gpu, logits: &Buffer, stats: &Buffer) -> TokenStatsOp {
        let bind_group = self.kernel.bind(gpu, &[logits, &self.wanted, stats]);
        TokenStatsOp {
            pipeline: self.pipeline.clone(),
            bind_group,
            max_rows: capacity(&[(logits, stride(self.vocab))]),
        }
    }
}

/// The kernel bound to its buffers.
#[derive(Debug)]
pub struct TokenStatsOp {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    max_rows: usize,
}

impl Op for TokenStatsOp {
    fn encode(
        &self,
        _gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError> {
        check_rows(SOURCE.name, table.rows, self.max_rows)?;
        dispatch(
            SOURCE.name,
            pass,
            self.pipeline.get(),
            &self.bind_group,
            [table.rows, 1],
        )?;
        Ok(1)
    }
}

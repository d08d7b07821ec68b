//! sample: the next token of each row, drawn on the device. See `shaders/sample.wgsl`.

use bytemuck::{Pod, Zeroable};

use crate::{
    buffer::Buffer,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Kernel, Source, capacity, check_rows, dispatch},
    pipeline::Pipeline,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "sample",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/sample.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write, Binding::Write],
    rows: true,
    entries: &["main"],
};

/// Lanes that go over a vocabulary: more than the device likes where there are many tokens. Lavapipe ends an invocation's loops
/// after 65,535 turns, all of them together, and goes over a row up to 17 times.
pub(crate) fn vocab_lanes(gpu: &Gpu, vocab: usize) -> usize {
    let least = (vocab / 1024).next_power_of_two().clamp(64, 256);
    gpu.tuning().lanes_of_row(least, 256)
}

/// How to draw the token of one row.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct SampleRequest {
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep the k most probable; 0 is off.
    pub top_k: u32,
    /// Keep the most probable that together reach p; 1 is off.
    pub top_p: f32,
    /// Keep those at least this probable relative to the most probable; 0 is off.
    pub min_p: f32,
    /// Divide (or multiply, if negative) the logits of tokens seen before; 1 is off.
    pub repetition_penalty: f32,
    /// Low half of the seed.
    pub seed_low: u32,
    /// High half of the seed.
    pub seed_high: u32,
    /// Position of the token to draw.
    pub position: u32,
    /// The sequence's row in `seen`.
    pub sequence: u32,
    /// 1: the token joins the sequence at once, and `seen` with it.
    pub note: u32,
    /// Zero.
    pub pad: [u32; 2],
}

/// Words of `seen` for one sequence.
pub const fn seen_words(vocab: usize) -> usize {
    vocab.div_ceil(32)
}

/// The kernel for one vocabulary.
#[derive(Debug)]
pub struct Sample {
    vocab: usize,
    kernel: Kernel,
    pipeline: Pipeline,
}

impl Sample {
    /// A kernel for logits of `vocab` tokens.
    pub fn new(gpu: &Gpu, vocab: usize) -> Self {
        // SAFETY: every loop of the shader counts up to a constant, or walks down the eight bins.
        let kernel = unsafe { Kernel::with_free_loops(gpu, SOURCE) };
        let constants = vec![
            ("VOCAB", vocab as f64),
            ("STRIDE", stride(vocab) as f64),
            ("WIDE_LANES", vocab_lanes(gpu, vocab) as f64),
        ];
        let pipeline = kernel.lazy(gpu, "main", constants);
        Self {
            vocab,
            kernel,
            pipeline,
        }
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Binds `logits` [rows, stride(vocab)], `requests` [draws] of [`SampleRequest`],
    /// `seen` [sequences, [`seen_words`]] and `tokens` [draws].
    pub fn bind(
        &self,
        gpu: &Gpu,
        logits: &Buffer,
        requests: &Buffer,
        seen: &Buffer,
        tokens: &Buffer,
    ) -> SampleOp {
        let bind_group = self.kernel.bind(gpu, &[logits, requests, seen, tokens]);
        let max_rows = capacity(&[(logits, stride(self.vocab))]);
        let request = size_of::<SampleRequest>() / 4;
        let draws = capacity(&[(requests, request), (tokens, 1)]);
        SampleOp {
            pipeline: self.pipeline.clone(),
            bind_group,
            max_rows: max_rows.min(draws),
            draws,
        }
    }
}

/// The kernel bound to its buffers.
#[derive(Debug)]
pub struct SampleOp {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    max_rows: usize,
    draws: usize,
}

impl SampleOp {
    /// Draws there is room for in a submission.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// Records the draw for the first `rows` rows of logits. The row table says the number of each draw, as `token`.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are more than the buffers hold.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, rows: usize) -> Result<usize, GpuError> {
        check_rows(SOURCE.name, rows, self.max_rows)?;
        dispatch(
            SOURCE.name,
            pass,
            self.pipeline.get(),
            &self.bind_group,
            [rows, 1],
        )?;
        Ok(1)
    }
}

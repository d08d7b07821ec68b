//! embed: embedding lookup or the state of the previous step, and the first norm. See `shaders/embed.wgsl`.

use bytemuck::{Pod, Zeroable};

use crate::{
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, dispatch},
    matrix::{Arrangement, Matrix},
    rows::Table,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "embed",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/embed.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Uniform,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    rows: true,
    entries: &["main"],
};

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct TokenRange {
    first_token: u32,
    tokens: u32,
    scales: u32,
    pad: u32,
}

/// The kernel for one embedding.
#[derive(Debug)]
pub struct Embed {
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
    ranges: Vec<Buffer>,
}

/// The buffers of embed.
#[derive(Debug, Clone, Copy)]
pub struct EmbedBuffers<'a> {
    /// [stride(width)]: gain of the norm in front of the first layer.
    pub gain: &'a Buffer,
    /// [slots, stride(width)].
    pub state: &'a Buffer,
    /// [rows, stride(width)]: residual stream.
    pub h: &'a Buffer,
    /// [rows, stride(width)]: its norm.
    pub x: &'a Buffer,
    /// [lines, pitch] of KV entries.
    pub kv_map: &'a Buffer,
}

impl Embed {
    /// A kernel for this embedding [vocabulary, width].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the matrix is not plain, [`GpuError::OutOfMemory`].
    pub async fn new(gpu: &Gpu, embedding: &Matrix, epsilon: f32) -> Result<Self, GpuError> {
        if embedding.shape.arrangement != Arrangement::Plain {
            return Err(shape(SOURCE.name, "takes a plain matrix"));
        }
        let width = embedding.shape.inputs;
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = [
            ("WIDTH", width as f64),
            ("STRIDE", stride(width) as f64),
            ("EPSILON", f64::from(epsilon)),
            ("WEIGHT_FORMAT", embedding.shape.format.constant()),
            (
                "WEIGHT_BLOCKS",
                (embedding.shape.format.padded(width) / crate::ALIGN) as f64,
            ),
        ];
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        let mut ranges = Vec::new();
        for part in &embedding.parts {
            let range = TokenRange {
                first_token: part.first_output as u32,
                tokens: part.outputs as u32,
                scales: (part.outputs * embedding.shape.format.row_bytes(width) / 4) as u32,
                pad: 0,
            };
            ranges.push(Buffer::uniform(gpu, "token range", &range).await?);
        }
        Ok(Self {
            kernel,
            pipeline,
            ranges,
        })
    }

    /// Binds its buffers; one dispatch for each part of the embedding.
    pub fn bind(&self, gpu: &Gpu, embedding: &Matrix, to: EmbedBuffers<'_>) -> EmbedOp {
        let bind = |(part, range): (&crate::matrix::MatrixPart, &Buffer)| {
            let buffers = [
                &part.buffer,
                range,
                to.gain,
                to.state,
                to.h,
                to.x,
                to.kv_map,
            ];
            self.kernel.bind(gpu, &buffers)
        };
        let row = stride(embedding.shape.inputs);
        EmbedOp {
            pipeline: self.pipeline.clone(),
            parts: embedding.parts.iter().zip(&self.ranges).map(bind).collect(),
            max_rows: capacity(&[(to.h, row), (to.x, row)]),
        }
    }
}

/// The kernel bound to its buffers.
#[derive(Debug)]
pub struct EmbedOp {
    pipeline: wgpu::ComputePipeline,
    parts: Vec<wgpu::BindGroup>,
    max_rows: usize,
}

impl Op for EmbedOp {
    fn encode(
        &self,
        _gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError> {
        check_rows(SOURCE.name, table.rows, self.max_rows)?;
        for bind_group in &self.parts {
            dispatch(
                SOURCE.name,
                pass,
                &self.pipeline,
                bind_group,
                [table.rows, 1],
            )?;
        }
        Ok(self.parts.len())
    }
}

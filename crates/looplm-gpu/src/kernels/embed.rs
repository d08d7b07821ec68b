//! embed: embedding lookup or the state of the previous step, and the first norm. See `shaders/embed.wgsl`.

use crate::{
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, dispatch},
    matrix::{Arrangement, Matrix, MatrixPart, MatrixShape},
    pipeline::Pipeline,
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
        Binding::Read,
    ],
    rows: true,
    entries: &["main"],
};

/// The kernel for one embedding.
#[derive(Debug, Clone)]
pub struct Embed {
    kernel: Kernel,
    pipeline: Pipeline,
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
    /// [draws]: tokens drawn, for rows whose token is [`crate::rows::DRAWN`] and a number.
    pub tokens: &'a Buffer,
}

impl Embed {
    /// A kernel for this embedding [vocabulary, width].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the matrix is not plain.
    pub fn new(
        gpu: &Gpu,
        embedding: impl Into<MatrixShape>,
        epsilon: f32,
    ) -> Result<Self, GpuError> {
        let MatrixShape {
            inputs: width,
            format,
            arrangement,
            ..
        } = embedding.into();
        if arrangement != Arrangement::Plain {
            return Err(shape(SOURCE.name, "takes a plain matrix"));
        }
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = vec![
            ("WIDTH", width as f64),
            ("STRIDE", stride(width) as f64),
            ("REDUCE_LANES", gpu.tuning().lanes_of_row(8, 128) as f64),
            ("EPSILON", f64::from(epsilon)),
            ("WEIGHT_FORMAT", format.constant()),
            (
                "WEIGHT_BLOCKS",
                (format.padded(width) / crate::ALIGN) as f64,
            ),
        ];
        let pipeline = kernel.lazy(gpu, "main", constants);
        Ok(Self { kernel, pipeline })
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Binds its buffers; one dispatch for each part of the embedding.
    pub fn bind(&self, gpu: &Gpu, embedding: &Matrix, to: EmbedBuffers<'_>) -> EmbedOp {
        let bind = |part: &MatrixPart| {
            let buffers = [
                &part.buffer,
                &part.uniform,
                to.gain,
                to.state,
                to.h,
                to.x,
                to.kv_map,
                to.tokens,
            ];
            self.kernel.bind(gpu, &buffers)
        };
        let row = stride(embedding.shape.inputs);
        EmbedOp {
            pipeline: self.pipeline.clone(),
            parts: embedding.parts.iter().map(bind).collect(),
            max_rows: capacity(&[(to.h, row), (to.x, row)]),
        }
    }
}

/// The kernel bound to its buffers.
#[derive(Debug)]
pub struct EmbedOp {
    pipeline: Pipeline,
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
                self.pipeline.get(),
                bind_group,
                [table.rows, 1],
            )?;
        }
        Ok(self.parts.len())
    }
}

//! Weights, gradient and moments on the device: flat buffers of one layout.

use looplm_gpu::{
    Bound, Buffer, Gpu, GpuError, Readback, View,
    kernels::{AdamW, AdamWBuffers, AdamWHyper, GradientNorm},
};

use super::layout::{Block, Layout};
use crate::error::TrainError;

/// The weights of a model and, for training, their gradient.
#[derive(Debug)]
pub(crate) struct Parameters {
    pub(crate) layout: Layout,
    pub(crate) values: Buffer,
    gradient: Option<Buffer>,
}

fn part(buffer: &Buffer, block: Block) -> Result<View<'_>, GpuError> {
    buffer.part(4 * block.offset as u64, 4 * block.elements as u64)
}

impl Parameters {
    /// Uploads `flat`, in the order of `layout`.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`] if all parameters do not fit into one binding, [`GpuError::OutOfMemory`].
    pub(crate) async fn new(
        gpu: &Gpu,
        layout: Layout,
        flat: &[f32],
        gradient: bool,
    ) -> Result<Self, GpuError> {
        let bytes = 4 * layout.elements as u64;
        let values = Buffer::storage_with(gpu, "parameters", flat).await?;
        let gradient = if gradient {
            Some(Buffer::storage(gpu, "gradient", bytes).await?)
        } else {
            None
        };
        Ok(Self {
            layout,
            values,
            gradient,
        })
    }

    pub(crate) fn value(&self, block: Block) -> Result<View<'_>, GpuError> {
        part(&self.values, block)
    }

    pub(crate) fn gradient(&self, block: Block) -> Result<View<'_>, GpuError> {
        part(self.gradient_buffer()?, block)
    }

    pub(crate) fn gradient_buffer(&self) -> Result<&Buffer, GpuError> {
        self.gradient.as_ref().ok_or_else(|| GpuError::Shape {
            kernel: "parameters",
            message: "these were made without a gradient".into(),
        })
    }

    /// Records that the gradient is zero from here on.
    pub(crate) fn clear_gradient(
        &self,
        encoder: &mut looplm_gpu::wgpu::CommandEncoder,
    ) -> Result<(), GpuError> {
        encoder.clear_buffer(self.gradient_buffer()?.raw(), 0, None);
        Ok(())
    }

    pub(crate) async fn read_values(&self, gpu: &Gpu) -> Result<Vec<f32>, TrainError> {
        Ok(Readback::fetch(gpu, &self.values).await?)
    }

    pub(crate) async fn read_gradient(&self, gpu: &Gpu) -> Result<Vec<f32>, TrainError> {
        Ok(Readback::fetch(gpu, self.gradient_buffer()?).await?)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.values.size() + self.gradient.as_ref().map_or(0, Buffer::size)
    }
}

/// AdamW (Loshchilov and Hutter) over a block of the parameters, behind clipping by the global norm.
#[derive(Debug)]
pub(crate) struct Optimizer {
    pub(crate) moments: [Buffer; 2],
    hyper: Buffer,
    /// Norm of the gradient, the factor it is clipped by, and whether it is finite.
    pub(crate) stats: Buffer,
    partials: Buffer,
    pub(crate) program: Vec<Bound>,
}

impl Optimizer {
    /// An optimizer of `block` with zero moments. `clip_norm` of infinity does not clip.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::AdapterTooSmall`].
    pub(crate) async fn new(
        gpu: &Gpu,
        parameters: &Parameters,
        block: Block,
        clip_norm: f32,
    ) -> Result<Self, GpuError> {
        let bytes = 4 * block.elements as u64;
        let moments = [
            Buffer::storage(gpu, "first moments", bytes).await?,
            Buffer::storage(gpu, "second moments", bytes).await?,
        ];
        let norm = GradientNorm::new(gpu, block.elements, clip_norm)?;
        let decayed = parameters.layout.matrices.saturating_sub(block.offset);
        let adamw = AdamW::new(gpu, block.elements, decayed.min(block.elements))?;
        let hyper = Buffer::storage(gpu, "optimizer step", size_of::<AdamWHyper>() as u64).await?;
        let stats = Buffer::storage(gpu, "gradient norm", 16).await?;
        let partials =
            Buffer::storage(gpu, "partial sums", 4 * norm.partials_elements() as u64).await?;
        let gradient = parameters.gradient(block)?;
        let program = vec![
            norm.bind(gpu, gradient, partials.view(), stats.view())?,
            adamw.bind(
                gpu,
                AdamWBuffers {
                    parameters: parameters.value(block)?,
                    gradient,
                    m: moments[0].view(),
                    v: moments[1].view(),
                    stats: stats.view(),
                    hyper: hyper.view(),
                },
            )?,
        ];
        Ok(Self {
            moments,
            hyper,
            stats,
            partials,
            program,
        })
    }

    /// Sets what the next recorded update does.
    pub(crate) fn set(&self, gpu: &Gpu, update: AdamWHyper) {
        self.hyper.write(gpu, 0, bytemuck::bytes_of(&update));
    }

    pub(crate) fn bytes(&self) -> u64 {
        let [first, second] = &self.moments;
        [first, second, &self.hyper, &self.stats, &self.partials]
            .iter()
            .map(|buffer| buffer.size())
            .sum()
    }
}

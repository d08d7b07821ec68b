//! finish: the end of a recurrent step: final norm and exit gate. See `shaders/finish.wgsl`.

use bytemuck::{Pod, Zeroable};

use crate::{
    MAX_STEPS,
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Kernel, Op, Source, capacity, check_rows, dispatch},
    pipeline::Pipeline,
    rows::Table,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "finish",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/finish.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    rows: true,
    entries: &["main"],
};

/// What the gate said of a row so far, step by step.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Record {
    /// Product of (1 - lambda) so far.
    pub survival: f32,
    /// Steps done.
    pub steps: u32,
    /// Instantaneous exit probability of each step.
    pub lambda: [f32; MAX_STEPS],
    /// Probability of leaving first at each step; the last takes what remains.
    pub p: [f32; MAX_STEPS],
    /// Norm of the state's change over the norm of the state before, for each step.
    pub change: [f32; MAX_STEPS],
    /// Norm of the state's change, for each step.
    pub moved: [f32; MAX_STEPS],
}

/// The buffers of finish.
#[derive(Debug, Clone, Copy)]
pub struct FinishBuffers<'a> {
    /// [rows, stride(width)]: output of the last product.
    pub a: &'a Buffer,
    /// [rows, stride(width)]: residual stream.
    pub h: &'a Buffer,
    /// [3, stride(width)] and one more: gain of the branch, final gain, gate, bias.
    pub gains: &'a Buffer,
    /// [slots, stride(width)].
    pub state: &'a Buffer,
    /// [slots] of [`Record`].
    pub records: &'a Buffer,
}

/// The kernel for one width.
#[derive(Debug)]
pub struct Finish {
    width: usize,
    kernel: Kernel,
    pipeline: Pipeline,
}

impl Finish {
    /// A kernel for rows of `width` elements.
    pub fn new(gpu: &Gpu, width: usize, epsilon: f32) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = vec![
            ("WIDTH", width as f64),
            ("STRIDE", stride(width) as f64),
            ("REDUCE_LANES", gpu.tuning().lanes_of_row(8, 128) as f64),
            ("EPSILON", f64::from(epsilon)),
        ];
        let pipeline = kernel.lazy(gpu, "main", constants);
        Self {
            width,
            kernel,
            pipeline,
        }
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Binds its buffers.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if `gains` is too small.
    pub fn bind(&self, gpu: &Gpu, to: FinishBuffers<'_>) -> Result<FinishOp, GpuError> {
        if to.gains.size() < ((3 * stride(self.width) + 1) * 4) as u64 {
            return Err(shape(
                SOURCE.name,
                "gains must hold three rows and the gate's bias",
            ));
        }
        let bind_group = self
            .kernel
            .bind(gpu, &[to.a, to.h, to.gains, to.state, to.records]);
        let row = stride(self.width);
        Ok(FinishOp {
            pipeline: self.pipeline.clone(),
            bind_group,
            max_rows: capacity(&[(to.a, row), (to.h, row)]),
        })
    }
}

/// The kernel bound to its buffers.
#[derive(Debug)]
pub struct FinishOp {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    max_rows: usize,
}

impl Op for FinishOp {
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

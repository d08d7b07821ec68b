//! add_norm: residual, norm, norm: what stands between two products of a layer. See `shaders/add_norm.wgsl`.

use crate::{
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
    name: "add_norm",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/add_norm.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write, Binding::Write],
    rows: true,
    entries: &["main"],
};

/// The kernel for one width.
#[derive(Debug)]
pub struct AddNorm {
    width: usize,
    kernel: Kernel,
    pipeline: Pipeline,
}

impl AddNorm {
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

    /// Binds `a`, `h`, `x` [rows, stride(width)] and `gains` [2, stride(width)].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if `gains` is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        a: &Buffer,
        gains: &Buffer,
        h: &Buffer,
        x: &Buffer,
    ) -> Result<AddNormOp, GpuError> {
        if gains.size() < (2 * stride(self.width) * 4) as u64 {
            return Err(shape(SOURCE.name, "gains must hold two rows"));
        }
        let row = stride(self.width);
        Ok(AddNormOp {
            pipeline: self.pipeline.clone(),
            bind_group: self.kernel.bind(gpu, &[a, gains, h, x]),
            max_rows: capacity(&[(a, row), (h, row), (x, row)]),
        })
    }
}

/// The kernel bound to its buffers.
#[derive(Debug)]
pub struct AddNormOp {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    max_rows: usize,
}

impl Op for AddNormOp {
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

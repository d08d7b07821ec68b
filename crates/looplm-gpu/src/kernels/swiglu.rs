//! swiglu: m = silu(x G^T) * (x U^T) over a paired matrix. See `shaders/swiglu.wgsl`.

use std::sync::Arc;

use super::{
    projection::{Projection, ProjectionOp, Texts},
    texts,
};
use crate::{
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Source},
    matrix::{Arrangement, Matrix, MatrixShape},
    pipeline::Pipeline,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "swiglu",
    wgsl: texts::SWIGLU,
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Uniform,
        Binding::Write,
    ],
    rows: true,
    entries: &["main_few", "main_tile", "main_block"],
};

/// Its other texts.
pub const TEXTS: Texts = Texts {
    subgroups: texts::SWIGLU_SUBGROUPS,
    packed: texts::SWIGLU_PACKED,
};

/// The kernel for matrices of one number of inputs and one format.
#[derive(Debug, Clone)]
pub struct Swiglu {
    projection: Arc<Projection>,
}

impl Swiglu {
    /// A kernel for matrices like `matrix`.
    pub fn new(gpu: &Gpu, matrix: impl Into<MatrixShape>) -> Self {
        Self {
            projection: Arc::new(Projection::new(gpu, SOURCE, TEXTS, matrix.into(), &[])),
        }
    }

    /// The pipeline for a pass of `rows` rows.
    pub fn pipeline(&self, rows: usize) -> &Pipeline {
        self.projection.pipeline(rows)
    }

    /// Binds `x` [rows, stride(K)] and `m` [rows, stride(N)].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the matrix is not paired or not like the kernel's, or `x` holds less than a row.
    pub fn bind(
        &self,
        gpu: &Gpu,
        matrix: &Matrix,
        x: &Buffer,
        m: &Buffer,
    ) -> Result<ProjectionOp, GpuError> {
        if matrix.shape.arrangement != Arrangement::Paired {
            return Err(shape(SOURCE.name, "takes a paired matrix (gate and up)"));
        }
        self.projection.fits(matrix, x)?;
        let per_row = [
            (x, stride(matrix.shape.inputs)),
            (m, stride(matrix.shape.outputs)),
        ];
        Ok(self.projection.bind(gpu, matrix, x, &[m], &per_row))
    }
}

//! linear: y = x W^T. See `shaders/linear.wgsl`.

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
    name: "linear",
    wgsl: texts::LINEAR,
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
    subgroups: texts::LINEAR_SUBGROUPS,
    packed: texts::LINEAR_PACKED,
};

/// The kernel for matrices of one number of inputs and one format.
#[derive(Debug, Clone)]
pub struct Linear {
    gather_states: bool,
    projection: Arc<Projection>,
}

impl Linear {
    /// A kernel for matrices like `matrix`. With `gather_states` a row reads `x` at its state slot instead of at its
    /// place in the pass: the head over states.
    pub fn new(gpu: &Gpu, matrix: impl Into<MatrixShape>, gather_states: bool) -> Self {
        let extra = [("GATHER_STATES", if gather_states { 1.0 } else { 0.0 })];
        let projection = Projection::new(gpu, SOURCE, TEXTS, matrix.into(), &extra);
        Self {
            gather_states,
            projection: Arc::new(projection),
        }
    }

    /// The pipeline for a pass of `rows` rows.
    pub fn pipeline(&self, rows: usize) -> &Pipeline {
        self.projection.pipeline(rows)
    }

    /// Binds `x` [rows or slots, stride(K)] and `y` [rows, stride(N)].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the matrix is not plain or not like the kernel's, or `x` holds less than a row.
    pub fn bind(
        &self,
        gpu: &Gpu,
        matrix: &Matrix,
        x: &Buffer,
        y: &Buffer,
    ) -> Result<ProjectionOp, GpuError> {
        if matrix.shape.arrangement != Arrangement::Plain {
            return Err(shape(SOURCE.name, "takes a plain matrix"));
        }
        self.projection.fits(matrix, x)?;
        let mut per_row = vec![(y, stride(matrix.shape.outputs))];
        if !self.gather_states {
            per_row.push((x, stride(matrix.shape.inputs)));
        }
        Ok(self.projection.bind(gpu, matrix, x, &[y], &per_row))
    }
}

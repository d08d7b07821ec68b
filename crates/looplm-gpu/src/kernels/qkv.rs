//! qkv: projections, rotary embedding and the KV write. See `shaders/qkv.wgsl`.

use std::sync::Arc;

use super::{
    projection::{Projection, ProjectionOp, Texts},
    texts,
};
use crate::{
    buffer::Buffer,
    device::Gpu,
    error::{GpuError, shape},
    head_stride,
    kernel::{Binding, Constants, Source},
    kv_format::KvFormat,
    matrix::{Arrangement, Matrix, MatrixShape},
    pipeline::Pipeline,
    stride,
};

/// Sizes of an attention block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements of a head; even, at most 256.
    pub head_dim: usize,
}

impl AttentionShape {
    /// Checks what the kernels were written for.
    ///
    /// # Errors
    /// [`GpuError::Shape`].
    pub fn check(&self) -> Result<(), GpuError> {
        if self.heads == 0 || self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(shape(
                "attention",
                format!(
                    "{} query heads cannot share {} key/value heads",
                    self.heads, self.kv_heads
                ),
            ));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) || self.head_dim > 256 {
            return Err(shape(
                "attention",
                format!(
                    "head_dim {} is not an even number of at most 256",
                    self.head_dim
                ),
            ));
        }
        Ok(())
    }

    fn check_matrix(&self, matrix: MatrixShape) -> Result<(), GpuError> {
        let rows = self.packed();
        if matrix.arrangement != Arrangement::Heads(self.head_dim) || matrix.outputs != rows {
            return Err(shape(
                SOURCE.name,
                format!(
                    "takes a matrix of {rows} rows in heads of {}",
                    self.head_dim
                ),
            ));
        }
        Ok(())
    }

    /// Elements of a row of packed queries, keys and values, before padding.
    pub fn packed(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Elements of one KV entry (all key/value heads, padded).
    pub fn entry(&self) -> usize {
        self.kv_heads * head_stride(self.head_dim)
    }

    /// Bytes of the keys, or of the values, of one KV entry.
    pub fn entry_bytes(&self, format: KvFormat) -> usize {
        self.entry() * format.bytes()
    }

    /// Checks that the cache can be kept in this format.
    ///
    /// # Errors
    /// [`GpuError::Shape`].
    pub fn check_format(&self, format: KvFormat) -> Result<(), GpuError> {
        self.check()?;
        if format == KvFormat::Q8 && !self.head_dim.is_multiple_of(4) {
            return Err(shape(
                "attention",
                format!(
                    "keys and values in q8 take heads of a multiple of 4, not of {}",
                    self.head_dim
                ),
            ));
        }
        Ok(())
    }

    /// Checks that there are keys and values, as many of one as of the other.
    pub(crate) fn check_cache(
        &self,
        kernel: &'static str,
        format: KvFormat,
        keys: &Buffer,
        values: &Buffer,
    ) -> Result<(), GpuError> {
        if keys.size() < self.entry_bytes(format) as u64 || keys.size() != values.size() {
            return Err(shape(
                kernel,
                "keys and values must be of one size and hold at least an entry",
            ));
        }
        Ok(())
    }

    pub(crate) fn constants(&self, format: KvFormat) -> Constants {
        vec![
            ("HEADS", self.heads as f64),
            ("KV_HEADS", self.kv_heads as f64),
            ("HEAD_DIM", self.head_dim as f64),
            ("HEAD_STRIDE", head_stride(self.head_dim) as f64),
            ("KV_FORMAT", format.constant()),
        ]
    }
}

/// The shader.
pub const SOURCE: Source = Source {
    name: "qkv",
    wgsl: texts::QKV,
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Uniform,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    rows: true,
    entries: &["main_few", "main_tile", "main_block"],
};

/// Its other texts.
pub const TEXTS: Texts = Texts {
    subgroups: texts::QKV_SUBGROUPS,
    packed: texts::QKV_PACKED,
};

/// The kernel for one attention shape, number of inputs, and formats of the weights and of the cache.
#[derive(Debug, Clone)]
pub struct Qkv {
    shape: AttentionShape,
    format: KvFormat,
    projection: Arc<Projection>,
}

/// The buffers that qkv writes, beside the rotary table it reads.
#[derive(Debug, Clone, Copy)]
pub struct QkvBuffers<'a> {
    /// [positions, head_dim / 2] of (cos, sin).
    pub rotary: &'a Buffer,
    /// [rows, heads, head_stride].
    pub q: &'a Buffer,
    /// [KV entries, kv_heads, head_stride] in the kernel's format.
    pub keys: &'a Buffer,
    /// As `keys`.
    pub values: &'a Buffer,
}

impl Qkv {
    /// A kernel for matrices like `matrix`, whose rows are the query heads, then the key heads, then the value heads.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the shapes do not fit each other.
    pub fn new(
        gpu: &Gpu,
        shape_: AttentionShape,
        format: KvFormat,
        matrix: impl Into<MatrixShape>,
    ) -> Result<Self, GpuError> {
        let matrix = matrix.into();
        shape_.check_format(format)?;
        shape_.check_matrix(matrix)?;
        let projection = Projection::new(gpu, SOURCE, TEXTS, matrix, &shape_.constants(format));
        Ok(Self {
            shape: shape_,
            format,
            projection: Arc::new(projection),
        })
    }

    /// The pipeline for a pass of `rows` rows.
    pub fn pipeline(&self, rows: usize) -> &Pipeline {
        self.projection.pipeline(rows)
    }

    /// Binds `x` [rows, stride(K)] and the rest.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the matrix is not like the kernel's, `x` holds less than a row, or the KV cache less than
    /// an entry.
    pub fn bind(
        &self,
        gpu: &Gpu,
        matrix: &Matrix,
        x: &Buffer,
        to: QkvBuffers<'_>,
    ) -> Result<ProjectionOp, GpuError> {
        self.shape.check_matrix(matrix.shape)?;
        self.projection.fits(matrix, x)?;
        self.shape
            .check_cache(SOURCE.name, self.format, to.keys, to.values)?;
        let per_row = [
            (x, stride(matrix.shape.inputs)),
            (to.q, self.shape.heads * head_stride(self.shape.head_dim)),
        ];
        Ok(self.projection.bind(
            gpu,
            matrix,
            x,
            &[to.rotary, to.q, to.keys, to.values],
            &per_row,
        ))
    }
}

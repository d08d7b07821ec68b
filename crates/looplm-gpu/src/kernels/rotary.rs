//! rotary: rotary embedding of packed queries and keys, in place. See `shaders/rotary.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    kernels::AttentionShape,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "rotary",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/rotary.wgsl")),
    bindings: &[Binding::Write, Binding::Read, Binding::Read],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of rows of one attention shape.
#[derive(Debug)]
pub struct Rotary {
    rows: usize,
    attention: AttentionShape,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Rotary {
    /// A kernel for `rows` rows; `inverse` turns back, which is how gradients pass.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are no rows or `attention` is not a shape of attention.
    pub fn new(
        gpu: &Gpu,
        rows: usize,
        attention: AttentionShape,
        inverse: bool,
    ) -> Result<Self, GpuError> {
        attention.check()?;
        if rows == 0 {
            return Err(shape(SOURCE.name, "no rows".to_string()));
        }
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(
            gpu,
            "main",
            &[
                ("ROWS", rows as f64),
                ("HEADS", attention.heads as f64),
                ("KV_HEADS", attention.kv_heads as f64),
                ("HEAD_DIM", attention.head_dim as f64),
                ("ROW_STRIDE", stride(attention.packed()) as f64),
                ("INVERSE", f64::from(u8::from(inverse))),
            ],
        );
        Ok(Self {
            rows,
            attention,
            kernel,
            pipeline,
        })
    }

    /// Binds `qkv` [rows, stride([`AttentionShape::packed`])], `table` [positions, head_dim / 2] of (cos, sin) and
    /// `positions` [rows] `u32`, each of them below the table's.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        qkv: View<'_>,
        table: View<'_>,
        positions: View<'_>,
    ) -> Result<Bound, GpuError> {
        let row = stride(self.attention.packed());
        check_size(SOURCE.name, "qkv", qkv, self.rows * row)?;
        check_size(SOURCE.name, "table", table, self.attention.head_dim)?;
        check_size(SOURCE.name, "positions", positions, self.rows)?;
        let turned = self.attention.heads + self.attention.kv_heads;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[qkv, table, positions]),
            flat_grid(self.rows * turned * (self.attention.head_dim / 2)),
        ))
    }
}

//! causal_attention: causal attention over packed documents, for training. See `shaders/causal_attention.wgsl`.

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
    name: "causal_attention",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/causal_attention.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// Largest head the shaders keep in an invocation.
const MAX_HEAD_DIM: usize = 128;

/// The kernel for one number of rows of one attention shape.
#[derive(Debug)]
pub struct CausalAttention {
    rows: usize,
    attention: AttentionShape,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl CausalAttention {
    /// A kernel for `rows` rows, whose scores are multiplied by `scale` (1 / sqrt(head_dim)).
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are no rows, `attention` is not a shape of attention, or its heads are longer than 128.
    pub fn new(
        gpu: &Gpu,
        rows: usize,
        attention: AttentionShape,
        scale: f32,
    ) -> Result<Self, GpuError> {
        let constants = constants(SOURCE.name, rows, attention, scale)?;
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(gpu, "main", &constants);
        Ok(Self {
            rows,
            attention,
            kernel,
            pipeline,
        })
    }

    /// Binds `qkv` [rows, stride([`AttentionShape::packed`])], `first` [rows] `u32` (first row of each row's document, at
    /// most the row itself), and what it writes: `out` [rows, stride(heads * head_dim)] and `lse` [rows, heads].
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        qkv: View<'_>,
        first: View<'_>,
        out: View<'_>,
        lse: View<'_>,
    ) -> Result<Bound, GpuError> {
        let AttentionShape {
            heads, head_dim, ..
        } = self.attention;
        let rows = self.rows;
        let packed = stride(self.attention.packed());
        check_size(SOURCE.name, "qkv", qkv, rows * packed)?;
        check_size(SOURCE.name, "first", first, rows)?;
        check_size(SOURCE.name, "out", out, rows * stride(heads * head_dim))?;
        check_size(SOURCE.name, "lse", lse, rows * heads)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[qkv, first, out, lse]),
            flat_grid(rows * heads),
        ))
    }
}

pub(super) fn constants(
    kernel: &'static str,
    rows: usize,
    attention: AttentionShape,
    scale: f32,
) -> Result<[(&'static str, f64); 7], GpuError> {
    attention.check()?;
    let AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = attention;
    if rows == 0 || head_dim > MAX_HEAD_DIM {
        return Err(shape(
            kernel,
            format!(
                "{rows} rows with heads of {head_dim}; takes at least 1, and heads of at most {MAX_HEAD_DIM}"
            ),
        ));
    }
    Ok([
        ("ROWS", rows as f64),
        ("HEADS", heads as f64),
        ("KV_HEADS", kv_heads as f64),
        ("HEAD_DIM", head_dim as f64),
        ("ROW_STRIDE", stride(attention.packed()) as f64),
        ("OUT_STRIDE", stride(heads * head_dim) as f64),
        ("SCALE", f64::from(scale)),
    ])
}

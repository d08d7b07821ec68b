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
    entries: &["main", "main_four"],
};

/// Rows of a head that one invocation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowBlock {
    /// One: most invocations, fewest registers.
    One,
    /// Four: each key is loaded once for all of them.
    Four,
}

impl RowBlock {
    /// What suits the adapter: four where loads are dear and the driver unrolls the loops over a head (native adapters that
    /// compute on the CPU, heads of at most 32), one where many invocations hide the loads.
    pub fn of(gpu: &Gpu, attention: AttentionShape) -> Self {
        let native = cfg!(not(target_arch = "wasm32"));
        if native && gpu.on_cpu() && attention.head_dim <= Self::Four.max_head_dim() {
            Self::Four
        } else {
            Self::One
        }
    }

    /// Largest head that an invocation keeps.
    fn max_head_dim(self) -> usize {
        match self {
            Self::One => 128,
            Self::Four => 32,
        }
    }

    /// Invocations for so many rows of one head.
    pub(super) fn invocations(self, rows: usize) -> usize {
        match self {
            Self::One => rows,
            Self::Four => rows.div_ceil(4),
        }
    }
}

/// The kernel for one number of rows of one attention shape.
#[derive(Debug)]
pub struct CausalAttention {
    rows: usize,
    attention: AttentionShape,
    block: RowBlock,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl CausalAttention {
    /// A kernel for `rows` rows, whose scores are multiplied by `scale` (1 / sqrt(head_dim)).
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are no rows, `attention` is not a shape of attention, or its heads are longer than 128
    /// (32 for [`RowBlock::Four`]).
    pub fn new(
        gpu: &Gpu,
        rows: usize,
        attention: AttentionShape,
        scale: f32,
    ) -> Result<Self, GpuError> {
        Self::with_block(gpu, rows, attention, scale, RowBlock::of(gpu, attention))
    }

    /// As [`CausalAttention::new`] with so many rows an invocation.
    ///
    /// # Errors
    /// As there.
    pub fn with_block(
        gpu: &Gpu,
        rows: usize,
        attention: AttentionShape,
        scale: f32,
        block: RowBlock,
    ) -> Result<Self, GpuError> {
        let constants = constants(SOURCE.name, rows, attention, scale, block)?;
        // SAFETY: its loops count up to constants and to numbers of rows, which are below 2^32 - 1.
        let kernel = unsafe { Kernel::with_free_loops(gpu, SOURCE) };
        let entry = match block {
            RowBlock::One => "main",
            RowBlock::Four => "main_four",
        };
        let pipeline = kernel.pipeline(gpu, entry, &constants);
        Ok(Self {
            rows,
            attention,
            block,
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
            flat_grid(self.block.invocations(rows) * heads),
        ))
    }
}

pub(super) fn constants(
    kernel: &'static str,
    rows: usize,
    attention: AttentionShape,
    scale: f32,
    block: RowBlock,
) -> Result<[(&'static str, f64); 7], GpuError> {
    attention.check()?;
    let AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = attention;
    let largest = block.max_head_dim();
    if rows == 0 || head_dim > largest {
        return Err(shape(
            kernel,
            format!(
                "{rows} rows with heads of {head_dim}; takes at least 1, and heads of at most {largest}"
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

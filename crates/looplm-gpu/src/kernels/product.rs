//! product: the three matrix products of training a linear layer. See `shaders/product.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::{GpuError, shape},
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "product",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/product.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write],
    rows: false,
    entries: &["main_tile", "main_block", "main_patch", "reduce"],
};

/// Rows and columns of the tile of a workgroup.
const TILE: usize = 64;
/// Workgroups that a weight gradient is split into, so that small matrices use the whole device.
const WORKGROUPS: usize = 64;
/// Fewest rows in a split: below, writing and adding the partial sums costs more than it brings.
const SPLIT_ROWS: usize = 128;
/// Operations from which on blocks are worth it: half a second longer to compile on lavapipe, half the time to run.
const BLOCK_OPERATIONS: u64 = 8 << 20;

/// Which product of the layer y = x Wᵀ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductKind {
    /// y\[R, N\] = x\[R, K\] W\[N, K\]ᵀ.
    Forward,
    /// dx\[R, K\] = dy\[R, N\] W\[N, K\].
    InputGradient,
    /// dW\[N, K\] += dy\[R, N\]ᵀ x\[R, K\].
    WeightGradient,
}

/// How the product is computed; the result is the same but for rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductMethod {
    /// Through workgroup memory, 8 x 8 elements an invocation: for GPUs.
    Tile,
    /// From where the operands lie, 16 x 16 elements an invocation: for adapters that are programs on the CPU.
    Block,
    /// As a block, 8 x 8 elements an invocation: where so little is computed that the time to compile counts.
    Patch,
}

/// Shape of the layer. Rows of the activations and of W are padded to [`stride`] with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductShape {
    /// R, rows of x and y.
    pub rows: usize,
    /// N, elements of a row of y and rows of W.
    pub outputs: usize,
    /// K, elements of a row of x and of a row of W.
    pub inputs: usize,
}

impl ProductShape {
    fn x(&self) -> usize {
        self.rows * stride(self.inputs)
    }

    fn y(&self) -> usize {
        self.rows * stride(self.outputs)
    }

    fn weights(&self) -> usize {
        self.outputs * stride(self.inputs)
    }
}

/// The kernel for one kind and shape.
#[derive(Debug)]
pub struct Product {
    kind: ProductKind,
    shape: ProductShape,
    /// Parts that the rows of a weight gradient are summed in.
    splits: usize,
    grid: [usize; 2],
    kernel: Kernel,
    main: wgpu::ComputePipeline,
    reduce: Option<wgpu::ComputePipeline>,
}

impl Product {
    /// Compiles the kernel for `shape` with the method that suits it and the adapter.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if a size is 0 or an operand has more elements than 32 bits count.
    pub fn new(gpu: &Gpu, kind: ProductKind, shape: ProductShape) -> Result<Self, GpuError> {
        let method = match gpu.on_cpu() {
            true if operations(shape) >= BLOCK_OPERATIONS => ProductMethod::Block,
            true => ProductMethod::Patch,
            false => ProductMethod::Tile,
        };
        Self::with_method(gpu, kind, shape, method)
    }

    /// As [`Product::new`], with a method of one's own choice.
    ///
    /// # Errors
    /// As [`Product::new`].
    pub fn with_method(
        gpu: &Gpu,
        kind: ProductKind,
        shape: ProductShape,
        method: ProductMethod,
    ) -> Result<Self, GpuError> {
        check(shape)?;
        let ProductShape {
            rows,
            outputs,
            inputs,
        } = shape;
        // Rows and quads across a row of C; k.
        let (c_rows, c_width, depth) = match kind {
            ProductKind::Forward => (rows, outputs, stride(inputs)),
            ProductKind::InputGradient => (rows, inputs, outputs),
            ProductKind::WeightGradient => (outputs, inputs, rows),
        };
        let (row_tiles, column_tiles) = (c_rows.div_ceil(TILE), stride(c_width).div_ceil(TILE));
        let wanted = match kind {
            ProductKind::WeightGradient => WORKGROUPS
                .div_ceil(row_tiles * column_tiles)
                .min(rows.div_ceil(SPLIT_ROWS)),
            _ => 1,
        };
        let split_depth = depth.div_ceil(wanted).next_multiple_of(16);
        let splits = depth.div_ceil(split_depth);
        let (a_width, b_width) = match kind {
            ProductKind::Forward => (inputs, inputs),
            ProductKind::InputGradient | ProductKind::WeightGradient => (outputs, inputs),
        };
        let quads = |width: usize| (stride(width) / 4) as f64;
        let flag = |set: bool| f64::from(u8::from(set));
        let kernel = Kernel::new(gpu, SOURCE);
        let main = kernel.pipeline(
            gpu,
            match method {
                ProductMethod::Tile => "main_tile",
                ProductMethod::Block => "main_block",
                ProductMethod::Patch => "main_patch",
            },
            &[
                ("ROWS", c_rows as f64),
                ("DEPTH", depth as f64),
                ("SPLIT_DEPTH", split_depth as f64),
                ("A_STRIDE", quads(a_width)),
                ("B_STRIDE", quads(b_width)),
                ("C_STRIDE", quads(c_width)),
                ("COLUMNS", outputs as f64),
                ("A_ALONG_DEPTH", flag(kind != ProductKind::WeightGradient)),
                ("B_ALONG_DEPTH", flag(kind == ProductKind::Forward)),
                (
                    "ADD",
                    flag(kind == ProductKind::WeightGradient && splits == 1),
                ),
                ("ROW_TILES", row_tiles as f64),
            ],
        );
        let reduce = (splits > 1).then(|| {
            let quads = (shape.weights() / 4) as f64;
            kernel.pipeline(
                gpu,
                "reduce",
                &[("SPLITS", splits as f64), ("REDUCE_QUADS", quads)],
            )
        });
        Ok(Self {
            kind,
            shape,
            splits,
            grid: [column_tiles, row_tiles * splits],
            kernel,
            main,
            reduce,
        })
    }

    /// Elements of the partial sums that [`Product::bind`] wants; 0 if it needs none.
    pub fn partials_elements(&self) -> usize {
        if self.splits > 1 {
            self.splits * self.shape.weights()
        } else {
            0
        }
    }

    /// Floating point operations of a dispatch, two for each multiplication and addition.
    pub fn operations(&self) -> u64 {
        operations(self.shape)
    }

    /// Binds the operands and the result of the kind:
    ///
    /// | kind            | `a` | `b` | `c` |
    /// |-----------------|-----|-----|-----|
    /// | forward         | x   | W   | y   |
    /// | input gradient  | dy  | W   | dx  |
    /// | weight gradient | dy  | x   | dW  |
    ///
    /// `partials` is scratch of [`Product::partials_elements`]; where that is 0 it is not bound. It must not lie in the
    /// buffer of another operand, nor `c` in that of `a` or `b`.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        a: View<'_>,
        b: View<'_>,
        c: View<'_>,
        partials: View<'_>,
    ) -> Result<Bound, GpuError> {
        let name = SOURCE.name;
        let (x, y, weights) = (self.shape.x(), self.shape.y(), self.shape.weights());
        let sizes = match self.kind {
            ProductKind::Forward => [("x", x), ("W", weights), ("y", y)],
            ProductKind::InputGradient => [("dy", y), ("W", weights), ("dx", x)],
            ProductKind::WeightGradient => [("dy", y), ("x", x), ("dW", weights)],
        };
        for (view, (what, elements)) in [a, b, c].into_iter().zip(sizes) {
            check_size(name, what, view, elements)?;
        }
        let Some(reduce) = &self.reduce else {
            let group = self.kernel.bind_views(gpu, &[a, b, c]);
            return Ok(Bound::new(name, &self.main, group, self.grid));
        };
        check_size(name, "partials", partials, self.partials_elements())?;
        let sums = self.kernel.bind_views(gpu, &[a, b, partials]);
        // The second operand is not read.
        let total = self.kernel.bind_views(gpu, &[partials, partials, c]);
        let grid = flat_grid(weights / 4);
        Ok(Bound::new(name, &self.main, sums, self.grid)
            .then(Bound::new(name, reduce, total, grid)))
    }
}

fn operations(of: ProductShape) -> u64 {
    2 * of.rows as u64 * of.outputs as u64 * of.inputs as u64
}

fn check(of: ProductShape) -> Result<(), GpuError> {
    let ProductShape {
        rows,
        outputs,
        inputs,
    } = of;
    let most = u32::MAX as usize;
    let small = |a: usize, b: usize| a.checked_mul(stride(b)).is_some_and(|n| n <= most);
    let fits = rows.max(outputs).max(inputs) <= most - 64
        && small(rows, inputs)
        && small(rows, outputs)
        && small(outputs, inputs);
    if rows == 0 || outputs == 0 || inputs == 0 || !fits {
        return Err(shape(
            SOURCE.name,
            format!("{rows} rows of {inputs} inputs and {outputs} outputs"),
        ));
    }
    Ok(())
}

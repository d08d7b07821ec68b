//! gather: rows of a table by id. See `shaders/gather.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "gather",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/gather.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// The kernel for one number of rows and one shape of the table.
#[derive(Debug)]
pub struct Gather {
    rows: usize,
    vocabulary: usize,
    width: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Gather {
    /// A kernel that takes `rows` rows from a table [vocabulary, width].
    pub fn new(gpu: &Gpu, rows: usize, vocabulary: usize, width: usize) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(
            gpu,
            "main",
            &[
                ("ROWS", rows as f64),
                ("VOCABULARY", vocabulary as f64),
                ("QUADS", (stride(width) / 4) as f64),
            ],
        );
        Self {
            rows,
            vocabulary,
            width,
            kernel,
            pipeline,
        }
    }

    /// Binds `ids` \[rows\] (u32), `table` [vocabulary, stride(width)] and `y` [rows, stride(width)], which becomes
    /// `table[ids[r]]`; zeros for an id beyond the vocabulary.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        ids: View<'_>,
        table: View<'_>,
        y: View<'_>,
    ) -> Result<Bound, GpuError> {
        let stride = stride(self.width);
        check_size(SOURCE.name, "ids", ids, self.rows)?;
        check_size(SOURCE.name, "table", table, self.vocabulary * stride)?;
        check_size(SOURCE.name, "y", y, self.rows * stride)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[ids, table, y]),
            flat_grid(self.rows * stride / 4),
        ))
    }
}

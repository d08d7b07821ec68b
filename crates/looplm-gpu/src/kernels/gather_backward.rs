//! gather_backward: the gradient of a table that rows were gathered from. See `shaders/gather_backward.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "gather_backward",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/gather_backward.wgsl")),
    bindings: &[Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    rows: false,
    entries: &["main"],
};

/// The rows that took each id, as [`GatherBackward`] reads them. The rows of id `v` are
/// `rows[starts[v] .. starts[v + 1]]`, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takers {
    /// [vocabulary + 1].
    pub starts: Vec<u32>,
    /// One entry for each row with an id of the vocabulary.
    pub rows: Vec<u32>,
}

impl Takers {
    /// Sorts the rows by their ids; rows with an id beyond the vocabulary are left out, as `gather` gave them zeros.
    pub fn of(ids: &[u32], vocabulary: usize) -> Self {
        let mut starts = vec![0u32; vocabulary + 1];
        for &id in ids {
            if let Some(count) = starts.get_mut(id as usize + 1) {
                *count += 1;
            }
        }
        for v in 0..vocabulary {
            starts[v + 1] += starts[v];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; starts[vocabulary] as usize];
        for (r, &id) in ids.iter().enumerate() {
            if (id as usize) < vocabulary {
                rows[next[id as usize] as usize] = r as u32;
                next[id as usize] += 1;
            }
        }
        Self { starts, rows }
    }
}

/// The kernel for one number of rows and one shape of the table.
#[derive(Debug)]
pub struct GatherBackward {
    rows: usize,
    vocabulary: usize,
    width: usize,
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl GatherBackward {
    /// A kernel for `rows` rows that were taken from a table [vocabulary, width].
    pub fn new(gpu: &Gpu, rows: usize, vocabulary: usize, width: usize) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let pipeline = kernel.pipeline(
            gpu,
            "main",
            &[
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

    /// Binds `starts` [vocabulary + 1] and `rows` \[rows\] (u32, see [`Takers`]), `dy` [rows, stride(width)], and
    /// `dtable` [vocabulary, stride(width)], to which the sums are added.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(
        &self,
        gpu: &Gpu,
        starts: View<'_>,
        rows: View<'_>,
        dy: View<'_>,
        dtable: View<'_>,
    ) -> Result<Bound, GpuError> {
        let stride = stride(self.width);
        check_size(SOURCE.name, "starts", starts, self.vocabulary + 1)?;
        check_size(SOURCE.name, "rows", rows, self.rows)?;
        check_size(SOURCE.name, "dy", dy, self.rows * stride)?;
        check_size(SOURCE.name, "dtable", dtable, self.vocabulary * stride)?;
        Ok(Bound::new(
            SOURCE.name,
            &self.pipeline,
            self.kernel.bind_views(gpu, &[starts, rows, dy, dtable]),
            flat_grid(self.vocabulary * stride / 4),
        ))
    }
}

//! exit_gate_backward: the gradient of exit_gate in its input and its parameters. See
//! `shaders/exit_gate_backward.wgsl`.

use crate::{
    buffer::View,
    device::Gpu,
    error::GpuError,
    kernel::{Binding, Bound, Kernel, Source, check_size, flat_grid},
    kernels::exit_gate::gate_elements,
    stride,
};

/// The shader.
pub const SOURCE: Source = Source {
    name: "exit_gate_backward",
    wgsl: include_str!(concat!(env!("OUT_DIR"), "/exit_gate_backward.wgsl")),
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    rows: false,
    entries: &["main", "add_chunks"],
};

/// Rows whose gradients one invocation sums, as the shader counts them.
const CHUNK: usize = 64;

/// The buffers of [`ExitGateBackward`].
#[derive(Debug, Clone, Copy)]
pub struct ExitGateGradients<'a> {
    /// [rows, stride(width)]: the states.
    pub y: View<'a>,
    /// \[[`gate_elements`]\]: parameters.
    pub gate: View<'a>,
    /// \[rows\]: gradient in the logits.
    pub dz: View<'a>,
    /// [rows, stride(width)]: gradient in the states, added to.
    pub dy: View<'a>,
    /// \[[`gate_elements`]\]: gradient in the parameters, added to.
    pub dgate: View<'a>,
    /// \[[`ExitGateBackward::partials`]\]: scratch.
    pub partials: View<'a>,
}

/// The kernel for one number of rows and one width.
#[derive(Debug)]
pub struct ExitGateBackward {
    rows: usize,
    width: usize,
    kernel: Kernel,
    main: wgpu::ComputePipeline,
    add_chunks: wgpu::ComputePipeline,
}

impl ExitGateBackward {
    /// A kernel for `rows` states of `width`.
    pub fn new(gpu: &Gpu, rows: usize, width: usize) -> Self {
        let kernel = Kernel::new(gpu, SOURCE);
        let constants = [("ROWS", rows as f64), ("QUADS", (stride(width) / 4) as f64)];
        let main = kernel.pipeline(gpu, "main", &constants);
        let add_chunks = kernel.pipeline(gpu, "add_chunks", &constants);
        Self {
            rows,
            width,
            kernel,
            main,
            add_chunks,
        }
    }

    /// Elements of the scratch buffer for `rows` states of `width`.
    pub fn partials(rows: usize, width: usize) -> usize {
        rows.div_ceil(CHUNK) * gate_elements(width)
    }

    /// Binds its buffers.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if one of them is too small.
    pub fn bind(&self, gpu: &Gpu, to: ExitGateGradients<'_>) -> Result<Bound, GpuError> {
        let states = self.rows * stride(self.width);
        let gate = gate_elements(self.width);
        let partials = Self::partials(self.rows, self.width);
        check_size(SOURCE.name, "y", to.y, states)?;
        check_size(SOURCE.name, "gate", to.gate, gate)?;
        check_size(SOURCE.name, "dz", to.dz, self.rows)?;
        check_size(SOURCE.name, "dy", to.dy, states)?;
        check_size(SOURCE.name, "dgate", to.dgate, gate)?;
        check_size(SOURCE.name, "partials", to.partials, partials)?;
        let group = self
            .kernel
            .bind_views(gpu, &[to.y, to.gate, to.dz, to.dy, to.dgate, to.partials]);
        let sum = Bound::new(
            SOURCE.name,
            &self.add_chunks,
            group.clone(),
            flat_grid(gate / 4),
        );
        Ok(Bound::new(SOURCE.name, &self.main, group, flat_grid(partials / 4)).then(sum))
    }
}

//! What all kernels share: shader module, bind group layout, pipelines by constants, dispatches.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    buffer::{Buffer, View},
    device::Gpu,
    error::GpuError,
    pipeline::{Pipeline, Recipe},
    rows::Table,
};

/// How a kernel uses one of its bindings in group 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Storage, read only.
    Read,
    /// Storage, read and written.
    Write,
    /// Uniform.
    Uniform,
}

/// The text of a kernel and how it is bound.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Name of the kernel and of its file in `shaders/`.
    pub name: &'static str,
    /// WGSL with its imports resolved.
    pub wgsl: &'static str,
    /// Bindings of group 0 in order.
    pub bindings: &'static [Binding],
    /// Whether it reads the row table in group 1.
    pub rows: bool,
    /// Entry points.
    pub entries: &'static [&'static str],
}

impl Source {
    fn descriptor(&self) -> wgpu::ShaderModuleDescriptor<'static> {
        wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Wgsl(self.wgsl.into()),
        }
    }
}

/// Values of a pipeline's override constants.
pub type Constants = Vec<(&'static str, f64)>;

/// The layout of group 1: the row table with a dynamic offset.
pub(crate) fn rows_layout(gpu: &Gpu) -> wgpu::BindGroupLayout {
    gpu.device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("rows"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: true },
                    has_dynamic_offset: true,
                    min_binding_size: None,
                },
                count: None,
            }],
        })
}

/// The kernels of a device by their text, and whether their loops are free: what is asked for again is not compiled again.
#[derive(Debug, Default)]
pub(crate) struct Kernels(Mutex<BTreeMap<(&'static str, bool), Kernel>>);

impl Kernels {
    fn get(&self, source: Source, free: bool, make: impl FnOnce() -> Kernel) -> Kernel {
        let mut known = lock(&self.0);
        known
            .entry((source.wgsl, free))
            .or_insert_with(make)
            .clone()
    }
}

fn lock<T>(known: &Mutex<T>) -> MutexGuard<'_, T> {
    // What was there before somebody panicked is whole.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An entry point, and the bits of its constants.
type Specialized = (&'static str, Vec<(&'static str, u64)>);

/// A shader with its layouts and the pipelines made of it. Clones, and all of a device with the same text, are one.
#[derive(Debug, Clone)]
pub struct Kernel {
    source: Source,
    module: wgpu::ShaderModule,
    group: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    pipelines: Arc<Mutex<BTreeMap<Specialized, Pipeline>>>,
}

impl Kernel {
    /// The kernel of this text. Its module is compiled if it is the device's first.
    pub fn new(gpu: &Gpu, source: Source) -> Self {
        gpu.kernels.get(source, false, || {
            let module = gpu.device.create_shader_module(source.descriptor());
            Self::with_module(gpu, source, module)
        })
    }

    /// As [`Kernel::new`], without the counter that wgpu puts into every loop, which keeps drivers from unrolling it. What
    /// an invocation keeps in arrays stays in registers only if the loops over them are unrolled.
    ///
    /// # Safety
    /// Every loop of the shader ends, whatever its buffers hold.
    pub(crate) unsafe fn with_free_loops(gpu: &Gpu, source: Source) -> Self {
        gpu.kernels.get(source, true, || {
            let mut checks = wgpu::ShaderRuntimeChecks::checked();
            checks.force_loop_bounding = false;
            // SAFETY: all checks but that of loops are made, and loops end by this function's own condition.
            let module = unsafe {
                gpu.device
                    .create_shader_module_trusted(source.descriptor(), checks)
            };
            Self::with_module(gpu, source, module)
        })
    }

    fn with_module(gpu: &Gpu, source: Source, module: wgpu::ShaderModule) -> Self {
        let entries: Vec<_> = source
            .bindings
            .iter()
            .enumerate()
            .map(|(i, binding)| wgpu::BindGroupLayoutEntry {
                binding: i as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding {
                        Binding::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Binding::Write => wgpu::BufferBindingType::Storage { read_only: false },
                        Binding::Uniform => wgpu::BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let group = gpu
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(source.name),
                entries: &entries,
            });
        let rows = rows_layout(gpu);
        let groups = [Some(&group), Some(&rows)];
        let layout = gpu
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(source.name),
                bind_group_layouts: if source.rows { &groups } else { &groups[..1] },
                immediate_size: 0,
            });
        Self {
            source,
            module,
            group,
            layout,
            pipelines: Arc::default(),
        }
    }

    /// The pipeline of one entry point with these override constants, compiled at its first use if not before.
    pub fn lazy(&self, gpu: &Gpu, entry: &'static str, constants: Constants) -> Pipeline {
        let bits = constants
            .iter()
            .map(|(name, value)| (*name, value.to_bits()));
        let key = (entry, bits.collect());
        let make = || {
            Pipeline::new(Recipe {
                // Without what the device knows of kernels: they would keep one another.
                device: gpu.device.clone(),
                compiled: gpu.compiled.clone(),
                name: self.source.name,
                module: self.module.clone(),
                layout: self.layout.clone(),
                entry,
                constants,
            })
        };
        lock(&self.pipelines)
            .entry(key)
            .or_insert_with(make)
            .clone()
    }

    /// A pipeline of one entry point with its override constants, compiled now.
    pub fn pipeline(
        &self,
        gpu: &Gpu,
        entry: &'static str,
        constants: &[(&'static str, f64)],
    ) -> wgpu::ComputePipeline {
        self.lazy(gpu, entry, constants.to_vec()).get().clone()
    }

    /// Binds buffers to group 0, in the order of the shader's bindings.
    pub fn bind(&self, gpu: &Gpu, buffers: &[&Buffer]) -> wgpu::BindGroup {
        let views: Vec<_> = buffers.iter().map(|buffer| buffer.view()).collect();
        self.bind_views(gpu, &views)
    }

    /// Binds parts of buffers to group 0, in the order of the shader's bindings. A buffer may stand behind a writable
    /// binding only once.
    pub fn bind_views(&self, gpu: &Gpu, views: &[View<'_>]) -> wgpu::BindGroup {
        debug_assert_eq!(
            views.len(),
            self.source.bindings.len(),
            "{}",
            self.source.name
        );
        let entries: Vec<_> = views
            .iter()
            .enumerate()
            .map(|(i, view)| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: view.binding(),
            })
            .collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.source.name),
            layout: &self.group,
            entries: &entries,
        })
    }
}

/// Something that can be recorded into a compute pass for the rows of a table.
pub trait Op {
    /// Records its dispatches; the row table is already bound. Returns how many there were.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are more rows than the bound buffers hold or WebGPU dispatches at once.
    fn encode(
        &self,
        gpu: &Gpu,
        pass: &mut wgpu::ComputePass<'_>,
        table: Table,
    ) -> Result<usize, GpuError>;
}

/// A kernel bound to its buffers for a fixed number of rows: what a training program is a list of.
#[derive(Debug, Clone)]
pub struct Bound {
    name: &'static str,
    stages: Vec<(wgpu::ComputePipeline, wgpu::BindGroup, [usize; 2])>,
}

impl Bound {
    /// One dispatch of `grid` workgroups.
    pub(crate) fn new(
        name: &'static str,
        pipeline: &wgpu::ComputePipeline,
        bind_group: wgpu::BindGroup,
        grid: [usize; 2],
    ) -> Self {
        Self {
            name,
            stages: vec![(pipeline.clone(), bind_group, grid)],
        }
    }

    /// Puts the dispatches of `next` behind its own.
    pub(crate) fn then(mut self, next: Self) -> Self {
        self.stages.extend(next.stages);
        self
    }

    /// Name of the kernel.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Records its dispatches and returns how many there were.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if there are more workgroups than WebGPU dispatches at once.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<usize, GpuError> {
        for (pipeline, bind_group, grid) in &self.stages {
            dispatch(self.name, pass, pipeline, bind_group, *grid)?;
        }
        Ok(self.stages.len())
    }
}

/// Refuses a view too small for what a kernel reads or writes there. `elements` are 32-bit words.
pub(crate) fn check_size(
    kernel: &'static str,
    what: &str,
    view: View<'_>,
    elements: usize,
) -> Result<(), GpuError> {
    let needed = 4 * elements as u64;
    if view.size() < needed {
        return Err(crate::error::shape(
            kernel,
            format!("{what} holds {} bytes, needs {needed}", view.size()),
        ));
    }
    Ok(())
}

/// Largest number of workgroups in one dimension of a dispatch (WebGPU's default limit).
pub const MAX_WORKGROUPS: u32 = 65_535;

/// Workgroups in the first dimension of a large dispatch, as `shaders/shared/flat.wgsl` counts them.
const FLAT_GROUPS_ACROSS: usize = 32_768;

/// Workgroups of 64 for a kernel that numbers its invocations with `flat_index`.
pub(crate) fn flat_grid(invocations: usize) -> [usize; 2] {
    let groups = invocations.div_ceil(64);
    [
        groups.min(FLAT_GROUPS_ACROSS),
        groups.div_ceil(FLAT_GROUPS_ACROSS),
    ]
}

/// Rows that fit into each of these buffers, given with the 32-bit words that one row takes.
pub(crate) fn capacity(buffers: &[(&Buffer, usize)]) -> usize {
    buffers
        .iter()
        .map(|(buffer, words)| buffer.size() as usize / 4 / words)
        .min()
        .unwrap_or(usize::MAX)
}

/// Refuses more rows than the bound buffers hold, which the device would otherwise drop without a word.
pub(crate) fn check_rows(
    kernel: &'static str,
    rows: usize,
    capacity: usize,
) -> Result<(), GpuError> {
    if rows > capacity {
        return Err(crate::error::shape(
            kernel,
            format!("{rows} rows, but its buffers hold {capacity}"),
        ));
    }
    Ok(())
}

pub(crate) fn dispatch(
    kernel: &'static str,
    pass: &mut wgpu::ComputePass<'_>,
    pipeline: &wgpu::ComputePipeline,
    bind_group: &wgpu::BindGroup,
    grid: [usize; 2],
) -> Result<(), GpuError> {
    if grid.iter().any(|&n| n > MAX_WORKGROUPS as usize) {
        return Err(crate::error::shape(
            kernel,
            format!("{grid:?} workgroups, but a dispatch takes at most {MAX_WORKGROUPS}"),
        ));
    }
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, bind_group, &[]);
    pass.dispatch_workgroups(grid[0] as u32, grid[1] as u32, 1);
    Ok(())
}

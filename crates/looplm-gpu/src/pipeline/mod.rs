//! Pipelines that are compiled when they are first needed, or before that beside other work.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, channel::oneshot, stream::FuturesUnordered};

use crate::kernel::Constants;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
use native as platform;
#[cfg(target_arch = "wasm32")]
use web as platform;

/// What a pipeline is made of.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) device: wgpu::Device,
    /// How many the device has.
    pub(crate) compiled: Arc<AtomicUsize>,
    pub(crate) name: &'static str,
    pub(crate) module: wgpu::ShaderModule,
    pub(crate) layout: wgpu::PipelineLayout,
    pub(crate) entry: &'static str,
    pub(crate) constants: Constants,
}

impl Recipe {
    fn create(&self) -> wgpu::ComputePipeline {
        self.device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(self.name),
                layout: Some(&self.layout),
                module: &self.module,
                entry_point: Some(self.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &self.constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
    }
}

#[derive(Debug)]
struct Inner {
    recipe: Recipe,
    made: OnceLock<wgpu::ComputePipeline>,
    /// Who waits for it, once somebody has begun to compile it.
    waiting: Mutex<Option<Waiting>>,
}

type Waiting = Vec<oneshot::Sender<()>>;

/// Held by whatever compiles a pipeline; whoever waits goes on when it is gone.
struct Work(Arc<Inner>);

impl Drop for Work {
    fn drop(&mut self) {
        drop(self.0.waiting().take());
    }
}

/// Comes to an end, mostly without a word, when the pipeline is compiled.
type Compiling = oneshot::Receiver<()>;

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to compile it if nobody has. It goes on whether or not anybody waits.
    fn compile(self: &Arc<Self>) -> Compiling {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        let begun = waiting.is_some();
        waiting.get_or_insert_default().push(sender);
        drop(waiting);
        if !begun {
            platform::begin(Work(self.clone()));
        }
        receiver
    }

    fn made(&self, make: impl FnOnce() -> wgpu::ComputePipeline) -> &wgpu::ComputePipeline {
        self.made.get_or_init(|| {
            self.recipe.compiled.fetch_add(1, Ordering::Relaxed);
            make()
        })
    }
}

/// A pipeline of one entry point with its override constants. Clones are one pipeline, compiled once.
#[derive(Debug, Clone)]
pub struct Pipeline(Arc<Inner>);

impl Pipeline {
    pub(crate) fn new(recipe: Recipe) -> Self {
        Self(Arc::new(Inner {
            recipe,
            made: OnceLock::new(),
            waiting: Mutex::new(None),
        }))
    }

    /// The pipeline, compiled now if it is not yet.
    pub fn get(&self) -> &wgpu::ComputePipeline {
        self.0.made(|| self.0.recipe.create())
    }

    /// Whether it is compiled.
    pub fn is_ready(&self) -> bool {
        self.0.made.get().is_some()
    }

    /// Whether both are the same pipeline.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Begins to compile it beside other work. What a driver has against it is reported as a fault of the device.
    pub fn compile_soon(&self) {
        if !self.is_ready() {
            drop(self.0.compile());
        }
    }
}

/// Compiles pipelines beside other work, as many at once as the platform does, and reports after each how many of how many
/// are done.
pub async fn compile_all(pipelines: &[Pipeline], report: &mut dyn FnMut(usize, usize)) {
    let missing = pipelines.iter().filter(|pipeline| !pipeline.is_ready());
    let mut compiling: FuturesUnordered<Compiling> =
        missing.map(|pipeline| pipeline.0.compile()).collect();
    loop {
        report(pipelines.len() - compiling.len(), pipelines.len());
        if compiling.next().await.is_none() {
            return;
        }
    }
}

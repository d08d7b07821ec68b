//! Adapter and device: opened once, their limits and tier reported, their faults collected.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use futures::channel::oneshot;

use crate::{
    error::GpuError, kernel::Kernels, language, matrix::MatrixShape, subgroups, tuning::Tuning,
    vendor,
};

/// What the kernels may use, chosen when the device is opened. Each tier has all that those before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// No optional feature, and WebGPU's default limits but for sizes ([`Gpu::open`]). Everything works here.
    Baseline,
    /// Subgroup operations, of whatever size. Every kernel that has them also comes without.
    Subgroups,
}

impl Tier {
    /// Name of the tier.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Subgroups => "subgroups",
        }
    }
}

/// What a person should know of the adapter in use.
#[derive(Debug, Clone)]
pub struct AdapterReport {
    /// Name of the adapter, as the driver gives it. Browsers often hide it.
    pub name: String,
    /// Who made it, where known.
    pub vendor: String,
    /// Driver name and version where known.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12` or `webgpu`.
    pub backend: String,
    /// What the kernels use of it.
    pub tier: Tier,
    /// Optional features it offers, whether or not the tier uses them: `f16`, `subgroups`.
    pub offers: Vec<&'static str>,
}

/// How to open a device.
#[derive(Debug, Clone, Default)]
pub struct DeviceOptions {
    /// Lower the largest storage binding to this many bytes, to act like a smaller adapter.
    pub max_binding_size: Option<u64>,
    /// Most bytes that all buffers of the device may have together: what exceeds them is out of memory. As much as the
    /// device gives if absent.
    pub memory_limit: Option<u64>,
    /// Workgroups other than those for the adapter's kind.
    pub tuning: Option<Tuning>,
    /// Use no more than this tier, to act like an adapter that has no more.
    pub max_tier: Option<Tier>,
}

#[derive(Default)]
struct Faults {
    lost: Option<String>,
    /// Who waits for the loss.
    waiting: Vec<oneshot::Sender<String>>,
    first: Option<GpuError>,
}

/// Most workgroup memory that a device is asked for, if it has it: what the largest workgroups of products of few rows take.
const MOST_WORKGROUP_MEMORY: u32 = 32 << 10;

/// An open device with its queue. Cheap to clone; the device is destroyed by [`Gpu::destroy`].
#[derive(Clone)]
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    report: Arc<AdapterReport>,
    kind: wgpu::DeviceType,
    tuning: Tuning,
    /// Whether the tuning is the usual one, which depends on the matrix.
    usual: bool,
    /// What was measured for plain matrices.
    measured: Arc<Vec<(MatrixShape, Tuning)>>,
    /// Bytes of workgroup memory.
    workgroup_memory: u32,
    max_binding: u64,
    max_buffer: u64,
    memory_limit: Option<u64>,
    /// Bytes of all buffers there are.
    allocated: Arc<AtomicU64>,
    faults: Arc<Mutex<Faults>>,
    /// Pipelines compiled so far.
    pub(crate) compiled: Arc<AtomicUsize>,
    pub(crate) kernels: Arc<Kernels>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu")
            .field("adapter", &self.report.name)
            .finish_non_exhaustive()
    }
}

fn lock(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens the fastest adapter with WebGPU's default limits, storage buffers as large as it offers, and up to 32 KiB of workgroup
    /// memory.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`], [`GpuError::NoDevice`].
    pub async fn open(options: &DeviceOptions) -> Result<Self, GpuError> {
        let instance =
            wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let fastest = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let with_subgroups = options.max_tier != Some(Tier::Baseline);
        let (adapter, offers_subgroups) =
            subgroups::request_adapter(&instance, &fastest, with_subgroups)
                .await
                .map_err(|e| GpuError::NoAdapter {
                    reason: e.to_string(),
                })?;
        let info = adapter.get_info();
        let offered = adapter.limits();
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            max_buffer_size: offered.max_buffer_size,
            max_compute_workgroup_storage_size: offered.max_compute_workgroup_storage_size.clamp(
                wgpu::Limits::default().max_compute_workgroup_storage_size,
                MOST_WORKGROUP_MEMORY,
            ),
            ..wgpu::Limits::default()
        };
        let mut too_small = None;
        limits.check_limits_with_fail_fn(&offered, true, |limit, needed, offered| {
            too_small = Some(GpuError::AdapterTooSmall {
                limit,
                what: "WebGPU's default limits, which looplm is written for,".into(),
                needed,
                offered,
            });
        });
        if let Some(error) = too_small {
            return Err(error);
        }
        let required_features = if with_subgroups && offers_subgroups {
            subgroups::feature()
        } else {
            wgpu::Features::empty()
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("looplm"),
                required_limits: limits.clone(),
                required_features,
                ..Default::default()
            })
            .await
            .map_err(|e| GpuError::NoDevice {
                adapter: info.name.clone(),
                reason: e.to_string(),
            })?;

        let tier = if subgroups::granted(&device) {
            Tier::Subgroups
        } else {
            Tier::Baseline
        };

        let faults = Arc::new(Mutex::new(Faults::default()));
        let collect = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            log::error!("WebGPU: {error}");
            let fault = match error {
                wgpu::Error::OutOfMemory { .. } => GpuError::OutOfMemory {
                    what: "a command".into(),
                    needed: 0,
                    available: 0,
                },
                other => GpuError::Internal(other.to_string()),
            };
            lock(&collect).first.get_or_insert(fault);
        }));
        let collect = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            let reason = if message.is_empty() {
                format!("{reason:?}")
            } else {
                message
            };
            let mut faults = lock(&collect);
            for waiting in faults.waiting.drain(..) {
                // The receiver is gone when nobody waits.
                let _ = waiting.send(reason.clone());
            }
            faults.lost = Some(reason);
        });

        let vendor = vendor::of(&device, info.vendor);
        let features = adapter.features();
        let mut offers = Vec::new();
        if features.contains(wgpu::Features::SHADER_F16) {
            offers.push("f16");
        }
        if offers_subgroups {
            offers.push("subgroups");
        }
        let max_binding = limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size);
        let on_cpu = info.device_type == wgpu::DeviceType::Cpu;
        let usual = Tuning {
            subgroups: tier >= Tier::Subgroups,
            ..if on_cpu { Tuning::CPU } else { Tuning::GPU }
        };
        Ok(Self {
            device,
            queue,
            kind: info.device_type,
            tuning: options.tuning.unwrap_or(usual),
            usual: options.tuning.is_none(),
            measured: Arc::default(),
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            report: Arc::new(AdapterReport {
                name: match (info.name.as_str(), on_cpu) {
                    ("", false) => "unnamed GPU".into(),
                    ("", true) => "software in place of a GPU".into(),
                    _ => info.name,
                },
                vendor,
                driver: format!("{} {}", info.driver, info.driver_info)
                    .trim()
                    .to_string(),
                backend: info.backend.to_string(),
                tier,
                offers,
            }),
            max_binding: options
                .max_binding_size
                .map_or(max_binding, |m| m.min(max_binding)),
            max_buffer: limits.max_buffer_size,
            memory_limit: options.memory_limit,
            allocated: Arc::default(),
            faults,
            compiled: Arc::default(),
            kernels: Arc::default(),
        })
    }

    /// The adapter in use.
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// Whether the adapter is a program on the CPU (lavapipe, SwiftShader), where loads and barriers cost more than
    /// arithmetic.
    pub fn on_cpu(&self) -> bool {
        self.kind == wgpu::DeviceType::Cpu
    }

    /// Whether the adapter is known to be a GPU with memory of its own. Browsers do not say.
    pub fn is_discrete(&self) -> bool {
        self.kind == wgpu::DeviceType::DiscreteGpu
    }

    /// The shapes of workgroups.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// The shapes of workgroups for products with a matrix: as measured for it, or as is usual.
    pub fn tuning_for(&self, matrix: impl Into<MatrixShape>) -> Tuning {
        let shape = matrix.into().plain();
        if let Some((_, tuning)) = self.measured.iter().find(|(known, _)| *known == shape) {
            return *tuning;
        }
        if self.usual && self.profits_from_packed() && shape.format.element().is_none() {
            return self.tuning.packed_for(shape.outputs, self.workgroup_memory);
        }
        self.tuning
    }

    /// Whether products in whole numbers are likely faster: where four of them are an instruction.
    fn profits_from_packed(&self) -> bool {
        let AdapterReport {
            backend, vendor, ..
        } = self.report();
        !self.on_cpu() && self.has_packed_products() && vendor::has_packed_products(backend, vendor)
    }

    /// Whether shaders may have products in whole numbers (`dot4I8Packed`), however fast.
    pub(crate) fn has_packed_products(&self) -> bool {
        language::has_packed_products()
    }

    /// Bytes of workgroup memory that a kernel may declare.
    pub fn workgroup_memory(&self) -> u32 {
        self.workgroup_memory
    }

    /// The same device with other workgroups for what is made from it, whatever the matrix.
    pub fn with_tuning(&self, tuning: Tuning) -> Self {
        Self {
            tuning,
            usual: false,
            measured: Arc::default(),
            ..self.clone()
        }
    }

    /// The same device with the workgroups that were measured for some plain matrices.
    pub fn with_measured(&self, measured: Vec<(MatrixShape, Tuning)>) -> Self {
        Self {
            measured: Arc::new(measured),
            ..self.clone()
        }
    }

    /// The same device, and all that it has compiled, for what is made from it, acting like the device that these options open but
    /// for the tier. Its buffers are counted apart.
    pub fn acting_as(&self, options: &DeviceOptions) -> Self {
        Self {
            tuning: options.tuning.unwrap_or(self.tuning),
            usual: self.usual && options.tuning.is_none(),
            max_binding: options
                .max_binding_size
                .map_or(self.max_binding, |most| most.min(self.max_binding)),
            memory_limit: options.memory_limit,
            allocated: Arc::default(),
            ..self.clone()
        }
    }

    /// Largest storage buffer that a kernel can bind, in bytes.
    pub fn max_binding(&self) -> u64 {
        self.max_binding
    }

    /// Largest buffer, in bytes.
    pub fn max_buffer(&self) -> u64 {
        self.max_buffer
    }

    /// Most bytes that all buffers may have together, where that was said when the device was opened.
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    /// Bytes of all buffers there are.
    pub fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// Bytes that are known to be there for buffers: the limit, or what the device has given at present. No platform says
    /// how much there would be.
    pub fn known_memory(&self) -> u64 {
        self.memory_limit.unwrap_or_else(|| self.allocated())
    }

    /// Counts a buffer of `size` bytes as allocated, if there may be one. Whoever has the count takes them off again.
    pub(crate) fn reserve(&self, size: u64) -> Option<Arc<AtomicU64>> {
        let most = self.memory_limit.unwrap_or(u64::MAX);
        let add = |held: u64| held.checked_add(size).filter(|&held| held <= most);
        if size > self.max_buffer {
            return None;
        }
        self.allocated
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .ok()?;
        Some(self.allocated.clone())
    }

    /// Pipelines compiled so far.
    pub fn pipelines(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// The device, for what this crate has no wrapper for.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue of the device.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Says whether something went wrong since the last look, and forgets it (a lost device stays lost).
    ///
    /// # Errors
    /// [`GpuError::DeviceLost`], or the first fault reported since.
    pub fn check(&self) -> Result<(), GpuError> {
        let mut faults = lock(&self.faults);
        if let Some(reason) = &faults.lost {
            return Err(GpuError::DeviceLost {
                reason: reason.clone(),
            });
        }
        faults.first.take().map_or(Ok(()), Err)
    }

    /// Waits for the device to be lost, [`Gpu::destroy`] included, and says why. Natively that is noticed by who works
    /// with the device, or waits for it.
    pub fn lost(&self) -> impl Future<Output = String> + use<> {
        let (sender, receiver) = oneshot::channel();
        let mut faults = lock(&self.faults);
        match &faults.lost {
            Some(reason) => drop(sender.send(reason.clone())),
            None => faults.waiting.push(sender),
        }
        drop(faults);
        async move {
            match receiver.await {
                Ok(reason) => reason,
                // Nothing of the device is left that could tell.
                Err(oneshot::Canceled) => "dropped".into(),
            }
        }
    }

    /// Submits what was recorded.
    pub fn submit(&self, encoder: wgpu::CommandEncoder) {
        self.queue.submit([encoder.finish()]);
    }

    /// A recorder of commands.
    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                label: Some("looplm"),
            })
    }

    /// Hands everything written with [`crate::Buffer::write`] to the device, and natively waits until it is there, so
    /// that the staging copies are given back.
    pub fn flush(&self) -> Result<(), GpuError> {
        self.queue.submit([]);
        self.wait()
    }

    /// Natively waits for all submitted work; in a browser there is nothing to wait with, and this returns at once.
    pub fn wait(&self) -> Result<(), GpuError> {
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|e| GpuError::DeviceLost {
                reason: e.to_string(),
            })?;
        Ok(())
    }

    /// A mark behind everything submitted so far.
    pub fn mark(&self) -> Submitted {
        let (sender, receiver) = oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            // The receiver is gone when nobody waits.
            let _ = sender.send(());
        });
        Submitted(receiver)
    }

    /// Destroys the device and gives its memory back. Everything made from it is dead afterwards.
    pub fn destroy(&self) {
        self.device.destroy();
    }
}

/// A mark in the queue of the device; see [`Gpu::mark`].
#[derive(Debug)]
pub struct Submitted(oneshot::Receiver<()>);

impl Submitted {
    /// Waits until the device has come to the mark. In a browser this lets messages in.
    ///
    /// # Errors
    /// [`GpuError::DeviceLost`], or what went wrong before it.
    pub async fn done(self, gpu: &Gpu) -> Result<(), GpuError> {
        #[cfg(not(target_arch = "wasm32"))]
        gpu.wait()?;
        // A mark that is dropped unreached is a lost device, which `check` reports.
        #[cfg(target_arch = "wasm32")]
        let _ = crate::firefox::awaited(gpu, self.0).await;
        #[cfg(not(target_arch = "wasm32"))]
        let _ = self.0.await;
        gpu.check()
    }
}

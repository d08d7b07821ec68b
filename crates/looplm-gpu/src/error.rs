//! What can go wrong on the device.

use thiserror::Error;

/// Errors of the device, its memory and its kernels. Each says what was wrong and what to do about it.
#[derive(Debug, Clone, Error)]
pub enum GpuError {
    /// No adapter answers.
    #[error(
        "no WebGPU adapter was found ({reason}); in a browser, use one with WebGPU turned on; \
         on the desktop, install a Vulkan, Metal or DirectX 12 driver (on Debian: mesa-vulkan-drivers)"
    )]
    NoAdapter {
        /// What the platform said.
        reason: String,
    },
    /// The adapter refused to open a device with the limits that were asked for.
    #[error("the adapter {adapter} did not give a device: {reason}")]
    NoDevice {
        /// Adapter name.
        adapter: String,
        /// What the platform said.
        reason: String,
    },
    /// A limit of the adapter is too small for this model.
    #[error("the adapter's {limit} is {offered}, but {what} needs {needed}")]
    AdapterTooSmall {
        /// Name of the limit, as WebGPU spells it.
        limit: &'static str,
        /// What needed more.
        what: String,
        /// How much was needed.
        needed: u64,
        /// How much the adapter offers.
        offered: u64,
    },
    /// The device has no memory left for a buffer.
    #[error(
        "the device is out of memory: {what} needs {needed} bytes; use a shorter context, a smaller model, or close other programs that use the GPU"
    )]
    OutOfMemory {
        /// What the memory was for.
        what: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes that are known to be there for this device: its limit, or what it had given by then; 0 if nothing is known.
        available: u64,
    },
    /// The device went away.
    #[error("the GPU device was lost ({reason}); load the model again")]
    DeviceLost {
        /// What the platform said.
        reason: String,
    },
    /// A shape that a kernel was not written for.
    #[error("{kernel}: {message}")]
    Shape {
        /// The kernel.
        kernel: &'static str,
        /// What does not fit.
        message: String,
    },
    /// The platform reported a fault in a command: an error in looplm itself or in the driver.
    #[error("the GPU reported an error: {0}")]
    Internal(String),
}

impl GpuError {
    /// Stable name of the kind, as the JavaScript errors carry it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAdapter { .. } => "webgpu-unavailable",
            Self::NoDevice { .. } => "webgpu-unavailable",
            Self::AdapterTooSmall { .. } => "adapter-too-small",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::DeviceLost { .. } => "device-lost",
            Self::Shape { .. } => "invalid-argument",
            Self::Internal(_) => "internal",
        }
    }
}

pub(crate) fn shape(kernel: &'static str, message: impl Into<String>) -> GpuError {
    GpuError::Shape {
        kernel,
        message: message.into(),
    }
}

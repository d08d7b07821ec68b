//! Buffers that free their memory when they are dropped, in browsers too.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use wgpu::BufferUsages;

use crate::{device::Gpu, error::GpuError};

/// A buffer on the device. Dropping it destroys it: wgpu's own `Drop` does nothing in a browser, where the memory
/// would stay until the garbage collector comes by.
#[derive(Debug)]
pub struct Buffer {
    raw: wgpu::Buffer,
    /// Bytes of all buffers of the device.
    ledger: Arc<AtomicU64>,
}

/// Where a part of a buffer may begin: every WebGPU adapter can bind storage at multiples of this many bytes.
pub const VIEW_ALIGN: u64 = 256;

/// A part of a buffer, as a kernel binds it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    buffer: &'a Buffer,
    offset: u64,
    size: u64,
}

impl View<'_> {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer.raw,
            offset: self.offset,
            size: wgpu::BufferSize::new(self.size),
        })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.raw.destroy();
        self.ledger.fetch_sub(self.raw.size(), Ordering::Relaxed);
    }
}

/// The size of a storage buffer for `bytes` bytes where kernels bind up to `max_binding`.
///
/// # Errors
/// [`GpuError::AdapterTooSmall`] if it is larger than that.
pub fn storage_size(label: &str, bytes: u64, max_binding: u64) -> Result<u64, GpuError> {
    let size = bytes.max(16).next_multiple_of(16);
    if size > max_binding {
        return Err(GpuError::AdapterTooSmall {
            limit: "maxStorageBufferBindingSize",
            what: label.to_string(),
            needed: size,
            offered: max_binding,
        });
    }
    Ok(size)
}

impl Buffer {
    /// A storage buffer of `bytes` bytes (at least 16, rounded up to a multiple of 16), filled with zeros.
    ///
    /// # Errors
    /// [`GpuError::AdapterTooSmall`] if it is larger than a kernel can bind, [`GpuError::OutOfMemory`].
    pub async fn storage(gpu: &Gpu, label: &str, bytes: u64) -> Result<Self, GpuError> {
        let size = storage_size(label, bytes, gpu.max_binding())?;
        Self::create(
            gpu,
            label,
            size,
            BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
        )
        .await
    }

    /// A storage buffer holding `data`.
    ///
    /// # Errors
    /// As [`Buffer::storage`].
    pub async fn storage_with<T: bytemuck::NoUninit>(
        gpu: &Gpu,
        label: &str,
        data: &[T],
    ) -> Result<Self, GpuError> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let buffer = Self::storage(gpu, label, bytes.len() as u64).await?;
        buffer.write(gpu, 0, bytes);
        Ok(buffer)
    }

    /// A uniform buffer holding `data`.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`].
    pub async fn uniform<T: bytemuck::NoUninit>(
        gpu: &Gpu,
        label: &str,
        data: &T,
    ) -> Result<Self, GpuError> {
        let bytes = bytemuck::bytes_of(data);
        let size = (bytes.len() as u64).next_multiple_of(16);
        let buffer = Self::create(
            gpu,
            label,
            size,
            BufferUsages::UNIFORM | BufferUsages::COPY_DST,
        )
        .await?;
        buffer.write(gpu, 0, bytes);
        Ok(buffer)
    }

    pub(crate) async fn create(
        gpu: &Gpu,
        label: &str,
        size: u64,
        usage: BufferUsages,
    ) -> Result<Self, GpuError> {
        gpu.check()?;
        let out_of_memory = GpuError::OutOfMemory {
            what: label.to_string(),
            needed: size,
            available: gpu.known_memory(),
        };
        // Counted at once: others allocate while this waits.
        let Some(ledger) = gpu.reserve(size) else {
            return Err(out_of_memory);
        };
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let raw = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        let buffer = Self { raw, ledger };
        let invalid = validation.pop();
        let too_much = memory.pop();
        let (invalid, too_much) = (invalid.await, too_much.await);
        if too_much.is_some() {
            return Err(out_of_memory);
        }
        if let Some(error) = invalid {
            gpu.check()?;
            return Err(GpuError::Internal(error.to_string()));
        }
        Ok(buffer)
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.raw.size()
    }

    /// Writes `data` at `offset`; both in bytes and multiples of 4. Ordered before what is submitted afterwards.
    pub fn write(&self, gpu: &Gpu, offset: u64, data: &[u8]) {
        if !data.is_empty() {
            gpu.queue.write_buffer(&self.raw, offset, data);
        }
    }

    /// All of it, for a kernel to bind.
    pub fn view(&self) -> View<'_> {
        View {
            buffer: self,
            offset: 0,
            size: self.size(),
        }
    }

    /// A part of it, for a kernel to bind: `offset` is a multiple of [`VIEW_ALIGN`] bytes.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the part does not begin where one can, or reaches beyond the buffer.
    pub fn part(&self, offset: u64, size: u64) -> Result<View<'_>, GpuError> {
        if !offset.is_multiple_of(VIEW_ALIGN) || size == 0 || offset + size > self.size() {
            return Err(crate::error::shape(
                "buffer",
                format!(
                    "bytes {offset} .. {} of a buffer of {}",
                    offset + size,
                    self.size()
                ),
            ));
        }
        Ok(View {
            buffer: self,
            offset,
            size,
        })
    }

    /// The buffer under it, for copies and bindings.
    pub fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

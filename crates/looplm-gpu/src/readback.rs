//! From the device back to the host.

use futures::channel::oneshot;
use wgpu::BufferUsages;

use crate::{buffer::Buffer, device::Gpu, error::GpuError};

/// A staging buffer that results are copied into at the end of a submission and read from after it.
#[derive(Debug)]
pub struct Readback {
    staging: Buffer,
}

impl Readback {
    /// Room for `bytes` bytes.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`].
    pub async fn new(gpu: &Gpu, bytes: u64) -> Result<Self, GpuError> {
        let size = bytes.max(16).next_multiple_of(16);
        let staging = Buffer::create(
            gpu,
            "readback",
            size,
            BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        )
        .await?;
        Ok(Self { staging })
    }

    /// Bytes it can hold.
    pub fn size(&self) -> u64 {
        self.staging.size()
    }

    /// Records the copy of `bytes` bytes of `source` from `offset` on to `at`. All are multiples of 4.
    pub fn copy(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        source: &Buffer,
        offset: u64,
        at: u64,
        bytes: u64,
    ) {
        encoder.copy_buffer_to_buffer(source.raw(), offset, self.staging.raw(), at, bytes);
    }

    /// Waits for the submission and hands over the first `bytes` bytes.
    ///
    /// # Errors
    /// [`GpuError::DeviceLost`], or what went wrong in the submission.
    pub async fn read(&self, gpu: &Gpu, bytes: u64) -> Result<Vec<u8>, GpuError> {
        let (sender, receiver) = oneshot::channel();
        let slice = self.staging.raw().slice(..bytes);
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is gone when the caller stopped waiting.
            let _ = sender.send(result);
        });
        #[cfg(not(target_arch = "wasm32"))]
        gpu.wait()?;
        // Whatever happens from here on, also that nobody waits any longer, the buffer is there for the next submission.
        let mut mapping = Mapping(Some(&self.staging));
        #[cfg(target_arch = "wasm32")]
        let receiver = crate::firefox::awaited(gpu, receiver);
        let mapped = receiver.await;
        if !matches!(mapped, Ok(Ok(()))) {
            mapping.0 = None;
        }
        gpu.check()?;
        match mapped {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(GpuError::DeviceLost {
                    reason: error.to_string(),
                });
            }
            Err(_) => {
                return Err(GpuError::DeviceLost {
                    reason: "the readback was dropped".into(),
                });
            }
        }
        let view = slice
            .get_mapped_range()
            .map_err(|e| GpuError::Internal(e.to_string()))?;
        let data = view.to_vec();
        drop(view);
        Ok(data)
    }

    /// Copies all of `source` to the host. For tests and tools: it allocates.
    ///
    /// # Errors
    /// As [`Readback::read`].
    pub async fn fetch<T: bytemuck::Pod>(gpu: &Gpu, source: &Buffer) -> Result<Vec<T>, GpuError> {
        let readback = Self::new(gpu, source.size()).await?;
        let mut encoder = gpu.encoder();
        readback.copy(&mut encoder, source, 0, 0, source.size());
        gpu.submit(encoder);
        let bytes = readback.read(gpu, source.size()).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}

/// A buffer that is mapped, or about to be; unmaps it.
struct Mapping<'a>(Option<&'a Buffer>);

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.0 {
            buffer.raw().unmap();
        }
    }
}

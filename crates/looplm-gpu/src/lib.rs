//! The GPU side of looplm: a WebGPU device, its buffers, and one typed wrapper for each WGSL kernel.
//!
//! This crate knows matrices, rows and states; it knows no layer names, no checkpoint and no tokenizer.
//! Every kernel has five rooms of one name: the shader `shaders/<kernel>.wgsl`, the wrapper
//! [`kernels`]`::<kernel>`, the CPU twin [`cpu`]`::<kernel>`, a test and a bench.
//!
//! Activations are `f32`, row after row; a row is padded with zeros to a multiple of [`ALIGN`] elements
//! ([`stride`]), and every kernel that writes a row writes its padding. Weights are kept as the checkpoint
//! stores them or quantised ([`Format`]), and unpacked as they are read.

#[cfg(target_arch = "wasm32")]
mod browser;
pub mod buffer;
pub mod cpu;
pub mod device;
pub mod error;
#[cfg(any(target_arch = "wasm32", test))]
mod firefox;
pub mod format;
#[cfg(target_arch = "wasm32")]
mod intercept;
pub mod kernel;
pub mod kernels;
pub mod kv_format;
mod language;
pub mod matrix;
pub mod pipeline;
pub mod quantize;
pub mod readback;
pub mod rows;
mod subgroups;
pub mod tune;
mod tuning;
mod vendor;

pub use buffer::{Buffer, VIEW_ALIGN, View, storage_size};
pub use device::{AdapterReport, DeviceOptions, Gpu, Submitted, Tier};
pub use error::GpuError;
pub use format::{Element, Format};
pub use kernel::Bound;
pub use kv_format::KvFormat;
pub use matrix::{Arrangement, Matrix, MatrixShape};
pub use pipeline::Pipeline;
pub use readback::Readback;
pub use rows::{GpuRow, RowTables};
pub use tuning::Tuning;
/// The version of wgpu this crate speaks, for those who record commands of their own.
pub use wgpu;

/// Rows of activations and weights are padded with zeros to a multiple of this many elements.
pub const ALIGN: usize = 8;

/// The most recurrent steps a row can take: what the kernels keep records for.
pub const MAX_STEPS: usize = 8;

/// Length of a padded row of `width` elements.
pub const fn stride(width: usize) -> usize {
    width.next_multiple_of(ALIGN)
}

/// Length of a padded attention head of `head_dim` elements in queries and KV entries.
pub const fn head_stride(head_dim: usize) -> usize {
    head_dim.next_multiple_of(ALIGN)
}

//! Subgroup operations: wgpu has a feature for them natively, and as yet none in browsers, though browsers have.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
use native as platform;
#[cfg(target_arch = "wasm32")]
use web as platform;

pub(crate) use platform::{feature, granted, request_adapter};

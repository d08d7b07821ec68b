//! Subgroup operations: wgpu has a feature for them natively, and none in browsers, where the browser's own is used.

use std::borrow::Cow;

use crate::{device::Tier, kernel::Source};

/// Whether the adapter has them.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn offered(adapter: &wgpu::Adapter) -> bool {
    adapter.features().contains(wgpu::Features::SUBGROUP)
}

/// What a device of a tier is asked for.
pub(crate) fn features(tier: Tier) -> wgpu::Features {
    if tier >= Tier::Subgroups {
        wgpu::Features::SUBGROUP
    } else {
        wgpu::Features::empty()
    }
}

/// The text of a shader as the platform takes it: browsers ask for a directive which naga does not know.
pub(crate) fn enabled(source: &Source) -> Cow<'static, str> {
    if source.subgroups && cfg!(target_arch = "wasm32") {
        format!("enable subgroups;\n{}", source.wgsl).into()
    } else {
        source.wgsl.into()
    }
}

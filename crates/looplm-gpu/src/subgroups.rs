//! Subgroup operations: wgpu has a feature for them natively, and as yet none in browsers.

use crate::device::Tier;

/// Whether a device of the adapter can be asked for them.
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

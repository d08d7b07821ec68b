//! As wgpu has them.

/// An adapter, and whether it has them.
pub(crate) async fn request_adapter(
    instance: &wgpu::Instance,
    options: &wgpu::RequestAdapterOptions<'_, '_>,
    _wanted: bool,
) -> Result<(wgpu::Adapter, bool), wgpu::RequestAdapterError> {
    let adapter = instance.request_adapter(options).await?;
    let offered = adapter.features().contains(feature());
    Ok((adapter, offered))
}

/// What a device is asked for to have them.
pub(crate) fn feature() -> wgpu::Features {
    wgpu::Features::SUBGROUP
}

/// Whether a device has them.
pub(crate) fn granted(device: &wgpu::Device) -> bool {
    device.features().contains(feature())
}

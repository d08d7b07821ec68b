//! Who made an adapter, and what is known of it by that.

/// Whether the GPU has an instruction for four products of 8 bits at once: none that Metal reaches has.
pub(crate) fn has_packed_products(backend: &str, vendor: &str) -> bool {
    backend != "metal" && !vendor.eq_ignore_ascii_case("apple") && !browser_has_metal()
}

#[cfg(not(target_arch = "wasm32"))]
fn browser_has_metal() -> bool {
    false
}

/// Firefox tells no maker.
#[cfg(target_arch = "wasm32")]
fn browser_has_metal() -> bool {
    crate::browser::has_metal()
}

/// The maker's name, as far as it is known: natively by its id, in a browser as that says it.
pub(crate) fn of(device: &wgpu::Device, id: u32) -> String {
    let said = named(id);
    if said.is_empty() {
        of_browser(device).unwrap_or_default()
    } else {
        said
    }
}

/// The makers by their PCI or Khronos ids; of browsers wgpu gives none.
fn named(id: u32) -> String {
    match id {
        0 => String::new(),
        0x1002 => "AMD".into(),
        0x1010 => "Imagination".into(),
        0x106b => "Apple".into(),
        0x10de => "NVIDIA".into(),
        0x13b5 => "ARM".into(),
        0x5143 => "Qualcomm".into(),
        0x8086 => "Intel".into(),
        0x10005 => "Mesa".into(),
        other => format!("vendor {other:#06x}"),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn of_browser(_device: &wgpu::Device) -> Option<String> {
    None
}

/// `GPUDevice.adapterInfo.vendor`, which younger browsers have.
#[cfg(target_arch = "wasm32")]
fn of_browser(device: &wgpu::Device) -> Option<String> {
    let device = device.as_webgpu()?;
    let info = js_sys::Reflect::get(device, &"adapterInfo".into()).ok()?;
    js_sys::Reflect::get(&info, &"vendor".into())
        .ok()?
        .as_string()
}

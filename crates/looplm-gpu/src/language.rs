//! What of WGSL shaders may use beyond what every WebGPU has.

/// Whether the shading language has the four products at once of `dot4I8Packed`. Natively naga always translates it.
pub(crate) fn has_packed_products() -> bool {
    has("packed_4x8_integer_dot_product")
}

#[cfg(not(target_arch = "wasm32"))]
fn has(_feature: &str) -> bool {
    true
}

/// Whether the browser lists a feature of the language.
#[cfg(target_arch = "wasm32")]
pub(crate) fn has(feature: &str) -> bool {
    web::of_browser().is_some_and(|features| web::contains(&features, feature))
}

#[cfg(target_arch = "wasm32")]
pub(crate) mod web {
    use js_sys::{Function, Reflect, global};
    use wasm_bindgen::{JsCast, JsValue};

    /// `navigator.gpu.wgslLanguageFeatures`. A page and a Worker both have a navigator.
    pub(super) fn of_browser() -> Option<JsValue> {
        let navigator = Reflect::get(&global(), &"navigator".into()).ok()?;
        let gpu = Reflect::get(&navigator, &"gpu".into()).ok()?;
        Reflect::get(&gpu, &"wgslLanguageFeatures".into()).ok()
    }

    /// Whether a set has a name.
    pub(crate) fn contains(set: &JsValue, name: &str) -> bool {
        let asked = Reflect::get(set, &"has".into())
            .and_then(|has| has.dyn_into::<Function>())
            .and_then(|has| has.call1(set, &name.into()));
        asked.is_ok_and(|has| has.is_truthy())
    }
}

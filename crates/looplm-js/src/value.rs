//! Plain objects in and out.

use looplm::Error;
use looplm_gpu::AdapterReport;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

use crate::error;

/// A value as the plain object that `JSON.parse` would make of it.
///
/// # Errors
/// An `Error` with a `code`; none in practice.
pub fn to_js(value: &(impl Serialize + ?Sized)) -> Result<JsValue, JsValue> {
    value
        .serialize(&Serializer::json_compatible())
        .map_err(|e| options(&e))
}

/// A plain object as a value.
///
/// # Errors
/// An `invalid-argument` where it is none of the expected form.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|e| options(&e))
}

/// The same, where leaving it out is to give nothing in particular.
///
/// # Errors
/// As [`from_js`].
pub fn from_js_or_default<T: DeserializeOwned + Default>(value: JsValue) -> Result<T, JsValue> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    from_js(value)
}

fn options(error: &serde_wasm_bindgen::Error) -> JsValue {
    error::to_js(&Error::invalid("options", error.to_string()))
}

/// An adapter. `limits`: the largest storage binding and the largest buffer, in bytes.
pub fn adapter(report: &AdapterReport, limits: (u64, u64)) -> Value {
    json!({
        "name": report.name,
        "vendor": report.vendor,
        "backend": report.backend,
        "tier": report.tier.name(),
        "limits": { "maxStorageBufferBindingSize": limits.0, "maxBufferSize": limits.1 },
    })
}

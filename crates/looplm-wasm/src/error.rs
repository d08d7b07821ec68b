//! Errors as JavaScript sees them: an `Error` with a `code` and plain `details`.

use js_sys::{Error as JsError, Reflect};
use looplm::{Error, error::Coded};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

/// An `Error` with `code` and `details`.
pub(crate) fn to_js(error: &Error) -> JsValue {
    let js = JsError::new(&error.to_string());
    let set = |key: &str, value: &JsValue| {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&js, &JsValue::from_str(key), value);
    };
    set("code", &JsValue::from_str(error.code()));
    if let Ok(details) = error.details().serialize(&Serializer::json_compatible()) {
        set("details", &details);
    }
    js.into()
}

/// An `invalid-argument` for options that are no object of the expected form.
pub(crate) fn options(error: &serde_wasm_bindgen::Error) -> JsValue {
    to_js(&Error::invalid("options", error.to_string()))
}

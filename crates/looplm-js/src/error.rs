//! Errors as JavaScript sees them: an `Error` with a `code` and plain `details`.

use js_sys::{Error as JsError, Reflect};
use looplm::{Error, error::Coded};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

/// An error of the library.
pub fn to_js(error: &Error) -> JsValue {
    with(error, error.code(), &error.details())
}

/// An error with these `code` and `details`.
pub fn with(error: &impl std::error::Error, code: &str, details: &impl Serialize) -> JsValue {
    let js = JsError::new(&error.to_string());
    let set = |key: &str, value: &JsValue| {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&js, &JsValue::from_str(key), value);
    };
    set("code", &JsValue::from_str(code));
    if let Ok(details) = details.serialize(&Serializer::json_compatible()) {
        set("details", &details);
    }
    js.into()
}

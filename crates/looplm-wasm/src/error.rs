//! Errors as JavaScript sees them: an `Error` with a `code` and plain `details`.

use js_sys::{Error as JsError, Reflect};
use looplm::{Error, error::Coded};
use looplm_train::error::TrainError;
use serde::Serialize;
use serde_json::json;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

/// An `Error` with `code` and `details`.
pub(crate) fn to_js(error: &Error) -> JsValue {
    with(error, error.code(), &error.details())
}

/// The same of a training run.
pub(crate) fn train(error: &TrainError) -> JsValue {
    let code = error.code();
    match error {
        TrainError::Gpu(inner) => to_js(&Error::Gpu(inner.clone())),
        TrainError::Model(inner) => to_js(inner),
        TrainError::Config(inner) => with(error, code, &inner.details()),
        TrainError::NonFinite { update, .. } => with(error, code, &json!({ "update": update })),
        TrainError::Batch { field, .. } => with(error, code, &json!({ "argument": field })),
        TrainError::Snapshot { .. } => with(error, code, &json!({ "kind": "snapshot" })),
        TrainError::Aborted => with(error, code, &json!({})),
    }
}

fn with(error: &impl std::error::Error, code: &str, details: &impl Serialize) -> JsValue {
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

/// An `invalid-argument` for options that are no object of the expected form.
pub(crate) fn options(error: &serde_wasm_bindgen::Error) -> JsValue {
    to_js(&Error::invalid("options", error.to_string()))
}

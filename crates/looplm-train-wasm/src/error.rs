//! Errors of a training run as JavaScript sees them.

use looplm::{Error, error::Coded};
use looplm_js::error::{to_js, with};
use looplm_train::error::TrainError;
use serde_json::json;
use wasm_bindgen::JsValue;

/// An `Error` with `code` and `details`.
pub(crate) fn failed(error: impl Into<TrainError>) -> JsValue {
    let error = error.into();
    let code = error.code();
    match &error {
        TrainError::Gpu(inner) => to_js(&Error::Gpu(inner.clone())),
        TrainError::Model(inner) => to_js(inner),
        TrainError::Config(inner) => with(&error, code, &inner.details()),
        TrainError::NonFinite { update, .. } => with(&error, code, &json!({ "update": update })),
        TrainError::Batch { field, .. } => with(&error, code, &json!({ "argument": field })),
        TrainError::Snapshot { .. } => with(&error, code, &json!({ "kind": "snapshot" })),
        TrainError::Aborted => with(&error, code, &json!({})),
    }
}

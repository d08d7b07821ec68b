//! The wasm-bindgen face of looplm: names, promises and plain objects on one side, the library on the other. It
//! decides nothing; the TypeScript package `looplm` is what users see of it.

mod conversion;
mod convert;
mod generation;
mod model;
mod options;
mod source;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs once when the module starts.
#[wasm_bindgen(start)]
pub fn start() {
    looplm_js::start();
}

//! The wasm-bindgen face of looplm: names, promises and plain objects on one side, the library on the other. It
//! decides nothing; the TypeScript package `looplm` is what users see of it.

mod convert;
mod error;
mod generation;
mod model;
mod source;
mod trainer;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs once when the module starts: a panic, which is a defect, then says where it was.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

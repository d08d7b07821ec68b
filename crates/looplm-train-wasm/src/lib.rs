//! The wasm-bindgen face of looplm-train, a module of its own: pages that only run models never load it. It decides
//! nothing; the TypeScript package `looplm` is what users see of it.

mod error;
mod info;
mod trainer;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs once when the module starts.
#[wasm_bindgen(start)]
pub fn start() {
    looplm_js::start();
}

//! Errors and values as JavaScript sees them: what the wasm modules have in common. It exports nothing to JavaScript,
//! so a module that uses it has no class of another one in it.

pub mod error;
pub mod value;

/// To be called once when a module starts: a panic, which is a defect, then says where it was.
pub fn start() {
    console_error_panic_hook::set_once();
}

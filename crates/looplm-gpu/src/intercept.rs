//! Another function in the place of an object's method, for as long as something runs: an object's own property goes before its
//! prototype's method, so nothing else of the page notices.

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

/// Runs `run` with `replaced` in the place of the method of `object`.
pub(crate) fn instead<T>(
    object: &JsValue,
    method: &str,
    replaced: impl FnMut(JsValue) -> JsValue + 'static,
    run: impl FnOnce() -> T,
) -> T {
    let replaced = Closure::<dyn FnMut(JsValue) -> JsValue>::new(replaced);
    // Where it cannot be put in place, the method is called as ever.
    let _ = Reflect::set(object, &method.into(), replaced.as_ref());
    let result = run();
    if let Some(object) = object.dyn_ref::<Object>() {
        let _ = Reflect::delete_property(object, &method.into());
    }
    result
}

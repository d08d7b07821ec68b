//! Another function in the place of an object's method, for as long as something runs: an object's own property goes before its
//! prototype's method. What was there before is there again afterwards.

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

/// Runs `run` with `replaced` in the place of the method of `object`; with the method itself where that cannot be replaced.
pub(crate) fn instead<T>(
    object: &JsValue,
    method: &str,
    replaced: impl FnMut(JsValue) -> JsValue + 'static,
    run: impl FnOnce() -> T,
) -> T {
    let Some(object) = object.dyn_ref::<Object>() else {
        return run();
    };
    let method = JsValue::from(method);
    let replaced = Closure::<dyn FnMut(JsValue) -> JsValue>::new(replaced);
    let before = Object::get_own_property_descriptor(object, &method);
    let during = Object::new();
    let set = Reflect::set(&during, &"value".into(), replaced.as_ref()).is_ok()
        && Reflect::set(&during, &"configurable".into(), &true.into()).is_ok()
        && Reflect::define_property(object, &method, &during).unwrap_or(false);
    let result = run();
    if set {
        // Neither can fail: the property is configurable.
        let _ = match before.dyn_ref::<Object>() {
            Some(before) => Reflect::define_property(object, &method, before),
            None => Reflect::delete_property(object, &method),
        };
    }
    result
}

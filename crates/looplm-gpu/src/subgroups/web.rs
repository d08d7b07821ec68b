//! Asking a browser for them past wgpu, whose list of features lacks them (<https://github.com/gfx-rs/wgpu/issues/5555>).
//!
//! wgpu calls `requestAdapter` of the browser's `gpu`, then `requestDevice` of what that gave. For the time of the first call the
//! object has a property of its own in the place of its method, which gives the same adapter with a `requestDevice` that asks
//! for one feature more. Nobody else's adapters are touched. Shaders go to the browser as they are. To be deleted when wgpu
//! knows the feature.

use std::{cell::Cell, rc::Rc};

use js_sys::{Array, Function, Promise, Reflect, global};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::{
    intercept::instead,
    language::{self, web::contains},
};

const NAME: &str = "subgroups";

/// An adapter, and whether it has them. A device that is asked of it has them, too, if they are wanted.
pub(crate) async fn request_adapter(
    instance: &wgpu::Instance,
    options: &wgpu::RequestAdapterOptions<'_, '_>,
    wanted: bool,
) -> Result<(wgpu::Adapter, bool), wgpu::RequestAdapterError> {
    let offered = Rc::new(Cell::new(false));
    let request = || instance.request_adapter(options);
    let requesting = match request_of_browser() {
        Some((gpu, of_browser)) => {
            let (owner, offered) = (gpu.clone(), offered.clone());
            let replaced = move |options: JsValue| {
                let requested = called(&of_browser, &owner, &options);
                let offered = offered.clone();
                future_to_promise(async move {
                    let adapter = JsFuture::from(requested).await?;
                    // Shaders must be told the number of a subgroup, too, which browsers learnt later. (What size subgroups have,
                    // and which lanes are together, says nothing of that on every driver.)
                    if has(&adapter) && language::has("subgroup_id") {
                        offered.set(true);
                        if wanted {
                            ask_for_more(&adapter);
                        }
                    }
                    Ok(adapter)
                })
                .into()
            };
            instead(&gpu, "requestAdapter", replaced, request)
        }
        None => request(),
    };
    let adapter = requesting.await?;
    Ok((adapter, offered.get()))
}

/// Nothing that wgpu knows.
pub(crate) fn feature() -> wgpu::Features {
    wgpu::Features::empty()
}

/// Whether a device has them.
pub(crate) fn granted(device: &wgpu::Device) -> bool {
    device.as_webgpu().is_some_and(|device| has(device))
}

/// `navigator.gpu` and its method. A page and a Worker both have a navigator.
fn request_of_browser() -> Option<(JsValue, Function)> {
    let navigator = Reflect::get(&global(), &"navigator".into()).ok()?;
    let gpu = Reflect::get(&navigator, &"gpu".into()).ok()?;
    let request = Reflect::get(&gpu, &"requestAdapter".into()).ok()?;
    Some((gpu, request.dyn_into().ok()?))
}

/// Whether an adapter or a device has them.
fn has(owner: &JsValue) -> bool {
    Reflect::get(owner, &"features".into()).is_ok_and(|features| contains(&features, NAME))
}

/// Lets the one device that an adapter gives have them.
fn ask_for_more(adapter: &JsValue) {
    let name = JsValue::from("requestDevice");
    let Some(of_browser) = Reflect::get(adapter, &name)
        .ok()
        .and_then(|method| method.dyn_into::<Function>().ok())
    else {
        return;
    };
    let owner = adapter.clone();
    let replaced = Closure::once_into_js(move |descriptor: JsValue| -> JsValue {
        let features = JsValue::from("requiredFeatures");
        let all = match Reflect::get(&descriptor, &features).map(|all| all.dyn_into::<Array>()) {
            Ok(Ok(all)) => all,
            _ => Array::new(),
        };
        all.push(&NAME.into());
        // What cannot be set is not asked for.
        let _ = Reflect::set(&descriptor, &features, &all);
        called(&of_browser, &owner, &descriptor).into()
    });
    // Where it cannot be put in place, the device comes without.
    let _ = Reflect::set(adapter, &name, &replaced);
}

/// The promise that a method gives.
fn called(method: &Function, owner: &JsValue, argument: &JsValue) -> Promise {
    match method.call1(owner, argument) {
        Ok(promise) => Promise::resolve(&promise),
        Err(thrown) => Promise::reject(&thrown),
    }
}

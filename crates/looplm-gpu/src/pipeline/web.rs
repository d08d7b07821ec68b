//! Compiling through the browser's `createComputePipelineAsync`, which wgpu does not call.
//!
//! wgpu only has `createComputePipeline` (<https://github.com/gfx-rs/wgpu/issues/3794>), and neither shows the JavaScript
//! objects behind its layouts and shader modules nor takes a pipeline made elsewhere. But it calls the method of the
//! JavaScript device, and an object's own property goes before its prototype's method. So wgpu is asked twice: the first
//! time the property takes down the descriptor, which the browser then compiles in its own time; the second time it hands
//! over what the browser has made. Nothing is compiled twice, in any browser. A wgpu that stops calling the method gets its
//! pipeline the ordinary way. To be deleted when wgpu can create pipelines asynchronously.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

use super::{Compiling, Inner, Recipe};

const CREATE: &str = "createComputePipeline";
const CREATE_ASYNC: &str = "createComputePipelineAsync";

/// Begins at once.
pub(super) fn compile(pipeline: Arc<Inner>) -> Compiling {
    let begun = begin(&pipeline.recipe);
    Box::pin(async move {
        let Some((device, promise)) = begun else {
            pipeline.made(|| pipeline.recipe.create());
            return;
        };
        match JsFuture::from(promise).await {
            Ok(made) => {
                let hand_over = move |_| made.clone();
                pipeline.made(|| instead(&device, hand_over, || pipeline.recipe.create()));
            }
            // What is wrong with it, wgpu reports when it creates it in the ordinary way.
            Err(_) => {
                pipeline.made(|| pipeline.recipe.create());
            }
        }
    })
}

/// Lets it go on with nobody waiting.
pub(super) fn go_on(compiling: Compiling) {
    wasm_bindgen_futures::spawn_local(compiling);
}

/// The JavaScript device, and its promise of the pipeline.
fn begin(recipe: &Recipe) -> Option<(JsValue, Promise)> {
    let device: &JsValue = recipe.gpu.device.as_webgpu()?.as_ref();
    let create: Function = Reflect::get(device, &CREATE_ASYNC.into())
        .ok()?
        .dyn_into()
        .ok()?;
    let taken = Rc::new(RefCell::new(None));
    let take = {
        let taken = taken.clone();
        move |descriptor| {
            *taken.borrow_mut() = Some(descriptor);
            Object::new().into()
        }
    };
    drop(instead(device, take, || recipe.create()));
    let descriptor: JsValue = taken.take()?;
    let promise = create.call1(device, &descriptor).ok()?.dyn_into().ok()?;
    Some((device.clone(), promise))
}

/// Runs `run` with `create` in the place of the device's method.
fn instead<T>(
    device: &JsValue,
    create: impl FnMut(JsValue) -> JsValue + 'static,
    run: impl FnOnce() -> T,
) -> T {
    let create = Closure::<dyn FnMut(JsValue) -> JsValue>::new(create);
    // Where it cannot be put in place, wgpu creates the pipeline as ever.
    let _ = Reflect::set(device, &CREATE.into(), create.as_ref());
    let result = run();
    if let Some(device) = device.dyn_ref::<Object>() {
        let _ = Reflect::delete_property(device, &CREATE.into());
    }
    result
}

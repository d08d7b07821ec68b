//! Compiling through the browser's `createComputePipelineAsync`, which wgpu does not call.
//!
//! wgpu only has `createComputePipeline` (<https://github.com/gfx-rs/wgpu/issues/3794>), and neither shows the JavaScript
//! objects behind its layouts and shader modules nor takes a pipeline made elsewhere. But it calls the method of the
//! JavaScript device, and an object's own property goes before its prototype's method. So wgpu is asked twice: the first
//! time the property takes down the descriptor, which the browser then compiles in its own time; the second time it hands
//! over what the browser has made. Nothing is compiled twice, in any browser. A wgpu that stops calling the method gets its
//! pipeline the ordinary way. To be deleted when wgpu can create pipelines asynchronously.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{Recipe, Work};
use crate::intercept::instead;

const CREATE: &str = "createComputePipeline";
const CREATE_ASYNC: &str = "createComputePipelineAsync";

/// Begins at once.
pub(super) fn begin(work: Work) {
    let promised = promise(&work.0.recipe);
    spawn_local(async move {
        let pipeline = &work.0;
        let Some((device, promise)) = promised else {
            pipeline.made(|| pipeline.recipe.create());
            return;
        };
        match JsFuture::from(promise).await {
            Ok(made) => {
                let hand_over = move |_| made.clone();
                pipeline.made(|| instead(&device, CREATE, hand_over, || pipeline.recipe.create()));
            }
            // What is wrong with it, wgpu reports when it creates it in the ordinary way.
            Err(_) => {
                pipeline.made(|| pipeline.recipe.create());
            }
        }
    });
}

/// The JavaScript device, and its promise of the pipeline.
fn promise(recipe: &Recipe) -> Option<(JsValue, Promise)> {
    let device: &JsValue = recipe.device.as_webgpu()?.as_ref();
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
    drop(instead(device, CREATE, take, || recipe.create()));
    let descriptor: JsValue = taken.take()?;
    let promise = create.call1(device, &descriptor).ok()?.dyn_into().ok()?;
    Some((device.clone(), promise))
}

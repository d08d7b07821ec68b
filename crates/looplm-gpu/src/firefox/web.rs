//! The browser, as the nudging needs it.

use std::{future::Future, sync::OnceLock};

use js_sys::{Date, Function, Promise, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

use super::{World, nudged};
use crate::{browser, device::Gpu};

/// Waits for what the device is still to do.
pub(crate) async fn awaited<F: Future>(gpu: &Gpu, result: F) -> F::Output {
    static IS_FIREFOX: OnceLock<bool> = OnceLock::new();
    if *IS_FIREFOX.get_or_init(browser::is_firefox)
        && let Ok(channel) = MessageChannel::new()
    {
        return nudged(&Browser { gpu, channel }, result).await;
    }
    result.await
}

struct Browser<'a> {
    gpu: &'a Gpu,
    channel: MessageChannel,
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        self.channel.port1().close();
    }
}

impl World for Browser<'_> {
    fn now(&self) -> f64 {
        // Whole milliseconds are fine enough, and a Worker has it under the same name.
        Date::now()
    }

    async fn turn(&self) {
        let turn = Promise::new(&mut |resolve, _| {
            self.channel.port1().set_onmessage(Some(&resolve));
            if self.channel.port2().post_message(&JsValue::NULL).is_err() {
                // Without messages there are no turns to wait for.
                let _ = resolve.call0(&JsValue::NULL);
            }
        });
        // It never rejects.
        let _ = JsFuture::from(turn).await;
    }

    async fn sleep(&self, milliseconds: f64) {
        let sleep = Promise::new(&mut |resolve, _| {
            let timer = Reflect::get(&global(), &"setTimeout".into())
                .ok()
                .and_then(|timer| timer.dyn_into::<Function>().ok());
            let set = timer.map(|timer| timer.call2(&global(), &resolve, &milliseconds.into()));
            if !matches!(set, Some(Ok(_))) {
                // Without timers there is no time to wait for.
                let _ = resolve.call0(&JsValue::NULL);
            }
        });
        // It never rejects.
        let _ = JsFuture::from(sleep).await;
    }

    fn nudge(&self) {
        self.gpu.queue.submit([]);
    }
}

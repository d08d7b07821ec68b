//! An answer in progress.

use std::cell::RefCell;

use looplm::{Error, LoopLm, generate::Generation as Inner};
use looplm_js::{error, value::to_js};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use web_sys::AbortSignal;

use crate::convert;

/// An answer in progress; see the TypeScript package.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Generation {
    model: LoopLm,
    /// Taken while `next` runs, so that a call in between finds an error and not a panic.
    inner: RefCell<Option<Inner>>,
    finish: RefCell<looplm::generate::Finish>,
    closed: std::cell::Cell<bool>,
    trace: bool,
}

impl Generation {
    pub(crate) fn new(model: LoopLm, inner: Inner, trace: bool) -> Self {
        let finish = RefCell::new(inner.finish());
        Self {
            model,
            inner: RefCell::new(Some(inner)),
            finish,
            closed: std::cell::Cell::new(false),
            trace,
        }
    }
}

#[wasm_bindgen]
impl Generation {
    /// The next token, or undefined at the end.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn next(&self, signal: Option<AbortSignal>) -> Result<JsValue, JsValue> {
        if self.closed.get() {
            return Ok(JsValue::UNDEFINED);
        }
        let taken = self.inner.borrow_mut().take();
        let Some(mut inner) = taken else {
            return Err(error::to_js(&Error::invalid(
                "next",
                "the previous call has not returned yet",
            )));
        };
        let aborted = || self.closed.get() || signal.as_ref().is_some_and(AbortSignal::aborted);
        let result = inner.next(&aborted).await;
        *self.finish.borrow_mut() = inner.finish();
        if self.closed.get() {
            inner.close();
        }
        *self.inner.borrow_mut() = Some(inner);
        match result {
            Ok(Some(token)) => {
                let tokenizer = self.model.tokenizer().ok();
                to_js(&convert::token(&token, tokenizer, self.trace))
            }
            Ok(None) => Ok(JsValue::UNDEFINED),
            // Closing it is what ended it.
            Err(Error::Aborted | Error::Disposed) if self.closed.get() => Ok(JsValue::UNDEFINED),
            Err(e) => Err(error::to_js(&e)),
        }
    }

    /// The figures so far.
    ///
    /// # Errors
    /// None in practice.
    pub fn finish(&self) -> Result<JsValue, JsValue> {
        to_js(&convert::finish(&self.finish.borrow()))
    }

    /// Ends it and frees its place in the KV cache; at once, or when the running `next` returns.
    pub fn close(&self) {
        self.closed.set(true);
        if let Some(inner) = self.inner.borrow_mut().as_mut() {
            inner.close();
        }
    }
}

//! A loaded model.

use js_sys::{Float32Array, Function, Object, Promise, Reflect, Uint32Array};
use looplm::{
    Error, LoopLm,
    exit::ExitRule,
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation as Inner},
    model::LoadOptions,
};
use looplm_js::{
    error,
    value::{from_js_or_default, to_js},
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use crate::{
    convert,
    generation::Generation,
    options::{ForwardConfig, GenerateConfig, LoadConfig},
    source::{FilesOf, JsSource},
};

/// A loaded model; see the TypeScript package.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Model {
    inner: LoopLm,
}

fn failed(error: impl Into<Error>) -> JsValue {
    error::to_js(&error.into())
}

#[wasm_bindgen]
impl Model {
    /// Loads a model from files that JavaScript reads.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn load(
        source: JsSource,
        options: JsValue,
        on_progress: Function,
        signal: Option<AbortSignal>,
    ) -> Result<Model, JsValue> {
        let config: LoadConfig = from_js_or_default(options)?;
        let options = LoadOptions {
            engine: config.engine(),
            device: config.device(),
            precision: config.format.unwrap_or_default().into(),
            tunings: config.tunings,
        };
        let mut progress = |loading: looplm::model::Loading<'_>| {
            if let Ok(value) = to_js(&convert::loading(&loading)) {
                // What a listener throws is the listener's business.
                let _ = on_progress.call1(&JsValue::UNDEFINED, &value);
            }
        };
        let inner = LoopLm::load(&FilesOf(source), &options, &mut progress)
            .await
            .map_err(failed)?;
        if signal.is_some_and(|signal| signal.aborted()) {
            inner.dispose().await;
            return Err(failed(Error::Aborted));
        }
        Ok(Self { inner })
    }

    /// What is known of the model.
    ///
    /// # Errors
    /// None in practice.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        to_js(&convert::info(self.inner.info()))
    }

    /// The workgroups that are known, to be given to later loads.
    ///
    /// # Errors
    /// None in practice.
    pub fn tunings(&self) -> Result<JsValue, JsValue> {
        to_js(&self.inner.info().tunings)
    }

    /// Text to ids.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub fn tokenize(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, JsValue> {
        self.inner
            .tokenizer()
            .map_err(failed)?
            .encode(text, add_special_tokens)
            .map_err(failed)
    }

    /// Ids to text.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub fn detokenize(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, JsValue> {
        self.inner
            .tokenizer()
            .map_err(failed)?
            .decode(ids, skip_special_tokens)
            .map_err(failed)
    }

    /// One token as a person would read it.
    #[wasm_bindgen(js_name = tokenText)]
    pub fn token_text(&self, id: u32) -> String {
        self.inner
            .tokenizer()
            .map_or_else(|_| id.to_string(), |t| t.token_text(id))
    }

    /// The chat template, for the module that runs it.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    #[wasm_bindgen(js_name = chatSource)]
    pub fn chat_source(&self) -> Result<JsValue, JsValue> {
        to_js(self.inner.chat_source().map_err(failed)?)
    }

    /// Begins an answer.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn generate(&self, ids: Vec<u32>, options: JsValue) -> Result<Generation, JsValue> {
        let config: GenerateConfig = from_js_or_default(options)?;
        let options = GenerateOptions::from(config);
        let trace = options.trace_top_k.is_some();
        let inner = Inner::new(&self.inner, ids, options).map_err(failed)?;
        Ok(Generation::new(self.inner.clone(), inner, trace))
    }

    /// Every step of every position of `ids`.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn forward(
        &self,
        ids: Vec<u32>,
        options: JsValue,
        signal: Option<AbortSignal>,
    ) -> Result<JsValue, JsValue> {
        let config: ForwardConfig = from_js_or_default(options)?;
        let options = ForwardOptions {
            steps: config.steps,
            logits: config.logits,
            hidden: config.hidden,
            trace_top_k: config.trace.map(|t| t.top_k),
            exit: config.gate.map(ExitRule::Gate).unwrap_or_default().into(),
        };
        let aborted = || signal.as_ref().is_some_and(AbortSignal::aborted);
        let result = self
            .inner
            .forward(&ids, &options, &aborted)
            .await
            .map_err(failed)?;
        let out = Object::new();
        let set = |key: &str, value: JsValue| {
            Reflect::set(&out, &JsValue::from_str(key), &value).map(|_| ())
        };
        set("ids", Uint32Array::from(ids.as_slice()).into())?;
        set("steps", JsValue::from_f64(result.steps as f64))?;
        set(
            "exitLambda",
            Float32Array::from(result.exit_lambda.as_slice()).into(),
        )?;
        set(
            "exitPdf",
            Float32Array::from(result.exit_pdf.as_slice()).into(),
        )?;
        set("exitSteps", to_js(&result.exit_steps)?)?;
        if let Some(logits) = &result.logits {
            set("logits", Float32Array::from(logits.as_slice()).into())?;
        }
        if let Some(hidden) = &result.hidden {
            set("hidden", Float32Array::from(hidden.as_slice()).into())?;
        }
        if options.trace_top_k.is_some() {
            let tokenizer = self.inner.tokenizer().ok();
            let positions: Vec<_> = ids
                .iter()
                .zip(&result.positions)
                .map(|(id, steps)| convert::position(*id, steps, tokenizer))
                .collect();
            set("positions", to_js(&positions)?)?;
        }
        Ok(out.into())
    }

    /// A promise of why the device was lost, `dispose` included. It does not hold on to the model, which may be freed before.
    pub fn lost(&self) -> Promise {
        let lost = self.inner.lost();
        future_to_promise(async move { Ok(lost.await.into()) })
    }

    /// Frees everything on the device.
    pub async fn dispose(&self) {
        self.inner.dispose().await;
    }
}

//! A training run: single updates, which the TypeScript package makes a loop of.

use js_sys::{Function, Object, Reflect, Uint8Array};
use looplm::Error;
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_js::{
    error,
    value::{from_js, to_js},
};
use looplm_train::{
    Snapshot, TrainConfig, Trainer as Inner,
    config::{ConfigError, GateConfig, presets},
};
use serde_json::{Map, Value};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

use crate::{error::failed, info};

/// A training run; see the TypeScript package. One call at a time.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Trainer {
    /// None once disposed of.
    inner: Option<Inner>,
}

/// The bytes of a property of `object`.
fn bytes(object: &JsValue, key: &str) -> Result<Vec<u8>, JsValue> {
    Reflect::get(object, &key.into())
        .ok()
        .and_then(|value| value.dyn_into::<Uint8Array>().ok())
        .map(|array| array.to_vec())
        .ok_or_else(|| error::to_js(&Error::invalid(key, "is missing from the snapshot")))
}

/// The gate's part of a configuration with some settings replaced, checked as a whole.
fn gate_with(
    config: &TrainConfig,
    settings: Map<String, Value>,
) -> Result<GateConfig, ConfigError> {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    if let Some(gate) = value.get_mut("gate").and_then(Value::as_object_mut) {
        gate.extend(settings);
    }
    TrainConfig::from_json(&value.to_string()).map(|config| config.gate)
}

fn set(object: &Object, key: &str, value: &JsValue) {
    // Setting a property of a fresh object cannot fail.
    let _ = Reflect::set(object, &key.into(), value);
}

#[wasm_bindgen]
impl Trainer {
    /// The runs that come with the library.
    ///
    /// # Errors
    /// None in practice.
    pub fn presets() -> Result<JsValue, JsValue> {
        let presets = presets::names()
            .into_iter()
            .map(presets::get)
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        to_js(&presets)
    }

    /// A run from its configuration (JSON) and, to go on with it, a snapshot.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn create(config: &str, snapshot: JsValue) -> Result<Trainer, JsValue> {
        let config = TrainConfig::from_json(config).map_err(failed)?;
        let snapshot = if snapshot.is_undefined() {
            None
        } else {
            let (weights, optimizer) =
                (bytes(&snapshot, "weights")?, bytes(&snapshot, "optimizer")?);
            Some(Snapshot::from_files(weights, optimizer).map_err(failed)?)
        };
        let gpu = Gpu::open(&DeviceOptions::default()).await.map_err(failed)?;
        let trainer = match &snapshot {
            Some(snapshot) => Inner::resume(gpu.clone(), config, snapshot).await,
            None => Inner::new(gpu.clone(), config).await,
        };
        match trainer {
            Ok(trainer) => Ok(Self {
                inner: Some(trainer),
            }),
            Err(error) => {
                gpu.destroy();
                Err(failed(error))
            }
        }
    }

    fn inner(&mut self) -> Result<&mut Inner, JsValue> {
        self.inner
            .as_mut()
            .ok_or_else(|| error::to_js(&Error::Disposed))
    }

    /// What is known of the run.
    ///
    /// # Errors
    /// None in practice.
    pub fn info(&mut self) -> Result<JsValue, JsValue> {
        to_js(&info::of(self.inner()?))
    }

    /// Updates done.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(js_name = updatesDone)]
    pub fn updates_done(&mut self) -> Result<f64, JsValue> {
        Ok(self.inner()?.updates_done() as f64)
    }

    /// One update; the metrics of an earlier one, once there are some.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn update(&mut self) -> Result<JsValue, JsValue> {
        match self.inner()?.update().await.map_err(failed)? {
            Some(update) => to_js(&update),
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// The metrics that `update` has not given yet.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    #[wasm_bindgen(js_name = finishUpdates)]
    pub async fn finish_updates(&mut self) -> Result<JsValue, JsValue> {
        to_js(&self.inner()?.finish_updates().await.map_err(failed)?)
    }

    /// Accuracy by difficulty and step.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn evaluate(&mut self) -> Result<JsValue, JsValue> {
        to_js(&self.inner()?.evaluate().await.map_err(failed)?)
    }

    /// Everything it takes to go on.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn snapshot(&mut self) -> Result<JsValue, JsValue> {
        let snapshot = self.inner()?.snapshot().await.map_err(failed)?;
        let out = Object::new();
        set(&out, "update", &JsValue::from_f64(snapshot.update as f64));
        set(&out, "seconds", &JsValue::from_f64(snapshot.seconds));
        set(&out, "weights", &Uint8Array::from(&snapshot.weights[..]));
        set(
            &out,
            "optimizer",
            &Uint8Array::from(&snapshot.optimizer[..]),
        );
        Ok(out.into())
    }

    /// The model's folder: bytes by file name.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    #[wasm_bindgen(js_name = modelFiles)]
    pub async fn model_files(&mut self) -> Result<JsValue, JsValue> {
        let out = Object::new();
        for (name, content) in self.inner()?.model_files().await.map_err(failed)? {
            set(&out, &name, &Uint8Array::from(&content[..]));
        }
        Ok(out.into())
    }

    /// Trains the gate, with these settings instead of the configuration's, for as long as `on_progress(done, of)` is
    /// true.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    #[wasm_bindgen(js_name = trainGate)]
    pub async fn train_gate(
        &mut self,
        settings: JsValue,
        on_progress: Function,
    ) -> Result<JsValue, JsValue> {
        let settings: Map<String, Value> = from_js(settings)?;
        let inner = self.inner()?;
        let gate = gate_with(inner.config(), settings).map_err(failed)?;
        inner.set_gate(gate);
        let mut progress = |done: u64, of: u64| {
            let (done, of) = (JsValue::from_f64(done as f64), JsValue::from_f64(of as f64));
            // A listener that throws has not asked to stop.
            on_progress
                .call2(&JsValue::UNDEFINED, &done, &of)
                .map_or(true, |go_on| go_on.is_truthy())
        };
        let gate = inner.train_gate(&mut progress).await.map_err(failed)?;
        to_js(&gate)
    }

    /// Frees everything on the device.
    pub fn dispose(&mut self) {
        if let Some(inner) = self.inner.take() {
            inner.gpu().destroy();
        }
    }
}

//! The plan of a conversion, and its pieces one by one.

use js_sys::Uint8Array;
use looplm::{
    Error,
    checkpoint::CheckpointError,
    conversion::{self, ConversionOptions, Extent, SMALL_FILES},
};
use looplm_gpu::Gpu;
use looplm_js::{
    error,
    value::{from_js_or_default, to_js},
};
use serde_json::json;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    options::{ConversionConfig, LoadConfig},
    source::{FilesOf, JsSource},
};

/// A planned conversion; see the TypeScript package.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Conversion {
    inner: conversion::Conversion,
}

fn failed(error: CheckpointError) -> JsValue {
    error::to_js(&Error::Checkpoint(error))
}

fn extent(extent: &Extent) -> serde_json::Value {
    json!({ "file": extent.file, "offset": extent.offset, "bytes": extent.bytes })
}

#[wasm_bindgen]
impl Conversion {
    /// Reads the configuration and the headers, and plans.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn plan(source: JsSource, options: JsValue) -> Result<Conversion, JsValue> {
        let config: ConversionConfig = from_js_or_default(options)?;
        let options = ConversionOptions {
            precision: config.format.unwrap_or_default().into(),
            shard_bytes: None,
        };
        let inner = conversion::Conversion::plan(&FilesOf(source), options)
            .await
            .map_err(failed)?;
        Ok(Self { inner })
    }

    /// Fails where the limits of the device prove that what comes out cannot be loaded, so that it need not be fetched.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub async fn check(&self, options: JsValue) -> Result<(), JsValue> {
        let config: LoadConfig = from_js_or_default(options)?;
        let gpu = Gpu::open(&config.device())
            .await
            .map_err(|e| error::to_js(&e.into()))?;
        let checked = self.inner.check(&gpu, &config.engine());
        gpu.destroy();
        checked.map_err(|e| error::to_js(&e))
    }

    /// The files and the pieces.
    ///
    /// # Errors
    /// None in practice.
    pub fn describe(&self) -> Result<JsValue, JsValue> {
        let plan = &self.inner;
        let files = plan.files().iter();
        let pieces = plan.pieces().iter().map(|piece| {
            let targets: Vec<_> = piece.targets.iter().map(extent).collect();
            json!({ "source": extent(&piece.source), "targets": targets })
        });
        to_js(&json!({
            "fingerprint": plan.fingerprint(),
            "sources": plan.sources(),
            "files": files.map(|f| json!({ "path": f.path, "bytes": f.bytes })).collect::<Vec<_>>(),
            "smallFiles": SMALL_FILES.map(|(path, required)| json!({ "path": path, "required": required })),
            "texts": plan.index().map(|(path, text)| json!({ "path": path, "text": text })).into_iter().collect::<Vec<_>>(),
            "pieces": pieces.collect::<Vec<_>>(),
        }))
    }

    /// The first bytes of a target file.
    ///
    /// # Errors
    /// An `Error` with a `code` if there is no such file.
    pub fn head(&self, file: usize) -> Result<Uint8Array, JsValue> {
        let file = self.inner.files().get(file);
        let file = file.ok_or_else(|| absent("file"))?;
        Ok(Uint8Array::from(file.head.as_slice()))
    }

    /// What the bytes of a piece's source become: its targets one after another.
    ///
    /// # Errors
    /// An `Error` with a `code`.
    pub fn convert(&self, piece: usize, source: &[u8]) -> Result<Uint8Array, JsValue> {
        let piece = self.inner.pieces().get(piece);
        let piece = piece.ok_or_else(|| absent("piece"))?;
        let converted = self.inner.convert(piece, source).map_err(failed)?;
        Ok(Uint8Array::from(converted.as_slice()))
    }
}

fn absent(what: &'static str) -> JsValue {
    error::to_js(&Error::invalid(what, "the plan has no such number"))
}

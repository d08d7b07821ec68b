//! Files that JavaScript reads for us: `fetch` or dropped `File`s, one pass over each.

use std::borrow::Cow;

use async_trait::async_trait;
use js_sys::{Promise, Reflect, Uint8Array};
use looplm::checkpoint::{Reader, Source, SourceError};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// `FileSource` of the TypeScript package.
    #[wasm_bindgen(typescript_type = "FileSource")]
    pub type JsSource;

    #[wasm_bindgen(method, catch)]
    fn open(this: &JsSource, path: &str) -> Result<Promise, JsValue>;

    /// `FileStream` of the TypeScript package.
    type JsFile;

    #[wasm_bindgen(method, getter)]
    fn size(this: &JsFile) -> Option<f64>;

    #[wasm_bindgen(method, catch)]
    fn read(this: &JsFile) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &JsFile) -> Result<(), JsValue>;
}

/// What JavaScript said went wrong.
fn failure(path: &str, error: &JsValue) -> SourceError {
    let text = |value: &JsValue, key: &str| {
        Reflect::get(value, &key.into())
            .ok()
            .and_then(|v| v.as_string())
    };
    let details = Reflect::get(error, &"details".into()).unwrap_or(JsValue::UNDEFINED);
    if text(error, "code").as_deref() == Some("aborted") {
        return SourceError::Aborted;
    }
    SourceError::Network {
        url: text(&details, "url").unwrap_or_else(|| path.to_owned()),
        status: Reflect::get(&details, &"status".into())
            .ok()
            .and_then(|v| v.as_f64())
            .map(|s| s as u16),
        message: text(error, "message").unwrap_or_else(|| format!("{error:?}")),
    }
}

pub(crate) struct FilesOf(pub(crate) JsSource);

#[async_trait(?Send)]
impl Source for FilesOf {
    fn location(&self) -> String {
        "the given address or files".to_owned()
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn Reader>>, SourceError> {
        let promise = self.0.open(path).map_err(|e| failure(path, &e))?;
        let file = JsFuture::from(promise)
            .await
            .map_err(|e| failure(path, &e))?;
        if file.is_null() || file.is_undefined() {
            return Ok(None);
        }
        Ok(Some(Box::new(FileOf {
            path: path.to_owned(),
            file: file.unchecked_into(),
        })))
    }
}

struct FileOf {
    path: String,
    file: JsFile,
}

impl Drop for FileOf {
    fn drop(&mut self) {
        // Closing what is closed or broken changes nothing.
        let _ = self.file.close();
    }
}

#[async_trait(?Send)]
impl Reader for FileOf {
    fn size(&self) -> Option<u64> {
        self.file.size().map(|size| size as u64)
    }

    async fn read(&mut self) -> Result<Option<Cow<'_, [u8]>>, SourceError> {
        let promise = self.file.read().map_err(|e| failure(&self.path, &e))?;
        let chunk = JsFuture::from(promise)
            .await
            .map_err(|e| failure(&self.path, &e))?;
        Ok(chunk
            .dyn_ref::<Uint8Array>()
            .map(|bytes| Cow::Owned(bytes.to_vec())))
    }
}

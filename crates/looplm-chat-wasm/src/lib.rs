//! The wasm-bindgen face of looplm's chat templates, a module of its own: what runs templates is large, and pages that
//! hold no conversation never load it.

use looplm::{
    Error,
    chat::{ChatOptions, ChatSource, ChatTemplate, Message},
};
use looplm_js::{
    error,
    value::{from_js, from_js_or_default},
};
use serde::Deserialize;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

/// Runs once when the module starts.
#[wasm_bindgen(start)]
pub fn start() {
    looplm_js::start();
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ChatConfig {
    add_generation_prompt: Option<bool>,
    enable_thinking: Option<bool>,
}

/// A conversation as the text the model is to continue. `source`: what `Model.chatSource` gives.
///
/// # Errors
/// An `Error` with a `code`.
#[wasm_bindgen(js_name = chatPrompt)]
pub fn chat_prompt(
    source: JsValue,
    messages: JsValue,
    options: JsValue,
) -> Result<String, JsValue> {
    let source: ChatSource = from_js(source)?;
    let messages: Vec<Message> = from_js(messages)?;
    let config: ChatConfig = from_js_or_default(options)?;
    let options = ChatOptions {
        add_generation_prompt: config.add_generation_prompt.unwrap_or(true),
        enable_thinking: config.enable_thinking,
    };
    ChatTemplate::parse(source)
        .and_then(|template| template.render(&messages, options))
        .map_err(|e| error::to_js(&Error::from(e)))
}

//! The model as a folder that Hugging Face, the rest of looplm and a person understand.

use serde_json::{Map, Value, json};

use super::Trainer;
use crate::error::TrainError;

impl Trainer {
    /// The files of the model as it is now, by name: `config.json`, `generation_config.json`, `model.safetensors`, and
    /// the task's own (`tokenizer.json`, ...).
    ///
    /// # Errors
    /// [`TrainError::Gpu`].
    pub async fn model_files(&mut self) -> Result<Vec<(String, Vec<u8>)>, TrainError> {
        let text = |value: &Value| {
            let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
            text.push('\n');
            text.into_bytes()
        };
        let mut files = vec![
            ("config.json".to_owned(), text(&self.config_json())),
            (
                "generation_config.json".to_owned(),
                text(&json!({
                    "bos_token_id": self.task.bos(),
                    "eos_token_id": self.task.eos(),
                    "do_sample": false,
                })),
            ),
            ("model.safetensors".to_owned(), self.weights_file().await?),
        ];
        files.extend(self.task.files());
        Ok(files)
    }

    fn config_json(&self) -> Value {
        let config = &self.engine.config;
        let mut map = Map::new();
        let mut set = |name: &str, value: Value| {
            map.insert(name.to_owned(), value);
        };
        set("architectures", json!(["OuroForCausalLM"]));
        set("model_type", json!("ouro"));
        set("vocab_size", json!(config.vocab_size));
        set("hidden_size", json!(config.hidden_size));
        set("intermediate_size", json!(config.intermediate_size));
        set("num_hidden_layers", json!(config.num_hidden_layers));
        set("num_attention_heads", json!(config.num_attention_heads));
        set("num_key_value_heads", json!(config.num_key_value_heads));
        set("head_dim", json!(config.head_dim));
        set("total_ut_steps", json!(config.total_ut_steps));
        set("early_exit_threshold", json!(config.early_exit_threshold));
        set("hidden_act", json!("silu"));
        set("rms_norm_eps", json!(config.rms_norm_eps));
        set("rope_theta", json!(config.rope_theta));
        set("rope_scaling", Value::Null);
        set(
            "max_position_embeddings",
            json!(config.max_position_embeddings),
        );
        set("tie_word_embeddings", json!(config.tie_word_embeddings));
        set("use_sliding_window", json!(false));
        set("torch_dtype", json!("float32"));
        set("bos_token_id", json!(self.task.bos()));
        set("eos_token_id", json!(self.task.eos()));
        set("pad_token_id", Value::Null);
        if let Some(task) = &config.looplm_task {
            set("looplm_task", task.clone());
        }
        Value::Object(map)
    }
}

//! What the published folders hold, written down here a second time, and a source that has it all but the weights.

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;
use looplm::Config;
use looplm::checkpoint::{Checkpoint, CheckpointError, Reader, Source, SourceError, Summary};
use pollster::block_on;
use serde_json::{Map, Value, json};

pub(crate) const VOCABULARY: u64 = 49_152;
pub(crate) const WIDTH: u64 = 2048;
pub(crate) const INNER: u64 = 5632;

/// A published model. All four of 2025 are one of these two in size.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) layers: usize,
    pub(crate) tensors: usize,
    pub(crate) parameters: u64,
    /// Length of its `model.safetensors`.
    pub(crate) file: u64,
}

pub(crate) const SMALL: Model = Model {
    name: "Ouro-1.4B",
    layers: 24,
    tensors: 269,
    parameters: 1_434_652_673,
    file: 2_869_336_434,
};

pub(crate) const LARGE: Model = Model {
    name: "Ouro-2.6B",
    layers: 48,
    tensors: 533,
    parameters: 2_667_974_657,
    file: 5_336_011_242,
};

impl Model {
    /// `config.json`, field by field.
    pub(crate) fn config_json(&self) -> Value {
        json!({
            "architectures": ["OuroForCausalLM"], "attention_dropout": 0.0,
            "auto_map": {
                "AutoConfig": "configuration_ouro.OuroConfig",
                "AutoModel": "modeling_ouro.OuroModel",
                "AutoModelForCausalLM": "modeling_ouro.OuroForCausalLM"
            },
            "bos_token_id": 0, "eos_token_id": 0, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
            "initializer_range": 0.02, "intermediate_size": 5632, "layer_types": vec!["full_attention"; self.layers],
            "max_position_embeddings": 65536, "max_window_layers": self.layers, "model_type": "ouro",
            "num_attention_heads": 16, "num_hidden_layers": self.layers, "num_key_value_heads": 16,
            "rms_norm_eps": 1e-6, "rope_scaling": null, "rope_theta": 1000000.0, "sliding_window": null,
            "tie_word_embeddings": false, "torch_dtype": "bfloat16", "total_ut_steps": 4, "early_exit_threshold": 1.0,
            "transformers_version": "4.55.0", "use_cache": true, "use_sliding_window": false, "vocab_size": 49152
        })
    }

    pub(crate) fn config(&self) -> Config {
        Config::from_json(&self.config_json().to_string()).expect("a published configuration")
    }

    /// Every tensor in the order of the model, as `save_pretrained` goes through them when it cuts shards.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let mut all = vec![(
            "model.embed_tokens.weight".to_owned(),
            vec![VOCABULARY, WIDTH],
        )];
        for layer in 0..self.layers {
            let parts: [(&str, &[u64]); 11] = [
                ("self_attn.q_proj", &[WIDTH, WIDTH]),
                ("self_attn.k_proj", &[WIDTH, WIDTH]),
                ("self_attn.v_proj", &[WIDTH, WIDTH]),
                ("self_attn.o_proj", &[WIDTH, WIDTH]),
                ("mlp.gate_proj", &[INNER, WIDTH]),
                ("mlp.up_proj", &[INNER, WIDTH]),
                ("mlp.down_proj", &[WIDTH, INNER]),
                ("input_layernorm", &[WIDTH]),
                ("input_layernorm_2", &[WIDTH]),
                ("post_attention_layernorm", &[WIDTH]),
                ("post_attention_layernorm_2", &[WIDTH]),
            ];
            for (part, shape) in parts {
                let name = format!("model.layers.{layer}.{part}.weight");
                all.push((name, shape.to_vec()));
            }
        }
        let rest: [(&str, &[u64]); 4] = [
            ("model.norm.weight", &[WIDTH]),
            ("model.early_exit_gate.weight", &[1, WIDTH]),
            ("model.early_exit_gate.bias", &[1]),
            ("lm_head.weight", &[VOCABULARY, WIDTH]),
        ];
        all.extend(rest.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
        all
    }

    /// The folder as it is published: one file.
    pub(crate) fn folder(&self) -> Headers {
        Headers::default().with_weights("model.safetensors", self.tensors())
    }

    pub(crate) fn summarize(&self, source: &dyn Source) -> Result<Summary, CheckpointError> {
        let config = self.config();
        block_on(async { Checkpoint::open(source, &config).await?.summarize().await })
    }

    #[track_caller]
    pub(crate) fn refuse(&self, source: &dyn Source) -> CheckpointError {
        self.summarize(source)
            .expect_err("the folder must be refused")
    }
}

/// A name and a shape.
pub(crate) type Tensor = (String, Vec<u64>);

/// Files of which only the beginning is there, though they say how long they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers {
    files: BTreeMap<String, (Vec<u8>, u64)>,
}

impl Headers {
    pub(crate) fn with(mut self, file: &str, bytes: impl Into<Vec<u8>>) -> Headers {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        self.files.insert(file.to_owned(), (bytes, length));
        self
    }

    pub(crate) fn without(mut self, file: &str) -> Headers {
        self.files.remove(file);
        self
    }

    /// A safetensors file of 16-bit tensors in the order of their names: its header, and the length of the rest.
    pub(crate) fn with_weights(
        mut self,
        file: &str,
        tensors: impl IntoIterator<Item = Tensor>,
    ) -> Headers {
        let (bytes, data) = header(tensors);
        let length = bytes.len() as u64 + data;
        self.files.insert(file.to_owned(), (bytes, length));
        self
    }

    /// A file's bytes as far as they are there.
    pub(crate) fn bytes(&self, file: &str) -> &[u8] {
        &self.files[file].0
    }
}

fn header(tensors: impl IntoIterator<Item = Tensor>) -> (Vec<u8>, u64) {
    let sorted: BTreeMap<String, Vec<u64>> = tensors.into_iter().collect();
    let (mut entries, mut at) = (Map::new(), 0);
    for (name, shape) in sorted {
        let end = at + 2 * shape.iter().product::<u64>();
        entries.insert(
            name,
            json!({"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}),
        );
        at = end;
    }
    let mut text = Value::Object(entries).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    (bytes, at)
}

#[async_trait(?Send)]
impl Source for Headers {
    fn location(&self) -> String {
        "the published files without their weights".to_owned()
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn Reader>>, SourceError> {
        Ok(self.files.get(path).map(|(bytes, length)| {
            let reader: Box<dyn Reader> = Box::new(Beginning {
                path: path.to_owned(),
                bytes: bytes.clone(),
                length: *length,
                given: false,
            });
            reader
        }))
    }
}

struct Beginning {
    path: String,
    bytes: Vec<u8>,
    length: u64,
    given: bool,
}

#[async_trait(?Send)]
impl Reader for Beginning {
    fn size(&self) -> Option<u64> {
        Some(self.length)
    }

    async fn read(&mut self) -> Result<Option<Cow<'_, [u8]>>, SourceError> {
        if !self.given {
            self.given = true;
            return Ok(Some(Cow::Borrowed(&self.bytes)));
        }
        if self.bytes.len() as u64 == self.length {
            return Ok(None);
        }
        Err(SourceError::Io {
            path: self.path.clone(),
            message: "the weights were asked for, and there are none".to_owned(),
        })
    }
}

//! `config.json`: the shape of a looped language model, as the published Ouro checkpoints write it.
//!
//! A field that shapes the model is read or it is an error: the published configuration class falls back on numbers
//! of an unrelated model (a vocabulary of 151,936, a rotary base of 10,000), which would load and talk nonsense.

mod error;

use serde_json::{Map, Value};

use crate::error::excerpt;

pub use error::ConfigError;

/// Most layers a stack may have. Far above any model; keeps a hostile file from naming a billion tensors.
const MAX_LAYERS: u64 = 4096;
/// Largest width, vocabulary or position count.
const MAX_SIZE: u64 = 1 << 31;
/// Most elements one tensor may have: a tebi-element is beyond every machine this runs on.
const MAX_ELEMENTS: u64 = 1 << 40;

/// The configuration of one model. Sizes are counts of elements; names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of token ids, V.
    pub vocab_size: usize,
    /// Width of the hidden state, D.
    pub hidden_size: usize,
    /// Width of the SwiGLU, I.
    pub intermediate_size: usize,
    /// Layers in the shared stack, L.
    pub num_hidden_layers: usize,
    /// Query heads, H.
    pub num_attention_heads: usize,
    /// Key/value heads, G; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of one head, d; even. `hidden_size / num_attention_heads` where the file gives none.
    pub head_dim: usize,
    /// Recurrent steps the model was trained with, T; at least 1.
    pub total_ut_steps: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Whether the head is the embedding, so that no `lm_head.weight` is stored.
    pub tie_word_embeddings: bool,
    /// Threshold q on the cumulated exit probability; 1 means never early.
    pub early_exit_threshold: f64,
    /// The `looplm_task` object of models trained by this project, verbatim: what a page may offer to do with it.
    pub looplm_task: Option<Value>,
}

impl Config {
    /// Reads the text of a `config.json`.
    ///
    /// What may be left out is what the published configuration class leaves out for every Ouro model alike: `head_dim`
    /// (then `hidden_size / num_attention_heads`), `tie_word_embeddings` (false), `early_exit_threshold` (1), and a
    /// `num_key_value_heads` of `null` (then `num_attention_heads`). An *absent* `num_key_value_heads` is an error: the
    /// published class would take 32, whatever the number of heads. `rope_theta` may sit in `rope_parameters`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the field. Fields this crate knows nothing about are ignored.
    pub fn from_json(text: &str) -> Result<Config, ConfigError> {
        let value: Value = serde_json::from_str(text).map_err(|e| ConfigError::Json {
            message: e.to_string(),
        })?;
        let Value::Object(map) = value else {
            return Err(ConfigError::Json {
                message: format!("it holds {}", kind_of(&value)),
            });
        };
        let fields = Fields(&map);

        match fields.get("model_type") {
            None => {
                return Err(ConfigError::MissingField {
                    field: "model_type",
                });
            }
            Some(Value::String(s)) if s == "ouro" => {}
            Some(Value::String(s)) => return Err(ConfigError::NotLooped { found: excerpt(s) }),
            Some(other) => return Err(invalid("model_type", "a string", other)),
        }
        fields.refuse_unsupported()?;

        let hidden_size = fields.size("hidden_size", MAX_SIZE)?;
        let num_attention_heads = fields.size("num_attention_heads", MAX_SIZE)?;
        let head_dim = match fields.get("head_dim") {
            Some(_) => fields.size("head_dim", MAX_SIZE)?,
            None if hidden_size.is_multiple_of(num_attention_heads) => {
                hidden_size / num_attention_heads
            }
            None => {
                return Err(ConfigError::Inconsistent {
                    field: "hidden_size",
                    expected: format!(
                        "num_attention_heads is {num_attention_heads}, which does not divide it, and there is no head_dim"
                    ),
                    found: hidden_size.to_string(),
                });
            }
        };
        let config = Config {
            vocab_size: fields.size("vocab_size", MAX_SIZE)?,
            hidden_size,
            intermediate_size: fields.size("intermediate_size", MAX_SIZE)?,
            num_hidden_layers: fields.size("num_hidden_layers", MAX_LAYERS)?,
            num_attention_heads,
            num_key_value_heads: match map.get("num_key_value_heads") {
                Some(Value::Null) => num_attention_heads,
                _ => fields.size("num_key_value_heads", MAX_SIZE)?,
            },
            head_dim,
            total_ut_steps: fields.size("total_ut_steps", MAX_SIZE)?,
            rms_norm_eps: fields.positive("rms_norm_eps")?,
            rope_theta: fields.rope_theta()?,
            max_position_embeddings: fields.size("max_position_embeddings", MAX_SIZE)?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?,
            early_exit_threshold: match fields.get("early_exit_threshold") {
                None => 1.0,
                Some(v) => v
                    .as_f64()
                    .filter(|x| x.is_finite())
                    .ok_or_else(|| invalid("early_exit_threshold", "a number", v))?,
            },
            looplm_task: fields.get("looplm_task").cloned(),
        };
        config.check()?;
        Ok(config)
    }

    /// Query width of all heads together, H * d.
    pub fn query_size(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Key (or value) width of all heads together, G * d.
    pub fn key_value_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Every tensor of a checkpoint with this configuration, by its published name, and its shape (`[out, in]`, row-major).
    /// `lm_head.weight` is among them only when the head is not tied.
    pub fn tensor_shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
        let head = (!self.tie_word_embeddings).then(|| {
            (
                "lm_head.weight".to_owned(),
                vec![self.vocab_size, self.hidden_size],
            )
        });
        let layers = (0..self.num_hidden_layers).flat_map(move |i| {
            self.layer_shapes()
                .map(move |(name, shape)| (format!("model.layers.{i}.{name}"), shape))
        });
        self.outer_shapes().into_iter().chain(head).chain(layers)
    }

    /// Number of parameters a checkpoint stores.
    pub fn parameters(&self) -> u64 {
        let count = |shape: &[usize]| shape.iter().map(|&n| n as u64).product::<u64>();
        let head = if self.tie_word_embeddings {
            0
        } else {
            count(&[self.vocab_size, self.hidden_size])
        };
        let layer: u64 = self.layer_shapes().iter().map(|(_, s)| count(s)).sum();
        self.outer_shapes()
            .iter()
            .map(|(_, s)| count(s))
            .sum::<u64>()
            + head
            + layer * self.num_hidden_layers as u64
    }

    fn outer_shapes(&self) -> [(String, Vec<usize>); 4] {
        let d = self.hidden_size;
        [
            (
                "model.embed_tokens.weight".to_owned(),
                vec![self.vocab_size, d],
            ),
            ("model.norm.weight".to_owned(), vec![d]),
            ("model.early_exit_gate.weight".to_owned(), vec![1, d]),
            ("model.early_exit_gate.bias".to_owned(), vec![1]),
        ]
    }

    fn layer_shapes(&self) -> [(&'static str, Vec<usize>); 11] {
        let (d, i, q, kv) = (
            self.hidden_size,
            self.intermediate_size,
            self.query_size(),
            self.key_value_size(),
        );
        [
            ("self_attn.q_proj.weight", vec![q, d]),
            ("self_attn.k_proj.weight", vec![kv, d]),
            ("self_attn.v_proj.weight", vec![kv, d]),
            ("self_attn.o_proj.weight", vec![d, q]),
            ("mlp.gate_proj.weight", vec![i, d]),
            ("mlp.up_proj.weight", vec![i, d]),
            ("mlp.down_proj.weight", vec![d, i]),
            ("input_layernorm.weight", vec![d]),
            ("input_layernorm_2.weight", vec![d]),
            ("post_attention_layernorm.weight", vec![d]),
            ("post_attention_layernorm_2.weight", vec![d]),
        ]
    }

    fn check(&self) -> Result<(), ConfigError> {
        let inconsistent = |field, found: usize, expected: String| {
            Err(ConfigError::Inconsistent {
                field,
                expected,
                found: found.to_string(),
            })
        };
        let (heads, kv) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(kv) {
            return inconsistent(
                "num_key_value_heads",
                kv,
                format!("it must divide num_attention_heads, which is {heads}"),
            );
        }
        if !self.head_dim.is_multiple_of(2) {
            return inconsistent(
                "head_dim",
                self.head_dim,
                "the rotary embedding needs it to be even".to_owned(),
            );
        }
        // Widths first, by checked arithmetic: the products inside `tensor_shapes` are only safe after this.
        let too_large = |tensor: &str, shape: Vec<usize>| {
            Err(ConfigError::TooLarge {
                tensor: tensor.to_owned(),
                shape,
            })
        };
        if heads
            .checked_mul(self.head_dim)
            .is_none_or(|q| q as u64 > MAX_SIZE)
        {
            return too_large("the queries of one position", vec![heads, self.head_dim]);
        }
        let shapes = self.outer_shapes().into_iter().chain(
            self.layer_shapes()
                .map(|(name, s)| (format!("model.layers.0.{name}"), s)),
        );
        for (name, shape) in shapes {
            let elements = shape.iter().try_fold(1u64, |n, &s| n.checked_mul(s as u64));
            if elements.is_none_or(|n| n > MAX_ELEMENTS) {
                return too_large(&name, shape);
            }
        }
        Ok(())
    }
}

/// Typed access to the fields; `null` counts as absent.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|v| !v.is_null())
    }

    fn size(&self, field: &'static str, most: u64) -> Result<usize, ConfigError> {
        let v = self.get(field).ok_or(ConfigError::MissingField { field })?;
        match v.as_u64() {
            Some(n) if (1..=most).contains(&n) => {
                usize::try_from(n).map_err(|_| invalid(field, "a smaller whole number", v))
            }
            _ => Err(invalid(
                field,
                &format!("a whole number from 1 to {most}"),
                v,
            )),
        }
    }

    fn positive(&self, field: &'static str) -> Result<f64, ConfigError> {
        let v = self.get(field).ok_or(ConfigError::MissingField { field })?;
        positive(field, v)
    }

    fn flag(&self, field: &'static str) -> Result<bool, ConfigError> {
        self.get(field).map_or(Ok(false), |v| {
            v.as_bool()
                .ok_or_else(|| invalid(field, "true or false", v))
        })
    }

    fn rope_theta(&self) -> Result<f64, ConfigError> {
        let outer = self
            .get("rope_theta")
            .map(|v| positive("rope_theta", v))
            .transpose()?;
        let parameters = self
            .get("rope_parameters")
            .and_then(|p| p.get("rope_theta"))
            .filter(|v| !v.is_null());
        let inner = parameters
            .map(|v| positive("rope_parameters.rope_theta", v))
            .transpose()?;
        match (outer, inner) {
            (Some(a), Some(b)) if a != b => Err(ConfigError::Inconsistent {
                field: "rope_theta",
                expected: format!("rope_parameters.rope_theta is {b}"),
                found: a.to_string(),
            }),
            (a, b) => a.or(b).ok_or(ConfigError::MissingField {
                field: "rope_theta",
            }),
        }
    }

    /// Refuses what would need other mathematics than the one implemented, rather than computing something close to it.
    fn refuse_unsupported(&self) -> Result<(), ConfigError> {
        let unsupported = |field, expected, found: &Value| {
            Err(ConfigError::Unsupported {
                field,
                expected,
                found: excerpt(&found.to_string()),
            })
        };
        match self.get("hidden_act") {
            None => {
                return Err(ConfigError::MissingField {
                    field: "hidden_act",
                });
            }
            Some(Value::String(s)) if s == "silu" => {}
            Some(other) => return unsupported("hidden_act", "\"silu\"", other),
        }
        for (field, scaling) in [
            ("rope_scaling", self.get("rope_scaling")),
            ("rope_parameters", self.get("rope_parameters")),
        ] {
            let Some(v) = scaling else { continue };
            let Value::Object(map) = v else {
                return Err(invalid(field, "an object or null", v));
            };
            let kind = map.get("rope_type").or_else(|| map.get("type"));
            if kind.is_some_and(|k| k != "default") || (kind.is_none() && field == "rope_scaling") {
                return unsupported(
                    field,
                    "plain rotary embedding (null, or rope_type \"default\")",
                    v,
                );
            }
            if let Some(p) = map
                .get("partial_rotary_factor")
                .filter(|p| p.as_f64() != Some(1.0))
            {
                return unsupported("partial_rotary_factor", "1", p);
            }
        }
        for field in ["use_sliding_window", "attention_bias", "mlp_bias"] {
            if let Some(v) = self.get(field).filter(|v| **v != Value::Bool(false)) {
                return unsupported(field, "false", v);
            }
        }
        match self.get("layer_types") {
            None => Ok(()),
            Some(Value::Array(types)) => match types.iter().find(|t| *t != "full_attention") {
                None => Ok(()),
                Some(other) => {
                    unsupported("layer_types", "\"full_attention\" in every layer", other)
                }
            },
            Some(other) => Err(invalid("layer_types", "a list or null", other)),
        }
    }
}

fn positive(field: &'static str, v: &Value) -> Result<f64, ConfigError> {
    // Both go to the kernels as f32, where a tiny value would become zero and a large one infinity.
    v.as_f64()
        .filter(|&x| (x as f32).is_normal() && x > 0.0)
        .ok_or_else(|| invalid(field, "a positive number within the range of f32", v))
}

fn invalid(field: &'static str, expected: &str, found: &Value) -> ConfigError {
    ConfigError::InvalidField {
        field,
        expected: expected.to_owned(),
        found: excerpt(&found.to_string()),
    }
}

fn kind_of(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

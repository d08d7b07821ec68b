//! The shape of the model to train.

use looplm::Config;
use serde::Serialize;

use super::{ConfigError, section::Section};

/// Most recurrent steps that training unrolls.
pub(crate) const MAX_STEPS: u64 = 8;
/// Widest head that the attention kernels take.
const MAX_HEAD_DIM: usize = 128;

/// Sizes by the names of `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelConfig {
    /// Width of the hidden state, D.
    pub hidden_size: usize,
    /// Width inside the SwiGLU, I.
    pub intermediate_size: usize,
    /// Layers of the shared stack, L.
    pub num_hidden_layers: usize,
    /// Query heads, H.
    pub num_attention_heads: usize,
    /// Key/value heads, G, which divides H; `None`: as many as query heads. See [`Self::kv_heads`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<usize>,
    /// Width of one head, d, even; `None`: D / H. See [`Self::head_dim`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// Recurrent steps, T, from 1 to 8.
    pub total_ut_steps: usize,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Token ids the model has room for; `None`: as many as the task has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
}

impl ModelConfig {
    /// Key/value heads, G.
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of one head, d.
    pub fn head_dim(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// The `config.json` of a checkpoint of this shape, for sequences of up to `max_length` tokens.
    pub fn checkpoint_config(&self, vocab_size: usize, max_length: usize) -> Config {
        Config {
            vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            num_key_value_heads: self.kv_heads(),
            head_dim: self.head_dim(),
            total_ut_steps: self.total_ut_steps,
            rms_norm_eps: self.rms_norm_eps,
            rope_theta: self.rope_theta,
            max_position_embeddings: max_length.next_power_of_two().max(64),
            tie_word_embeddings: self.tie_word_embeddings,
            early_exit_threshold: 1.0,
            looplm_task: None,
        }
    }

    pub(super) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let positive = |x: f64| x > 0.0;
        let model = ModelConfig {
            hidden_size: s.size("hidden_size", 1..=8192)?,
            intermediate_size: s.size("intermediate_size", 1..=65_536)?,
            num_hidden_layers: s.size("num_hidden_layers", 1..=256)?,
            num_attention_heads: s.size("num_attention_heads", 1..=256)?,
            num_key_value_heads: s
                .integer_if_any("num_key_value_heads", 1..=256)?
                .map(|n| n as usize),
            head_dim: s.integer_if_any("head_dim", 1..=1024)?.map(|n| n as usize),
            total_ut_steps: s.size("total_ut_steps", 1..=MAX_STEPS)?,
            rope_theta: s.number_or("rope_theta", "a number above 0", positive, 10_000.0)?,
            rms_norm_eps: s.number_or("rms_norm_eps", "a number above 0", positive, 1e-6)?,
            tie_word_embeddings: s.flag_or("tie_word_embeddings", false)?,
            vocab_size: s
                .integer_if_any("vocab_size", 1..=1 << 20)?
                .map(|n| n as usize),
        };
        s.finish()?;
        model.check()?;
        Ok(model)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let heads = self.num_attention_heads;
        if self.head_dim.is_none() && !self.hidden_size.is_multiple_of(heads) {
            return Err(ConfigError::inconsistent(
                "model.hidden_size",
                self.hidden_size,
                format!(
                    "model.num_attention_heads is {heads}, which does not divide it, and there is no model.head_dim"
                ),
            ));
        }
        let width = self.head_dim();
        if !width.is_multiple_of(2) || width > MAX_HEAD_DIM {
            let (field, found) = match self.head_dim {
                Some(d) => ("model.head_dim", d.to_string()),
                None => (
                    "model.hidden_size",
                    format!("{} with {heads} heads", self.hidden_size),
                ),
            };
            return Err(ConfigError::inconsistent(
                field,
                found,
                format!(
                    "a head must be an even number of elements wide, at most {MAX_HEAD_DIM}: here it is {width}"
                ),
            ));
        }
        let kv = self.kv_heads();
        if !heads.is_multiple_of(kv) {
            return Err(ConfigError::inconsistent(
                "model.num_key_value_heads",
                kv,
                format!("it must divide model.num_attention_heads, which is {heads}"),
            ));
        }
        Ok(())
    }
}

//! A task for a model that is there already.

use looplm::Config;

use crate::{
    config::{ConfigError, ModelConfig, TrainConfig},
    task::Task,
};

/// Makes the model's shape the configuration's, whatever that says, and builds its task.
///
/// # Errors
/// [`ConfigError`] if the task's vocabulary or length is not the model's.
pub fn fit(config: &mut TrainConfig, model: &Config) -> Result<Box<dyn Task>, ConfigError> {
    config.model = ModelConfig {
        hidden_size: model.hidden_size,
        intermediate_size: model.intermediate_size,
        num_hidden_layers: model.num_hidden_layers,
        num_attention_heads: model.num_attention_heads,
        num_key_value_heads: Some(model.num_key_value_heads),
        head_dim: Some(model.head_dim),
        total_ut_steps: model.total_ut_steps,
        rope_theta: model.rope_theta,
        rms_norm_eps: model.rms_norm_eps,
        tie_word_embeddings: model.tie_word_embeddings,
        vocab_size: Some(model.vocab_size),
    };
    let task = config.task()?;
    if task.max_length() > model.max_position_embeddings {
        return Err(ConfigError::inconsistent(
            "task",
            format!("one of sequences of {} tokens", task.max_length()),
            format!(
                "the model's max_position_embeddings is {}",
                model.max_position_embeddings
            ),
        ));
    }
    Ok(task)
}

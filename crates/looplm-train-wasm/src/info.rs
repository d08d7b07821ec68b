//! What is known of a run, as a plain object.

use looplm_js::value::adapter;
use looplm_train::Trainer;
use serde_json::{Value, json};

pub(crate) fn of(trainer: &Trainer) -> Value {
    let (task, gpu) = (trainer.task(), trainer.gpu());
    json!({
        "config": trainer.config(),
        "parameters": trainer.parameters(),
        "memoryBytes": trainer.memory_bytes(),
        "vocabSize": trainer.model_config().vocab_size,
        "difficulties": task.difficulties(),
        "example": task.example(0),
        "task": task.description(),
        "adapter": adapter(gpu.report(), (gpu.max_binding(), gpu.max_buffer())),
        "updates": trainer.config().run.updates,
    })
}

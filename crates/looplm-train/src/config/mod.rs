//! The configuration of a run: what is learned, by a model of which shape, with which objective, for how long. TOML on
//! disk, JSON in JavaScript, the same keys in both. It is checked before anything is made: an unknown key, a size that
//! does not divide or a rate below zero is a [`ConfigError`] that names the field by its path.

mod error;
mod model;
mod objective;
mod optimizer;
pub mod presets;
mod run;
pub(crate) mod section;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::task::Task;
use crate::tasks::TaskConfig;
use section::Section;

pub use error::ConfigError;
pub use model::ModelConfig;
pub use objective::{ObjectiveConfig, ObjectiveKind, Prior};
pub use optimizer::{OptimizerConfig, ScheduleKind};
pub use run::{GateConfig, GateLabel, RunConfig};

/// A run from its first update to its exit gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainConfig {
    /// What to call the run: letters, digits, `-`, `_` and `.`, since folders are named after it.
    pub name: String,
    /// Seed of the initial weights, of the samples and of the task's own world.
    pub seed: u64,
    /// What is learned.
    pub task: TaskConfig,
    /// The shape of the model.
    pub model: ModelConfig,
    /// What is minimised.
    pub objective: ObjectiveConfig,
    /// AdamW and its schedule.
    pub optimizer: OptimizerConfig,
    /// How long, and how often to look.
    pub run: RunConfig,
    /// Training of the exit gate afterwards (Stage II).
    pub gate: GateConfig,
}

impl TrainConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is no TOML, and everything [`Self::validate`] finds.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            let at = e.span().map_or(String::new(), |s| {
                let line = text[..s.start.min(text.len())].matches('\n').count() + 1;
                format!("line {line}: ")
            });
            ConfigError::Syntax {
                format: "TOML",
                message: format!("{at}{}", e.message()),
            }
        })?;
        Self::read(&json_table(table))
    }

    /// Reads a configuration as JavaScript gives it.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is no JSON object, and everything [`Self::validate`] finds.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let map: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| ConfigError::Syntax {
                format: "JSON",
                message: e.to_string(),
            })?;
        Self::read(&map)
    }

    /// The whole configuration, defaults included, as TOML that [`Self::from_toml`] reads back as the same.
    pub fn to_toml(&self) -> String {
        // Structs of text, numbers and lists, in which every name is a string: there is nothing TOML cannot say.
        toml::to_string(self).unwrap_or_default()
    }

    /// The whole configuration, defaults included, as JSON that [`Self::from_json`] reads back as the same.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The rules that a configuration made by a program could break. What was read from text has been checked.
    ///
    /// # Errors
    /// [`ConfigError`] with the first field that breaks a rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let value = serde_json::to_value(self).map_err(|e| ConfigError::Syntax {
            format: "JSON",
            message: e.to_string(),
        })?;
        // Reading checks everything, so there is one set of rules.
        match value {
            Value::Object(map) => Self::read(&map).map(drop),
            _ => Ok(()),
        }
    }

    /// The file that the text to train on is in, where the configuration names one (`task.path`). Whoever has files reads
    /// it and gives it to [`Self::set_text_file`].
    pub fn text_path(&self) -> Option<&str> {
        match &self.task {
            TaskConfig::Text(text) => text.path.as_deref(),
            _ => None,
        }
    }

    /// Gives the content of [`Self::text_path`]. The configuration still names the file when it is written.
    ///
    /// # Errors
    /// [`ConfigError::Text`] for a file that is empty, binary, not UTF-8 or too large.
    pub fn set_text_file(&mut self, content: &[u8]) -> Result<(), ConfigError> {
        match &mut self.task {
            TaskConfig::Text(text) => text.set_file(content),
            _ => Ok(()),
        }
    }

    /// The generator of what is learned.
    ///
    /// # Errors
    /// [`ConfigError`] for a text that cannot be trained on, or a vocabulary smaller than the task's.
    pub fn task(&self) -> Result<Box<dyn Task>, ConfigError> {
        let task = self.task.build(self.seed)?;
        if let Some(given) = self.model.vocab_size
            && given < task.vocab_size()
        {
            return Err(ConfigError::inconsistent(
                "model.vocab_size",
                given,
                format!("the task has {} tokens", task.vocab_size()),
            ));
        }
        Ok(task)
    }

    /// The configuration that a checkpoint of this run has: the shape of the model with the vocabulary of its task.
    pub fn checkpoint_config(&self, task: &dyn Task) -> looplm::Config {
        looplm::Config {
            looplm_task: task.description(),
            ..self.model.checkpoint_config(
                self.model.vocab_size.unwrap_or_else(|| task.vocab_size()),
                task.max_length(),
            )
        }
    }

    fn read(map: &Map<String, Value>) -> Result<Self, ConfigError> {
        let empty = Map::new();
        let root = Section::root(map);
        let config = TrainConfig {
            name: name(&root)?,
            seed: root.seed_or("seed", 1)?,
            task: TaskConfig::read(root.section("task")?)?,
            model: ModelConfig::read(root.section("model")?)?,
            objective: ObjectiveConfig::read(root.section_or_empty("objective", &empty)?)?,
            optimizer: OptimizerConfig::read(root.section_or_empty("optimizer", &empty)?)?,
            run: RunConfig::read(root.section("run")?)?,
            gate: GateConfig::read(root.section_or_empty("gate", &empty)?)?,
        };
        root.finish()?;
        config.check_together()?;
        Ok(config)
    }

    /// Rules over several tables.
    fn check_together(&self) -> Result<(), ConfigError> {
        let steps = self.model.total_ut_steps;
        if let Some([_, most]) = self.objective.steps
            && most > steps
        {
            return Err(ConfigError::inconsistent(
                "objective.steps",
                format!("up to {most}"),
                format!("model.total_ut_steps is {steps}"),
            ));
        }
        let updates = self.run.updates;
        for (field, value) in [
            ("optimizer.warmup", self.optimizer.warmup),
            ("optimizer.decay", self.optimizer.decay.unwrap_or(0)),
        ] {
            if value > updates {
                return Err(ConfigError::inconsistent(
                    field,
                    value,
                    format!("run.updates is {updates}"),
                ));
            }
        }
        Ok(())
    }
}

fn name(root: &Section<'_>) -> Result<String, ConfigError> {
    let expected = "a name of at most 64 letters, digits, \"-\", \"_\" and \".\"";
    let name = root.text("name", expected)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('.') {
        return Err(ConfigError::invalid(
            "name",
            expected,
            format!("{:?}", section::excerpt(name)),
        ));
    }
    Ok(name.to_owned())
}

/// A TOML table as JSON. What JSON has no word for (dates, infinities) becomes text, which no field takes for a number.
fn json_table(table: toml::Table) -> Map<String, Value> {
    table.into_iter().map(|(k, v)| (k, json(v))).collect()
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(s) => Value::String(s),
        toml::Value::Integer(i) => i.into(),
        toml::Value::Float(x) => {
            serde_json::Number::from_f64(x).map_or(Value::String(x.to_string()), Value::Number)
        }
        toml::Value::Boolean(b) => b.into(),
        toml::Value::Datetime(d) => Value::String(d.to_string()),
        toml::Value::Array(a) => a.into_iter().map(json).collect(),
        toml::Value::Table(t) => Value::Object(json_table(t)),
    }
}

//! Runs that are known to work, each a TOML file of `presets/` with a table `[about]` for people.

use serde::Serialize;

use super::error::nearest;
use super::{ConfigError, TrainConfig};
use crate::task::Example;

/// A named run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preset {
    /// The name by which [`get`] finds it.
    pub name: &'static str,
    /// A few words.
    pub title: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// How long it takes on a laptop's GPU, about.
    pub expected_minutes: f64,
    /// The run.
    pub config: TrainConfig,
    /// One held-out sample.
    pub example: Example,
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../presets/", $name, ".toml")))),+]
    };
}

/// Name and text of each, in the order in which people should meet them.
const PRESETS: &[(&str, &str)] = presets![
    "first-look",
    "shell-game",
    "who-is-who",
    "addition-small",
    "mano-small",
    "root-small",
    "k-hop-small",
    "reach-small",
    "people-small",
    "biographies-small",
    "shuffle-s5",
    "text-bytes",
    "text-pieces",
    "mano-paper",
    "people-paper",
    "biographies-paper",
];

/// The names of all presets, in the order in which people should meet them.
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

/// The preset of a name.
///
/// # Errors
/// [`ConfigError::UnknownPreset`] with the nearest name there is.
pub fn get(name: &str) -> Result<Preset, ConfigError> {
    let (name, text) =
        PRESETS
            .iter()
            .find(|(n, _)| *n == name)
            .ok_or_else(|| ConfigError::UnknownPreset {
                name: super::section::excerpt(name),
                suggestion: nearest(name, names()),
                known: names().into_iter().map(str::to_owned).collect(),
            })?;
    read(name, text)
}

/// The TOML of a preset as `looplm train` takes it, with its comments and without what is for people.
///
/// # Errors
/// As [`get`].
pub fn toml(name: &str) -> Result<String, ConfigError> {
    Ok(get(name)?.config.to_toml())
}

fn read(name: &'static str, text: &str) -> Result<Preset, ConfigError> {
    let syntax = |e: toml::de::Error| ConfigError::Syntax {
        format: "TOML",
        message: e.message().to_owned(),
    };
    let mut table: toml::Table = text.parse().map_err(syntax)?;
    let about: About = table
        .remove("about")
        .unwrap_or_else(|| toml::Value::Table(toml::Table::new()))
        .try_into()
        .map_err(syntax)?;
    let config = TrainConfig::read(&super::json_table(table))?;
    let example = config.task()?.example(0);
    Ok(Preset {
        name,
        title: about.title,
        description: about.description,
        expected_minutes: about.expected_minutes,
        config,
        example,
    })
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    title: String,
    description: String,
    expected_minutes: f64,
}

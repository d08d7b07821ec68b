//! What a command line calls a configuration: a file, or the name of a preset. And the model that a path means.

use std::fs;
use std::path::{Path, PathBuf};

use looplm_train::TrainConfig;
use looplm_train::config::presets;
use looplm_train::run_folder;

use crate::failure::Failure;

/// Reads a configuration and checks all of it.
pub(crate) fn find(name: &str) -> Result<TrainConfig, Failure> {
    let path = Path::new(name);
    let is_name = path.extension().is_none() && path.components().count() == 1;
    if is_name && !path.exists() {
        return Ok(presets::get(name)?.config);
    }
    let text = fs::read_to_string(path).map_err(|e| Failure::Read {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<TrainConfig, Failure> {
    TrainConfig::from_toml(text).map_err(|error| Failure::Config {
        path: path.to_owned(),
        error: Box::new(error),
    })
}

/// A trained model, and what it is to be measured on.
pub(crate) struct Trained {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What to measure with.
    pub(crate) config: TrainConfig,
    /// The run it came from, with its configuration as it is written there.
    pub(crate) run: Option<(PathBuf, String)>,
}

/// Finds the model of a run, or takes a model folder as it is. `task` is the configuration to measure with; a run, and a
/// model in a run's folder, have the run's.
pub(crate) fn trained(path: &Path, task: Option<&str>) -> Result<Trained, Failure> {
    let is_run = run_folder::is_run(path);
    let run = Some(path)
        .filter(|_| is_run)
        .or_else(|| path.parent().filter(|parent| run_folder::is_run(parent)));
    let text = run.map(run_folder::read_config).transpose()?;
    let config = match (task, run, &text) {
        (Some(task), ..) => find(task)?,
        (None, Some(run), Some(text)) => parse(&run.join(run_folder::CONFIG), text)?,
        _ => {
            return Err(Failure::NoTask {
                path: path.to_owned(),
            });
        }
    };
    Ok(if is_run {
        Trained {
            folder: run_folder::best_model(path)?,
            config,
            run: text.map(|text| (path.to_owned(), text)),
        }
    } else {
        Trained {
            folder: path.to_owned(),
            config,
            run: None,
        }
    })
}

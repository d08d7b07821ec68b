//! What a command line calls a configuration: a file, or the name of a preset. And the model that a path means.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use looplm_train::TrainConfig;
use looplm_train::config::{ConfigError, presets};
use looplm_train::run_folder;
use looplm_train::tasks::{MAX_TEXT, TaskConfig};

use crate::failure::Failure;

/// What a model's folder calls the configuration it was trained with, if it is shipped with it.
const TRAINED_WITH: &str = "train.toml";

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
    let wrong = |error: ConfigError| Failure::Config {
        path: path.to_owned(),
        error: Box::new(error),
    };
    let mut config = TrainConfig::from_toml(text).map_err(wrong)?;
    if let TaskConfig::Text(task) = &mut config.task
        && let Some(name) = &task.path
    {
        // Beside the configuration. A run's own lies elsewhere and has to find the file too, so the whole path is kept.
        let file = path.with_file_name(name);
        let file = std::path::absolute(&file).unwrap_or(file);
        let unreadable = |e: io::Error| Failure::Read {
            path: file.clone(),
            reason: e.to_string(),
        };
        let mut content = Vec::new();
        // One byte too many is enough to be told that there are too many.
        File::open(&file)
            .and_then(|file| file.take(MAX_TEXT as u64 + 1).read_to_end(&mut content))
            .map_err(unreadable)?;
        task.path = Some(file.to_string_lossy().into_owned());
        config.set_text_file(&content).map_err(wrong)?;
    }
    Ok(config)
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
/// model in a run's folder, have the run's, and a model may have its own beside it.
pub(crate) fn trained(path: &Path, task: Option<&str>) -> Result<Trained, Failure> {
    let is_run = run_folder::is_run(path);
    let run = Some(path)
        .filter(|_| is_run)
        .or_else(|| path.parent().filter(|parent| run_folder::is_run(parent)));
    let text = run.map(run_folder::read_config).transpose()?;
    let config = match (task, run, &text) {
        (Some(task), ..) => find(task)?,
        (None, Some(run), Some(text)) => parse(&run.join(run_folder::CONFIG), text)?,
        _ if path.join(TRAINED_WITH).is_file() => find(&path.join(TRAINED_WITH).to_string_lossy())?,
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

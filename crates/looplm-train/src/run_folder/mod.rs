//! A run on disk.
//!
//! ```text
//! RUN/config.toml      what was asked for
//!     metrics.jsonl    a line for each update, evaluation and gate training (crate::metrics::Metric)
//!     train.log        the same in words, with what else happened
//!     last/            the newest checkpoint: a Hugging Face folder and optimizer.safetensors
//!     best/            the checkpoint of the best evaluation, likewise
//!     lock             held by the process that writes
//! ```
//!
//! Checkpoints are replaced, never changed: a full disk or a crash at any point leaves the one before.

mod atomic;
mod config;
mod error;
mod history;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

pub use config::check_architecture;
pub use error::RunFolderError;

use crate::metrics::{Evaluation, Metric};
use error::at;
use history::{History, Score};

/// The configuration of a run.
pub const CONFIG: &str = "config.toml";
/// The file of a checkpoint that holds the state of the optimizer.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// The key of its metadata that holds the number of updates done.
pub const UPDATE_KEY: &str = "update";
const WEIGHTS: &str = "model.safetensors";
const METRICS: &str = "metrics.jsonl";
const LOG: &str = "train.log";
const LOCK: &str = "lock";

/// One of a run's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Last,
    /// That of the best evaluation.
    Best,
}

impl Which {
    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Which::Last => "last",
            Which::Best => "best",
        }
    }
}

/// A run folder that this process alone writes, for as long as this value lives.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    metrics: File,
    log: File,
    best: Option<Score>,
    /// Updates done at the newest checkpoint.
    saved: Option<u64>,
    /// Locked; the lock goes with the file.
    _lock: File,
}

impl RunFolder {
    /// Makes a new run in a folder that does not exist or is empty.
    ///
    /// # Errors
    /// [`RunFolderError::Exists`], [`RunFolderError::NotEmpty`], [`RunFolderError::NotAFolder`],
    /// [`RunFolderError::Busy`], or what the file system says.
    pub fn create(root: &Path, config: &str) -> Result<Self, RunFolderError> {
        check_new(root)?;
        fs::create_dir_all(root).map_err(at("make", root))?;
        let lock = lock(root)?;
        // Between the look and the lock, another process may have begun a run.
        check_is_empty(root)?;
        atomic::replace_file(&root.join(CONFIG), config.as_bytes())?;
        Self::open(root, lock, 0)
    }

    /// Opens a run to go on with it, and drops the metrics beyond its newest checkpoint. A run that was stopped before
    /// its first checkpoint begins anew. `config` is what was given now, and has to say what the run's own says.
    ///
    /// # Errors
    /// [`RunFolderError::NotARun`], [`RunFolderError::Busy`], [`RunFolderError::ConfigDiffers`],
    /// [`RunFolderError::Damaged`], or what the file system says.
    pub fn resume(root: &Path, config: &str) -> Result<Self, RunFolderError> {
        check_is_run(root)?;
        let lock = lock(root)?;
        let path = root.join(CONFIG);
        config::check_same(&path, &read_text(&path)?, config)?;
        for which in [Which::Last, Which::Best] {
            atomic::recover(&root.join(which.name()))?;
        }
        let last = root.join(Which::Last.name());
        let saved = last.is_dir().then(|| updates(&last)).transpose()?;
        let mut folder = Self::open(root, lock, saved.unwrap_or(0))?;
        folder.saved = saved;
        Ok(folder)
    }

    fn open(root: &Path, lock: File, update: u64) -> Result<Self, RunFolderError> {
        let append = |name| {
            let path = root.join(name);
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.map_err(at("open", &path))
        };
        let metrics = append(METRICS)?;
        let path = root.join(METRICS);
        let history = History::read(&path, &read(&path)?, update)?;
        metrics
            .set_len(history.length)
            .map_err(at("shorten", &path))?;
        Ok(Self {
            root: root.to_owned(),
            metrics,
            log: append(LOG)?,
            best: history.best,
            saved: None,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a checkpoint is, or will be.
    pub fn path(&self, which: Which) -> PathBuf {
        self.root.join(which.name())
    }

    /// Updates done at the newest checkpoint; `None` before the first.
    pub fn saved(&self) -> Option<u64> {
        self.saved
    }

    /// The weights (`model.safetensors`) and the state of the optimizer (`optimizer.safetensors`) of a checkpoint.
    ///
    /// # Errors
    /// What the file system says.
    pub fn load(&self, which: Which) -> Result<(Vec<u8>, Vec<u8>), RunFolderError> {
        let folder = self.path(which);
        Ok((read(&folder.join(WEIGHTS))?, read(&folder.join(OPTIMIZER))?))
    }

    /// Replaces a checkpoint. `model` is a Hugging Face folder, file by file; the metadata of `optimizer`, a safetensors
    /// file, has the number of updates done as [`UPDATE_KEY`]. Whatever fails, the checkpoint before stays.
    ///
    /// # Errors
    /// [`RunFolderError::Damaged`] where `optimizer` does not say its updates, or what the file system says.
    pub fn save(
        &mut self,
        which: Which,
        model: &[(String, Vec<u8>)],
        optimizer: &[u8],
    ) -> Result<(), RunFolderError> {
        let folder = self.path(which);
        let update = updates_of(&folder.join(OPTIMIZER), optimizer)?;
        let mut files: Vec<(&str, &[u8])> = model.iter().map(|(n, b)| (&**n, &**b)).collect();
        files.push((OPTIMIZER, optimizer));
        atomic::replace(&folder, &files)?;
        if which == Which::Last {
            self.saved = Some(update);
        }
        Ok(())
    }

    /// Whether an evaluation is better than all before it: a higher mean accuracy of the last step, or the same at a
    /// lower loss. Such a state is to be saved as [`Which::Best`], and then the evaluation recorded.
    pub fn is_best(&self, evaluation: &Evaluation) -> bool {
        let score = Score::of(evaluation);
        self.best.is_none_or(|best| score.is_better_than(best))
    }

    /// Appends a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// What the file system says. A line written in part is dropped on resuming.
    pub fn record(&mut self, metric: &Metric) -> Result<(), RunFolderError> {
        if let Metric::Evaluation(evaluation) = metric
            && self.is_best(evaluation)
        {
            self.best = Some(Score::of(evaluation));
        }
        let path = self.root.join(METRICS);
        let line = serde_json::to_string(metric)
            .map_err(io::Error::from)
            .map_err(at("write", &path))?;
        self.metrics
            .write_all(format!("{line}\n").as_bytes())
            .map_err(at("write", &path))
    }

    /// Appends text to `train.log`, for people.
    ///
    /// # Errors
    /// What the file system says.
    pub fn log(&mut self, text: &str) -> Result<(), RunFolderError> {
        let path = self.root.join(LOG);
        self.log
            .write_all(format!("{text}\n").as_bytes())
            .map_err(at("write", &path))
    }
}

/// Whether [`RunFolder::create`] could make a run here, as far as can be told without making one.
///
/// # Errors
/// [`RunFolderError::Exists`], [`RunFolderError::NotEmpty`], [`RunFolderError::NotAFolder`].
pub fn check_new(root: &Path) -> Result<(), RunFolderError> {
    if !root.exists() {
        return Ok(());
    }
    check_is_folder(root)?;
    check_is_empty(root)
}

/// Whether a folder is meant to be a run: it has the configuration of one and is no model.
pub fn is_run(root: &Path) -> bool {
    root.join(CONFIG).is_file() && !root.join("config.json").exists()
}

/// The configuration of a run, as TOML.
///
/// # Errors
/// [`RunFolderError::NotARun`], [`RunFolderError::NotAFolder`], or what the file system says.
pub fn read_config(root: &Path) -> Result<String, RunFolderError> {
    check_is_run(root)?;
    read_text(&root.join(CONFIG))
}

/// The folder of a run's best checkpoint, or of its newest where none was evaluated. Needs no lock: another process may
/// be writing the run.
///
/// # Errors
/// [`RunFolderError::NotARun`] where the run has no checkpoint.
pub fn best_model(root: &Path) -> Result<PathBuf, RunFolderError> {
    check_is_run(root)?;
    [Which::Best, Which::Last]
        .iter()
        .find_map(|which| atomic::newest(&root.join(which.name())))
        .ok_or(RunFolderError::NotARun {
            path: root.to_owned(),
            missing: "checkpoint yet (last/, best/)",
        })
}

/// The number of updates behind the checkpoint in a folder.
///
/// # Errors
/// [`RunFolderError::Damaged`], or what the file system says.
pub fn updates(checkpoint: &Path) -> Result<u64, RunFolderError> {
    let path = checkpoint.join(OPTIMIZER);
    updates_of(&path, &read(&path)?)
}

/// Writes a Hugging Face folder, wholly or not at all, in the place of what is there under the name.
///
/// # Errors
/// [`RunFolderError::NotAFolder`], [`RunFolderError::NotEmpty`] where something other than a model is there, or what the
/// file system says.
pub fn write_model(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), RunFolderError> {
    if folder.exists() {
        check_is_folder(folder)?;
        if !folder.join(WEIGHTS).is_file() || folder.join(OPTIMIZER).exists() {
            check_is_empty(folder)?;
        }
    }
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent).map_err(at("make", parent))?;
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (&**n, &**b)).collect();
    atomic::replace(folder, &files)
}

fn check_is_folder(path: &Path) -> Result<(), RunFolderError> {
    if path.is_dir() {
        return Ok(());
    }
    Err(RunFolderError::NotAFolder {
        path: path.to_owned(),
    })
}

/// A lock may be left of a run that never began.
fn check_is_empty(root: &Path) -> Result<(), RunFolderError> {
    let path = root.to_owned();
    if root.join(CONFIG).exists() {
        return Err(RunFolderError::Exists { path });
    }
    for entry in fs::read_dir(root).map_err(at("list", root))? {
        if entry.map_err(at("list", root))?.file_name() != LOCK {
            return Err(RunFolderError::NotEmpty { path });
        }
    }
    Ok(())
}

fn check_is_run(root: &Path) -> Result<(), RunFolderError> {
    if root.exists() {
        check_is_folder(root)?;
    }
    if root.join(CONFIG).is_file() {
        return Ok(());
    }
    Err(RunFolderError::NotARun {
        path: root.to_owned(),
        missing: CONFIG,
    })
}

fn lock(root: &Path) -> Result<File, RunFolderError> {
    let path = root.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunFolderError::Busy {
            path: root.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(at("lock", &path)(error)),
    }
}

/// The number of updates that the metadata of an `optimizer.safetensors` tells.
fn updates_of(path: &Path, bytes: &[u8]) -> Result<u64, RunFolderError> {
    let damaged = |what: String| RunFolderError::Damaged {
        path: path.to_owned(),
        what,
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let update = header.metadata().as_ref().and_then(|m| m.get(UPDATE_KEY));
    update
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| damaged(format!("its metadata has no number under {UPDATE_KEY:?}")))
}

fn read(path: &Path) -> Result<Vec<u8>, RunFolderError> {
    fs::read(path).map_err(at("read", path))
}

fn read_text(path: &Path) -> Result<String, RunFolderError> {
    fs::read_to_string(path).map_err(at("read", path))
}

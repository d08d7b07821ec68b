//! Workgroups that were measured, kept in the user's cache folder.

use std::fs;
use std::path::PathBuf;

use looplm_gpu::tune::Tunings;

const FILE: &str = "looplm/tunings.json";

fn path() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join(FILE))
}

/// What was kept; nothing where there is no such file, or one that cannot be read: they are measured again then.
pub(crate) fn read() -> Tunings {
    path()
        .and_then(|path| fs::read(path).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Keeps them, where that is possible: a machine that keeps nothing measures at every start.
pub(crate) fn keep(known: &Tunings) {
    let (Some(path), Ok(text)) = (path(), serde_json::to_vec_pretty(known)) else {
        return;
    };
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&path, text));
    if let Err(error) = written {
        log::debug!("{} could not be written: {error}", path.display());
    }
}

//! Folders that are there wholly or not at all.
//!
//! A new version is written beside the old one and synced to the disk. Then the old one steps aside, the new one takes
//! its name and the old one goes. A folder cannot be replaced by one rename, so a crash between the two leaves no folder
//! of the name, but both of its siblings; [`recover`] finishes what was begun.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::{RunFolderError, at};

/// A version that is being written.
fn new_of(folder: &Path) -> PathBuf {
    sibling(folder, "new")
}

/// A version that is being replaced: where it exists, the new one is complete.
fn old_of(folder: &Path) -> PathBuf {
    sibling(folder, "old")
}

fn sibling(folder: &Path, suffix: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{suffix}"))
}

/// Replaces `folder` by one with these files. Where that fails (a full disk), the folder is as it was.
pub(super) fn replace(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), RunFolderError> {
    recover(folder)?;
    let (new, old) = (new_of(folder), old_of(folder));
    if let Err(error) = fill(&new, files) {
        // What cannot be removed now is removed by the next recovery.
        let _ = fs::remove_dir_all(&new);
        return Err(error);
    }
    if folder.exists() {
        fs::rename(folder, &old).map_err(at("rename", folder))?;
    }
    if let Err(source) = fs::rename(&new, folder) {
        let _ = fs::rename(&old, folder);
        return Err(at("rename", &new)(source));
    }
    sync_parent(folder)?;
    remove(&old)
}

fn fill(new: &Path, files: &[(&str, &[u8])]) -> Result<(), RunFolderError> {
    fs::create_dir_all(new).map_err(at("make", new))?;
    for (name, bytes) in files {
        write_synced(&new.join(name), bytes)?;
    }
    sync_folder(new)
}

/// Brings a folder that a crash left half replaced to its newest complete version, and removes what else is left.
pub(super) fn recover(folder: &Path) -> Result<(), RunFolderError> {
    let (new, old) = (new_of(folder), old_of(folder));
    if !folder.exists() {
        // The old one steps aside only once the new one is complete.
        match (new.exists(), old.exists()) {
            (true, true) => fs::rename(&new, folder).map_err(at("rename", &new))?,
            (false, true) => fs::rename(&old, folder).map_err(at("rename", &old))?,
            _ => {}
        }
    }
    remove(&new)?;
    remove(&old)
}

/// Where the newest complete version of a folder is, for who only reads: another process may be replacing it.
pub(super) fn newest(folder: &Path) -> Option<PathBuf> {
    let (new, old) = (new_of(folder), old_of(folder));
    if folder.is_dir() {
        Some(folder.to_owned())
    } else if old.is_dir() {
        Some(if new.is_dir() { new } else { old })
    } else {
        None
    }
}

fn remove(folder: &Path) -> Result<(), RunFolderError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Replaces a file: whoever finds it finds all of it.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), RunFolderError> {
    let new = new_of(path);
    write_synced(&new, bytes).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })?;
    fs::rename(&new, path).map_err(at("rename", &new))?;
    sync_parent(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), RunFolderError> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(at("write", path))
}

fn sync_parent(path: &Path) -> Result<(), RunFolderError> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder last. Only Unix lets a folder be opened as a file; elsewhere the system sees to it.
fn sync_folder(folder: &Path) -> Result<(), RunFolderError> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(at("sync", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(folder: &Path) -> Option<String> {
        fs::read_to_string(newest(folder)?.join("a")).ok()
    }

    #[test]
    fn a_crash_at_any_point_leaves_a_complete_version() {
        let parent = tempfile::tempdir().expect("there is room for a temporary folder");
        let folder = parent.path().join("last");
        let make = |path: &Path, text: &str| {
            fs::create_dir(path).expect("the folder can be made");
            fs::write(path.join("a"), text).expect("the file can be written");
        };
        // While the first is written.
        make(&new_of(&folder), "half");
        assert_eq!(content(&folder), None);
        recover(&folder).expect("it can be recovered");
        assert_eq!(content(&folder), None);
        assert!(!new_of(&folder).exists());

        // While a second is written.
        replace(&folder, &[("a", b"one")]).expect("it can be written");
        make(&new_of(&folder), "half");
        assert_eq!(content(&folder).as_deref(), Some("one"));
        recover(&folder).expect("it can be recovered");
        assert_eq!(content(&folder).as_deref(), Some("one"));

        // Between the two renames.
        make(&new_of(&folder), "two");
        fs::rename(&folder, old_of(&folder)).expect("it can be renamed");
        assert_eq!(content(&folder).as_deref(), Some("two"));
        recover(&folder).expect("it can be recovered");
        assert_eq!(content(&folder).as_deref(), Some("two"));

        // Before the old one is removed.
        make(&old_of(&folder), "one");
        recover(&folder).expect("it can be recovered");
        assert_eq!(content(&folder).as_deref(), Some("two"));
        let left = fs::read_dir(parent.path())
            .expect("it can be listed")
            .count();
        assert_eq!(left, 1, "nothing but the folder is left");
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let parent = tempfile::tempdir().expect("there is room for a temporary folder");
        let folder = parent.path().join("last");
        replace(&folder, &[("a", b"one")]).expect("it can be written");
        // A file in a folder that does not exist cannot be written, as on a full disk.
        let error = replace(&folder, &[("a", b"two"), ("no/such", b"")]);
        assert!(matches!(
            error,
            Err(RunFolderError::Io {
                action: "write",
                ..
            })
        ));
        assert_eq!(content(&folder).as_deref(), Some("one"));
        assert!(!new_of(&folder).exists());
    }
}

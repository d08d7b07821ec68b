//! Where a report is written: a new or empty folder, or that of an earlier report.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::report::FORMAT;
use crate::failure::Failure;

/// The figures.
pub(super) const DATA: &str = "exits.json";
/// The page.
pub(super) const PAGE: &str = "index.html";

/// What tells a report's data from others'.
#[derive(Deserialize)]
struct Marker {
    format: String,
}

/// A folder that may be written to.
pub(super) struct ReportFolder {
    path: PathBuf,
}

impl ReportFolder {
    /// Makes sure that nothing but a report would be overwritten, and that there is a folder.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::File {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        if path.exists() && !is_free(path).map_err(cannot)? {
            return Err(Failure::NotAReport {
                path: path.to_owned(),
            });
        }
        fs::create_dir_all(path).map_err(cannot)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where the page is.
    pub(super) fn page(&self) -> PathBuf {
        self.path.join(PAGE)
    }

    /// Writes a file: whoever finds it finds all of it.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        let write = || {
            let mut file = NamedTempFile::new_in(&self.path)?;
            file.write_all(content)?;
            readable(file.as_file())?;
            file.persist(&path)?;
            io::Result::Ok(())
        };
        write().map_err(|error| Failure::File {
            path: path.clone(),
            reason: error.to_string(),
        })
    }
}

/// Temporary files are their owner's alone; a report is to be shown.
fn readable(file: &fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Whether the folder is empty or holds a report.
fn is_free(path: &Path) -> io::Result<bool> {
    if !path.is_dir() {
        return Ok(false);
    }
    if fs::read_dir(path)?.next().is_none() {
        return Ok(true);
    }
    let Ok(data) = fs::read(path.join(DATA)) else {
        return Ok(false);
    };
    let marker = serde_json::from_slice::<Marker>(&data);
    Ok(marker.is_ok_and(|marker| marker.format == FORMAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_are_overwritten() {
        let place = tempfile::TempDir::new().expect("there is room");
        let folder = place.path().join("a/report");
        let free = |path: &Path| ReportFolder::open(path).is_ok();
        assert!(free(&folder) && folder.is_dir(), "a new one");
        assert!(free(&folder), "an empty one");
        let report = ReportFolder::open(&folder).expect("it is empty");
        report.write(PAGE, b"<p>").expect("there is room");
        assert!(!free(&folder), "a page alone may be anybody's");
        let data = |format: &str| format!("{{\"format\":\"{format}\",\"more\":1}}");
        let write = |text: String| report.write(DATA, text.as_bytes()).expect("there is room");
        write(data("other"));
        assert!(!free(&folder));
        write(data(FORMAT));
        assert!(free(&folder));
        assert!(!free(&folder.join(DATA)), "a file");
    }
}

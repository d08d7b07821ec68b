//! A folder on disk, memory-mapped.

use std::borrow::Cow;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use memmap2::Mmap;

use super::source::{Reader, Source, SourceError};
use super::{MAX_PIECE, source};

/// A checkpoint folder on disk. Files are mapped, not read: the system loads pages as they are asked for.
#[derive(Debug, Clone)]
pub struct FolderSource {
    path: PathBuf,
}

impl FolderSource {
    /// The folder at `path`.
    ///
    /// # Errors
    /// [`SourceError::NoSuchFolder`], [`SourceError::NotAFolder`], or [`SourceError::Io`].
    pub fn new(path: impl AsRef<Path>) -> Result<FolderSource, SourceError> {
        let path = path.as_ref().to_owned();
        let shown = path.display().to_string();
        match std::fs::metadata(&path) {
            Ok(m) if m.is_dir() => Ok(FolderSource { path }),
            Ok(_) => Err(SourceError::NotAFolder { path: shown }),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(SourceError::NoSuchFolder { path: shown })
            }
            Err(e) => Err(SourceError::Io {
                path: shown,
                message: e.to_string(),
            }),
        }
    }
}

#[async_trait(?Send)]
impl Source for FolderSource {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn source::Reader>>, SourceError> {
        let full = self.path.join(path);
        let io = |e: std::io::Error| SourceError::Io {
            path: full.display().to_string(),
            message: e.to_string(),
        };
        let file = match File::open(&full) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        if !file.metadata().map_err(io)?.is_file() {
            return Err(SourceError::Io {
                path: full.display().to_string(),
                message: "it is not a file".to_owned(),
            });
        }
        // SAFETY: the map is read-only and private to this reader. Its bytes are undefined only if another process
        // writes to or truncates the file while it is loaded, which every user of mapped checkpoints accepts: they are
        // plain numbers, checked as they are read, so a change gives wrong numbers or ends the process, no wild access.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Some(Box::new(MappedFile { map, at: 0 })))
    }
}

struct MappedFile {
    map: Mmap,
    at: usize,
}

#[async_trait(?Send)]
impl Reader for MappedFile {
    fn size(&self) -> Option<u64> {
        Some(self.map.len() as u64)
    }

    async fn read(&mut self) -> Result<Option<Cow<'_, [u8]>>, SourceError> {
        let rest = &self.map[self.at..];
        let chunk = &rest[..rest.len().min(MAX_PIECE)];
        self.at += chunk.len();
        Ok((!chunk.is_empty()).then_some(Cow::Borrowed(chunk)))
    }
}

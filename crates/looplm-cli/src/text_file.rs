//! A file of text that a command writes: there wholly or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::tensor_file::{folder_of, new_file};

/// A file to be written, in a folder that is there.
pub(crate) struct TextFile<'a> {
    path: &'a Path,
    folder: PathBuf,
}

impl<'a> TextFile<'a> {
    /// Asked for before the work, so that a wrong path does not cost it.
    pub(crate) fn new(path: &'a Path) -> Result<Self, Failure> {
        Ok(Self {
            path,
            folder: folder_of(path)?,
        })
    }

    /// Writes under another name first: whoever finds the file finds all of it.
    pub(crate) fn write(&self, content: &[u8]) -> Result<(), Failure> {
        let write = || {
            let mut file = new_file("").tempfile_in(&self.folder)?;
            file.write_all(content)?;
            file.persist(self.path)?;
            io::Result::Ok(())
        };
        write().map_err(|error| Failure::File {
            path: self.path.to_owned(),
            reason: error.to_string(),
        })
    }
}

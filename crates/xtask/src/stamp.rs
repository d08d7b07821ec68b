//! Skipping work that is up to date: a step's inputs are hashed, and the hash of the last time it succeeded is kept.

use crate::project::Project;
use anyhow::{Context, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The state of the inputs of one step.
#[derive(Default)]
pub(crate) struct Inputs(DefaultHasher);

impl Inputs {
    /// Adds an option that changes the outcome.
    pub(crate) fn value(mut self, value: impl Hash) -> Self {
        value.hash(&mut self.0);
        self
    }

    /// Adds a file, or every file below a folder: path and content. What is not there counts as such. Folders called
    /// `dist` or `node_modules` are outputs and left out.
    pub(crate) fn files(mut self, path: &Path) -> Result<Self> {
        for file in files_below(path)? {
            file.strip_prefix(path).unwrap_or(&file).hash(&mut self.0);
            std::fs::read(&file)
                .with_context(|| format!("could not read {}", file.display()))?
                .hash(&mut self.0);
        }
        path.hash(&mut self.0);
        Ok(self)
    }

    /// The stamp of a step of this name with these inputs.
    pub(crate) fn stamp(self, project: &Project, step: &str) -> Stamp {
        let file = project.target.join("xtask-stamps").join(step);
        Stamp {
            file,
            hash: format!("{:016x}", self.0.finish()),
        }
    }
}

/// Says whether a step has already been done with the same inputs.
pub(crate) struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    /// Whether the step succeeded with the same inputs the last time, and its output is still there.
    pub(crate) fn is_current(&self, output: &Path) -> bool {
        output.exists() && std::fs::read_to_string(&self.file).is_ok_and(|kept| kept == self.hash)
    }

    /// To be called before the step starts: a step that is broken off is not current.
    pub(crate) fn clear(&self) {
        // An error here means that there is no stamp to remove.
        let _ = std::fs::remove_file(&self.file);
    }

    /// To be called when the step has succeeded.
    pub(crate) fn write(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.file, &self.hash)
            .with_context(|| format!("could not write {}", self.file.display()))
    }
}

/// All files below a folder in a fixed order, or the file itself; nothing where neither is there.
pub(crate) fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if path.is_file() {
        found.push(path.to_owned());
    } else if path.is_dir() {
        let entries = std::fs::read_dir(path)
            .with_context(|| format!("could not list {}", path.display()))?;
        let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let is_output = entry.file_name() == "dist" || entry.file_name() == "node_modules";
            if !(is_output && entry.path().is_dir()) {
                found.extend(files_below(&entry.path())?);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project_in(folder: &Path) -> Project {
        Project {
            root: folder.to_owned(),
            target: folder.join("target"),
        }
    }

    fn stamp(project: &Project) -> Result<Stamp> {
        Ok(Inputs::default()
            .value("option")
            .files(&project.path("src"))?
            .stamp(project, "step"))
    }

    #[test]
    fn a_step_is_done_again_when_an_input_changes_or_the_output_is_gone() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = project_in(folder.path());
        let output = project.path("output");
        std::fs::create_dir_all(project.path("src/deeper/dist"))?;
        std::fs::write(project.path("src/deeper/a.txt"), "one")?;
        std::fs::write(&output, "made")?;

        assert!(!stamp(&project)?.is_current(&output), "it was never done");
        stamp(&project)?.write()?;
        assert!(stamp(&project)?.is_current(&output));

        std::fs::write(project.path("src/deeper/a.txt"), "two")?;
        assert!(
            !stamp(&project)?.is_current(&output),
            "a file has other content"
        );
        stamp(&project)?.write()?;

        std::fs::write(project.path("src/deeper/dist/made.txt"), "made")?;
        assert!(
            stamp(&project)?.is_current(&output),
            "outputs are no inputs"
        );

        std::fs::write(project.path("src/b.txt"), "")?;
        assert!(!stamp(&project)?.is_current(&output), "there is a new file");
        stamp(&project)?.write()?;

        std::fs::remove_file(&output)?;
        assert!(!stamp(&project)?.is_current(&output), "the output is gone");
        std::fs::write(&output, "made")?;
        stamp(&project)?.clear();
        assert!(
            !stamp(&project)?.is_current(&output),
            "the step was broken off"
        );
        Ok(())
    }
}

//! Safetensors files that a command writes: there wholly or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::failure::Failure;

/// A file to be written, in a folder that is there.
pub(crate) struct TensorFile<'a> {
    path: &'a Path,
    folder: PathBuf,
}

/// A name, a shape and the f32 elements.
pub(crate) type Tensor<'a> = (&'a str, Vec<usize>, &'a [f32]);

impl<'a> TensorFile<'a> {
    /// Asked for before the work, so that a wrong path does not cost it.
    pub(crate) fn new(path: &'a Path) -> Result<Self, Failure> {
        Ok(Self {
            path,
            folder: folder_of(path)?,
        })
    }

    /// Writes under another name first: whoever finds the file finds all of it.
    pub(crate) fn write(&self, tensors: &[Tensor<'_>]) -> Result<(), Failure> {
        let fail = |reason: String| Failure::File {
            path: self.path.to_owned(),
            reason,
        };
        let io = |e: io::Error| fail(e.to_string());
        let file = new_file(".safetensors")
            .tempfile_in(&self.folder)
            .map_err(io)?;
        // Safetensors puts a file of its own, which its owner alone may read, in the place of this one.
        let permissions = file.as_file().metadata().map_err(io)?.permissions();
        let file = file.into_temp_path();
        let views = tensors.iter().map(|(name, shape, values)| {
            let data = bytemuck::cast_slice(values);
            TensorView::new(Dtype::F32, shape.clone(), data).map(|view| (*name, view))
        });
        let views: Vec<_> = views
            .collect::<Result<_, _>>()
            .map_err(|e| fail(e.to_string()))?;
        safetensors::serialize_to_file(views, None, &file).map_err(|e| fail(e.to_string()))?;
        fs::set_permissions(&file, permissions).map_err(io)?;
        file.persist(self.path).map_err(|e| io(e.error))?;
        Ok(())
    }
}

/// A file that is to be renamed when it is complete.
pub(crate) fn new_file(suffix: &str) -> tempfile::Builder<'_, '_> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".looplm-").suffix(suffix);
    if let Some(permissions) = permissions() {
        builder.permissions(permissions);
    }
    builder
}

/// The folder a file is to be in.
pub(crate) fn folder_of(out: &Path) -> Result<PathBuf, Failure> {
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let fail = |reason: &str| {
        Err(Failure::File {
            path: out.to_owned(),
            reason: reason.to_owned(),
        })
    };
    match fs::metadata(out) {
        Ok(there) if there.is_dir() => return fail("it is a folder; give the name of a file"),
        // A device, which would be replaced.
        Ok(there) if !there.is_file() => return fail("it is not a regular file"),
        _ => {}
    }
    if !folder.is_dir() {
        return fail("there is no such folder");
    }
    Ok(folder.to_owned())
}

/// What any new file may be read and written by, where the default of a temporary file is its owner alone.
fn permissions() -> Option<Permissions> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        Some(Permissions::from_mode(0o666))
    }
    #[cfg(not(unix))]
    None
}

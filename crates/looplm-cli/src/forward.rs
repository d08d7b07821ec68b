//! `looplm forward`: all steps of all positions, written to a file.

use std::fs::{self, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use looplm::exit::ExitRule;
use looplm::forward::{Forward, ForwardOptions};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::args::ForwardArgs;
use crate::failure::Failure;
use crate::{load, say};

pub(crate) fn run(args: &ForwardArgs) -> Result<(), Failure> {
    let folder = folder_of(&args.out)?;
    let source = load::open(&args.model, args.steps, ExitRule::Full)?;
    let model = load::model(&source)?;
    let options = ForwardOptions {
        steps: args.steps,
        logits: true,
        hidden: true,
        ..ForwardOptions::default()
    };
    let result = pollster::block_on(model.forward(&args.ids.0, &options, &|| false))?;
    let (steps, positions) = (result.steps, args.ids.0.len());
    write(&args.out, &folder, &result, positions)?;
    say::aside(&format!(
        "wrote {}: {steps} steps, {positions} positions",
        args.out.display()
    ));
    Ok(())
}

/// The folder a file is to be in. Asked for before the work, so that a wrong path does not cost it.
fn folder_of(out: &Path) -> Result<PathBuf, Failure> {
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

/// Writes under another name first: whoever finds the file finds all of it.
fn write(out: &Path, folder: &Path, result: &Forward, positions: usize) -> Result<(), Failure> {
    let fail = |reason: String| Failure::File {
        path: out.to_owned(),
        reason,
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".looplm-").suffix(".safetensors");
    if let Some(permissions) = permissions() {
        builder.permissions(permissions);
    }
    let io = |e: io::Error| fail(e.to_string());
    let file = builder.tempfile_in(folder).map_err(io)?;
    // Safetensors puts a file of its own, which its owner alone may read, in the place of this one.
    let permissions = file.as_file().metadata().map_err(io)?.permissions();
    let file = file.into_temp_path();
    let shape = |width: &[f32]| {
        vec![
            result.steps,
            positions,
            width.len() / (result.steps * positions),
        ]
    };
    let flat = vec![result.steps, positions];
    let mut tensors = vec![
        ("exit_lambda", flat.clone(), &result.exit_lambda),
        ("exit_pdf", flat, &result.exit_pdf),
    ];
    for (name, values) in [("logits", &result.logits), ("hidden", &result.hidden)] {
        if let Some(values) = values {
            tensors.push((name, shape(values), values));
        }
    }
    let views = tensors.into_iter().map(|(name, shape, values)| {
        TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values)).map(|view| (name, view))
    });
    let views: Vec<_> = views
        .collect::<Result<_, _>>()
        .map_err(|e| fail(e.to_string()))?;
    safetensors::serialize_to_file(views, None, &file).map_err(|e| fail(e.to_string()))?;
    fs::set_permissions(&file, permissions).map_err(io)?;
    file.persist(out).map_err(|e| io(e.error))?;
    Ok(())
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

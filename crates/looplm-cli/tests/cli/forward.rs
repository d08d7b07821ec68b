//! `looplm forward` against the reference implementation.

use std::ffi::OsStr;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

use crate::support::{Fixture, comma_separated, fail, shell_game, succeed};

/// Largest difference allowed, relative to the largest reference value.
fn tolerance(fixture: &Fixture) -> f32 {
    if fixture.name.starts_with("f32") {
        1e-4
    } else {
        2e-3
    }
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = tensors
        .tensor(name)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
    let values = tensor
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    (tensor.shape().to_vec(), values)
}

/// The first sequence of a [T, B, ...] tensor, as [T, ...].
fn first_sequence(shape: &[usize], values: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let (steps, batch) = (shape[0], shape[1]);
    let size: usize = shape[2..].iter().product();
    let taken = (0..steps)
        .flat_map(|t| values[t * batch * size..][..size].iter().copied())
        .collect();
    ([&shape[..1], &shape[2..]].concat(), taken)
}

fn assert_close(what: &str, ours: &[f32], reference: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), reference.len(), "{what}");
    let largest = reference.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let difference = ours
        .iter()
        .zip(reference)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0f32, |m, d| if d.is_nan() { d } else { m.max(d) });
    assert!(
        difference <= tolerance * largest,
        "{what}: off by {difference} where the largest is {largest}"
    );
}

/// Compares the first sequence of a file of the fixture.
fn compare(fixture: &Fixture, file: &str, steps: Option<usize>) {
    let bytes = fixture.file(file);
    let expected = SafeTensors::deserialize(&bytes).expect("the fixture is a safetensors file");
    let ids = expected.tensor("ids").expect("the fixture has ids");
    let length = ids.shape()[1];
    let ids: Vec<u64> = ids
        .data()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| u64::from_le_bytes(*b))
        .collect();
    let folder = TempDir::new().expect("there is room for a temporary folder");
    let out = folder.path().join("out.safetensors");
    forward(&fixture.model(), &ids[..length], steps, &out);
    let bytes = std::fs::read(&out).expect("the program wrote its file");
    let ours = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
    let mut names = ours.names();
    names.sort_unstable();
    assert_eq!(names, ["exit_lambda", "exit_pdf", "hidden", "logits"]);
    for name in names {
        let what = format!("{} {file}: {name}", fixture.name);
        let (shape, values) = floats(&expected, name);
        let (shape, reference) = first_sequence(&shape, &values);
        let (our_shape, values) = floats(&ours, name);
        assert_eq!(our_shape, shape, "{what}");
        assert_close(&what, &values, &reference, tolerance(fixture));
    }
}

fn forward(model: &Path, ids: &[u64], steps: Option<usize>, out: &Path) {
    let ids = comma_separated(ids);
    let mut args = vec![
        OsStr::new("forward"),
        model.as_os_str(),
        OsStr::new("--ids"),
        OsStr::new(&ids),
        OsStr::new("--out"),
        out.as_os_str(),
        // As the reference has them.
        OsStr::new("--kv-format=f32"),
    ];
    let steps = steps.map(|n| n.to_string());
    if let Some(steps) = &steps {
        args.extend([OsStr::new("--steps"), OsStr::new(steps)]);
    }
    assert_eq!(
        succeed(args),
        "",
        "the tensors go to the file, and nothing to standard output"
    );
}

#[test]
fn fixtures_come_out_as_the_reference_has_them() {
    for fixture in Fixture::some() {
        compare(&fixture, "expected.safetensors", None);
    }
}

#[test]
fn fewer_and_more_steps_than_trained_come_out_as_the_reference_has_them() {
    let fixture = Fixture::named("f32-mha");
    compare(&fixture, "expected.steps2.safetensors", Some(2));
    compare(&fixture, "expected.steps6.safetensors", Some(6));
}

#[test]
fn a_failure_leaves_the_old_file_and_no_other() {
    let folder = TempDir::new().expect("there is room for a temporary folder");
    let out = folder.path().join("out.safetensors");
    std::fs::write(&out, "precious").expect("the folder can be written");
    let model = shell_game();
    let said = fail([
        OsStr::new("forward"),
        model.as_os_str(),
        OsStr::new("--ids"),
        OsStr::new("1,99"),
        OsStr::new("--out"),
        out.as_os_str(),
    ]);
    assert!(said.contains("99") && said.contains("14"), "{said}");
    assert_eq!(std::fs::read(&out).expect("it is still there"), b"precious");
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder can be listed")
            .count(),
        1
    );

    let nowhere = folder.path().join("no/such/folder.safetensors");
    let said = fail([
        OsStr::new("forward"),
        model.as_os_str(),
        OsStr::new("--ids"),
        OsStr::new("1"),
        OsStr::new("--out"),
        nowhere.as_os_str(),
    ]);
    assert!(
        said.contains("cannot write") && said.contains("no such folder"),
        "{said}"
    );

    // A device in the way is never replaced.
    if cfg!(unix) {
        let said = fail([
            OsStr::new("forward"),
            model.as_os_str(),
            OsStr::new("--ids"),
            OsStr::new("1"),
            OsStr::new("--out"),
            OsStr::new("/dev/null"),
        ]);
        assert!(said.contains("not a regular file"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn others_may_read_the_file_where_they_may_read_new_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().expect("there is room for a temporary folder");
    let (plain, out) = (
        folder.path().join("plain"),
        folder.path().join("out.safetensors"),
    );
    std::fs::write(&plain, "").expect("the folder can be written");
    forward(&shell_game(), &[1, 2], Some(1), &out);
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&out), mode(&plain));
}

//! The program under test, and the folders it is run on.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The program, to be given more arguments.
pub(crate) fn looplm() -> Command {
    Command::new(env!("CARGO_BIN_EXE_looplm"))
}

/// Runs the program to its end.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    looplm()
        .args(args)
        .output()
        .expect("the program under test starts")
}

/// Runs the program, which must succeed, and returns what it printed.
pub(crate) fn succeed<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let output = run(args);
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Runs the program, which must succeed, and reads the one JSON object it printed.
pub(crate) fn json<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Value {
    let printed = succeed(args);
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}"))
}

/// Runs the program, which must fail with exit code 1 and one line that begins with `error: `. Returns the rest of it.
pub(crate) fn fail<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let output = run(args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        text(&output.stdout),
        "",
        "a failure prints nothing to standard output"
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "more than one line: {said}");
    lines[0]
        .strip_prefix("error: ")
        .unwrap_or_else(|| panic!("not an error: {said}"))
        .to_owned()
}

/// Sends a signal to a running program; whether that was possible.
#[cfg(unix)]
pub(crate) fn signal(id: u32, name: &str) -> bool {
    // By the shell's own `kill`: the program of that name is a package that not every machine has.
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {id}")])
        .status();
    status.expect("there is a shell").success()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A model that is shipped.
pub(crate) fn shell_game() -> PathBuf {
    root().join("models/shell-game")
}

/// The one that speaks.
pub(crate) fn who_is_who() -> PathBuf {
    root().join("models/who-is-who")
}

/// A fixture of the reference implementation.
pub(crate) struct Fixture {
    pub(crate) name: String,
    folder: PathBuf,
}

impl Fixture {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: root().join("tests/fixtures").join(name),
        }
    }

    /// Every third of them. The engine's own tests have all; here a program starts for each, and on a CPU adapter compiles its shaders.
    pub(crate) fn some() -> Vec<Self> {
        let entries = fs::read_dir(root().join("tests/fixtures")).expect("the fixtures are there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("the folder can be listed"))
            .filter(|entry| entry.path().join("expected.json").is_file())
            .map(|entry| {
                entry
                    .file_name()
                    .into_string()
                    .expect("fixtures have plain names")
            })
            .collect();
        names.sort();
        assert!(names.len() >= 6, "only {names:?}");
        let some = names.iter().step_by(3);
        some.map(|name| Self::named(name)).collect()
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.folder.join("model")
    }

    /// `expected.json`.
    pub(crate) fn expected(&self) -> Value {
        serde_json::from_slice(&self.file("expected.json")).expect("expected.json is JSON")
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap_or_else(|e| panic!("{}/{name}: {e}", self.name))
    }
}

/// A copy of a model folder, to be broken.
pub(crate) fn copy(model: &Path) -> TempDir {
    let folder = TempDir::new().expect("there is room for a temporary folder");
    for entry in fs::read_dir(model).expect("the model folder can be listed") {
        let path = entry.expect("the model folder can be listed").path();
        let name = path.file_name().expect("a listed file has a name");
        fs::copy(&path, folder.path().join(name)).expect("a model file can be copied");
    }
    folder
}

/// Changes one field of a copy's `config.json`.
pub(crate) fn set_config(folder: &Path, field: &str, value: Value) {
    let path = folder.join("config.json");
    let text = fs::read(&path).expect("the copy has a config.json");
    let mut config: Value = serde_json::from_slice(&text).expect("config.json is JSON");
    config[field] = value;
    fs::write(path, config.to_string()).expect("the copy can be written");
}

/// Ids as `--ids` takes them.
pub(crate) fn comma_separated(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// A JSON array of whole numbers.
pub(crate) fn numbers(value: &Value) -> Vec<u64> {
    let list = value
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {value}"));
    list.iter()
        .map(|n| {
            n.as_u64()
                .unwrap_or_else(|| panic!("not a whole number: {n}"))
        })
        .collect()
}

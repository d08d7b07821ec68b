//! `looplm chat`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::support::{copy, fail, looplm, shell_game, text};

/// What was said by everyone so far, without a word of the template's own.
const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %} {{ m['content'] }}{% endfor %}";

/// A model to talk to, in the language of the shell game.
fn talkative(template: &str) -> TempDir {
    let model = copy(&shell_game());
    std::fs::write(model.path().join("chat_template.jinja"), template)
        .expect("the copy can be written");
    model
}

fn start(model: &Path, more: &[&str]) -> Child {
    let mut command = looplm();
    command
        .args([OsStr::new("chat"), model.as_os_str()])
        .args(more);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the program under test starts")
}

/// Says all of `lines` and leaves. Returns the answers and what was written beside them.
fn talk(model: &Path, more: &[&str], lines: &str) -> (Vec<String>, String) {
    let mut child = start(model, more);
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin
        .write_all(lines.as_bytes())
        .expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    (
        text(&output.stdout).lines().map(str::to_owned).collect(),
        said,
    )
}

#[test]
fn a_conversation_remembers_what_was_said() {
    let model = talkative(TEMPLATE);
    let (answers, said) = talk(
        model.path(),
        &["--max-new-tokens", "3"],
        "swap12 left\n\nswap23\n/new\nswap23\n",
    );
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!(
        said.lines()
            .filter(|l| l.starts_with("3 tokens in "))
            .count(),
        3,
        "{said}"
    );
    let (alone, _) = talk(model.path(), &["--max-new-tokens", "3"], "swap23\n");
    assert_eq!(
        answers[2], alone[0],
        "a new conversation has forgotten the old one"
    );

    // The second question is asked after the first and its answer: the same as asking all of it at once.
    let whole = format!("swap12 left {} swap23\n", answers[0].trim());
    let (at_once, _) = talk(model.path(), &["--max-new-tokens", "3"], &whole);
    assert_eq!(answers[1], at_once[0]);
}

#[test]
fn the_template_is_told_of_the_system_and_of_thinking() {
    let model = talkative(
        "{% if enable_thinking is defined %}{{ raise_exception('thinking: ' ~ enable_thinking) }}{% endif %}left",
    );
    let refused = |more: &[&str]| {
        let mut child = start(model.path(), more);
        drop(
            child
                .stdin
                .take()
                .expect("it is a pipe")
                .write_all(b"left\n"),
        );
        let output = child.wait_with_output().expect("the program ends");
        (output.status.code(), text(&output.stderr).to_lowercase())
    };
    let (code, said) = refused(&["--thinking", "--max-new-tokens", "1"]);
    assert!(code == Some(1) && said.contains("thinking: true"), "{said}");
    let (code, said) = refused(&["--no-thinking", "--max-new-tokens", "1"]);
    assert!(
        code == Some(1) && said.contains("thinking: false"),
        "{said}"
    );
    assert_eq!(refused(&["--max-new-tokens", "1"]).0, Some(0));

    let system =
        talkative("{{ raise_exception(messages[0]['role'] ~ ': ' ~ messages[0]['content']) }}");
    let mut child = start(system.path(), &["--system", "be brief"]);
    drop(
        child
            .stdin
            .take()
            .expect("it is a pipe")
            .write_all(b"left\n"),
    );
    let output = child.wait_with_output().expect("the program ends");
    assert!(
        text(&output.stderr).contains("system: be brief"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_model_without_a_template_says_so() {
    let said = fail([OsStr::new("chat"), shell_game().as_os_str()]);
    assert!(said.contains("chat template"), "{said}");
}

#[cfg(unix)]
mod interrupted {
    use std::io::{BufRead, BufReader, Read};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::support::{set_config, signal};

    /// Ends the program after a minute, so that what waits for it fails rather than hangs.
    fn watch(id: u32) -> mpsc::Sender<()> {
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal(id, "KILL");
            }
        });
        done
    }

    #[test]
    fn ctrl_c_stops_the_answer_and_not_the_program() {
        let model = talkative(TEMPLATE);
        // Room for an answer that would take minutes.
        set_config(model.path(), "max_position_embeddings", 100_000.into());
        let mut child = start(model.path(), &["--max-new-tokens", "90000"]);
        let done = watch(child.id());
        let mut stdin = child.stdin.take().expect("it is a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        for said in ["swap12\n", "/new\nleft\n"] {
            stdin.write_all(said.as_bytes()).expect("the program reads");
            stdout.read_exact(&mut [0; 20]).expect("an answer begins");
            assert!(signal(child.id(), "INT"), "Ctrl-C");
            let mut summary = String::new();
            stderr
                .read_line(&mut summary)
                .expect("the program writes UTF-8");
            assert!(
                summary.trim_end().ends_with("aborted by Ctrl-C"),
                "{summary}"
            );
            stdout
                .read_line(&mut String::new())
                .expect("the answer ends its line");
        }
        drop(stdin);
        assert!(child.wait().expect("the program ends").success());
        drop(done);
    }
}

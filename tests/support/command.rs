//! Running commands: with a time limit instead of a hang, and with all their output in case they fail.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{skip, target_dir};

/// Seconds after which a command counts as hanging; nothing here takes so long.
const HANGS_AFTER: &str = "240";

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    line: String,
    /// The exit code; `None` if a signal ended it. 124 means that it hung.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Ended {
    /// A command whose output is known from elsewhere.
    pub(super) fn new(line: String, code: Option<i32>, stderr: String) -> Ended {
        Ended {
            line,
            code,
            stdout: String::new(),
            stderr,
        }
    }

    /// Fails the test unless the command ended with `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails the test unless the command ended with 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Fails the test if the command ended with 0, hung, or crashed.
    #[track_caller]
    pub(crate) fn fails(self) -> Self {
        let failed = matches!(self.code, Some(1..=123));
        assert!(failed, "should fail without hanging: {self}");
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }

    /// Fails the test unless standard error contains `text`.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no \"{text}\" on stderr: {self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended {
            line,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{line}` ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

/// A program under a time limit, without standard input, its messages in English.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", HANGS_AFTER])
        .arg(name)
        .env("LC_ALL", "C.UTF-8");
    command
}

/// The `jetfs` binary; its state files stay below `target/`.
pub(crate) fn jetfs() -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_jetfs"));
    command
        .env("XDG_RUNTIME_DIR", runtime_dir())
        .env_remove("JETFS_LOG");
    command
}

/// Where the state files of the tests' mounts are.
fn runtime_dir() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("run");
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A line for bash, with `$JETFS` the binary, and `$1`, `$2`, ... the arguments.
pub(crate) fn shell<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Ended {
    let mut command = program("bash");
    command
        .args(["-c", &format!("set -o pipefail; {script}"), "bash"])
        .args(arguments);
    command
        .env("JETFS", env!("CARGO_BIN_EXE_jetfs"))
        .env("XDG_RUNTIME_DIR", runtime_dir());
    run(&mut command)
}

/// Python with the readers that `scripts/test.sh` installs; `None`, and the test is counted as skipped, if
/// `module` cannot be imported.
pub(crate) fn python(test: &str, module: &str) -> Option<Command> {
    let venv = target_dir().join("test-venv/bin/python3");
    let python = if venv.exists() {
        venv.into_os_string()
    } else {
        "python3".into()
    };
    let mut probe = program(&python);
    if run(probe.args(["-c", &format!("import {module}")])).code == Some(0) {
        return Some(program(&python));
    }
    tool_is_missing(test, &format!("Python module {module}"));
    None
}

/// Notes a missing tool: a skipped test, or a failure where `JETFS_REQUIRE_TOOLS=1`.
pub(crate) fn tool_is_missing(test: &str, tool: &str) {
    let required = std::env::var_os("JETFS_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "{tool} is missing (JETFS_REQUIRE_TOOLS=1); scripts/test.sh installs it"
    );
    skip(test, &format!("{tool} is missing; scripts/test.sh installs it"));
}

/// Runs a command to its end.
///
/// Its output goes to files: a daemon that it leaves behind may keep them open without holding the test up.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ended {
    let mut stdout = tempfile::tempfile().unwrap();
    let mut stderr = tempfile::tempfile().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap());
    let status = command.status().unwrap();
    Ended {
        line: command
            .get_args()
            .skip(2)
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" "),
        code: status.code(),
        stdout: contents(&mut stdout),
        stderr: contents(&mut stderr),
    }
}

fn contents(file: &mut fs::File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

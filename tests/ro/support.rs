//! A folder with the wrapper, a tracing `bd` and a home of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The wrapper as built for this package.
pub const WRAPPER: &str = env!("CARGO_BIN_EXE_mesh-bd-ro-dup");
/// The program that stands in for `bd`.
pub const TRACE: &str = env!("CARGO_BIN_EXE_trace-bd");

/// What the tracing `bd` wrote down about one call.
#[derive(Debug, serde::Deserialize)]
pub struct Call {
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub pid: u32,
    pub stdin: Option<String>,
    pub stdin_path: Option<PathBuf>,
    pub lock_is_free: Option<bool>,
}

pub struct Lab {
    dir: TempDir,
}

impl Lab {
    /// An empty home, and `real/bd` that traces.
    pub fn new() -> Lab {
        let lab = Lab {
            dir: TempDir::new().expect("a temporary folder"),
        };
        fs_err::create_dir(lab.home()).expect("home");
        install(Path::new(TRACE), &lab.path("real/bd"));
        lab
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// `program` with nothing in its environment but a home, and a PATH with the tracing `bd` and the system's folders.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .current_dir(self.dir.path());
        command.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.path("real").display()),
        );
        command
    }

    /// The wrapper, with the words of a table's example.
    pub fn wrapper(&self, example: &str) -> Command {
        let mut command = self.command(WRAPPER);
        command.args(mesh_bd_ro::table::words(example));
        command
    }

    /// All calls that reached the tracing `bd`, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        let text = fs_err::read_to_string(self.home().join("calls.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("the tracing bd writes whole lines"))
            .collect()
    }
}

/// Copies a program, for its owner alone to write. A child does the copying: a file that this process has open for writing
/// could not be started while another thread is between fork and exec.
pub fn install(program: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs_err::create_dir_all(to.parent().expect("a program lies in a folder")).expect("folder");
    let copied = Command::new("cp")
        .arg(program)
        .arg(to)
        .status()
        .expect("cp");
    assert!(
        copied.success(),
        "cp {} {}",
        program.display(),
        to.display()
    );
    fs_err::set_permissions(to, std::fs::Permissions::from_mode(0o755)).expect("own file");
}

/// Waits for `what`, which has no event to wait on; the deadline is far beyond what anything here takes.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs to the end; panics if it cannot be started.
pub fn run(mut command: Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

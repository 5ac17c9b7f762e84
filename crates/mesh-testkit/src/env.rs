//! A hermetic place to run whole programs in: a cleared environment, a home and temporary folder of its own, and a `PATH` that
//! holds only the programs that were chosen.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

/// What shells, proofs and git itself need. Only names that exist on the machine are taken.
const COMMON: &[&str] = &[
    "sh", "bash", "test", "[", "cat", "grep", "sed", "sort", "sleep", "env", "true", "false",
    "printf", "ls", "rm", "mkdir", "touch", "tail", "head", "wc", "tr", "cut", "cp", "mv", "chmod",
    "date", "basename", "dirname", "uname", "kill", "setsid", "ln",
];

/// A hermetic environment; its folder goes when this is dropped.
pub struct TestEnv {
    dir: TempDir,
    variables: BTreeMap<OsString, OsString>,
}

impl TestEnv {
    /// A new one with git (found on our own `PATH`), the usual shell programs and an identity for git and jj.
    ///
    /// # Panics
    /// When the folder cannot be made or there is no git.
    pub fn new() -> TestEnv {
        let dir = tempfile::Builder::new()
            .prefix("mesh-it-")
            .tempdir()
            .expect("a temporary folder");
        let mut env = TestEnv {
            dir,
            variables: BTreeMap::new(),
        };
        for folder in [env.home().join(".config/jj"), env.temporary(), env.bin()] {
            fs_err::create_dir_all(folder).expect("a folder");
        }
        env.configure_identity();
        for (name, folder) in [
            ("HOME", ""),
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_CACHE_HOME", ".cache"),
        ] {
            let value = env.home().join(folder);
            env.set(name, value);
        }
        let (temporary, bin) = (env.temporary(), env.bin());
        env.set("TMPDIR", temporary);
        env.set("PATH", bin);
        env.set("USER", "probe");
        env.set("LANG", "C.UTF-8");
        env.set("NO_COLOR", "1");
        env.set("GIT_CONFIG_NOSYSTEM", "1");
        for name in COMMON {
            if let Some(program) = on_our_path(name) {
                env.add_program(name, &program);
            }
        }
        let git = on_our_path("git").expect("git is on PATH");
        env.add_program("git", &git);
        env
    }

    fn configure_identity(&self) {
        let git = "[user]\nname = Probe\nemail = probe@example.invalid\n[commit]\ngpgsign = false\n[init]\ndefaultBranch = main\n";
        fs_err::write(self.home().join(".gitconfig"), git).expect("git's configuration");
        let jj = "user.name = \"Probe\"\nuser.email = \"probe@example.invalid\"\nui.paginate = \"never\"\n";
        fs_err::write(self.home().join(".config/jj/config.toml"), jj).expect("jj's configuration");
    }

    /// The folder that holds everything of this environment.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("it exists")
    }

    /// The home.
    pub fn home(&self) -> PathBuf {
        self.dir().join("home")
    }

    /// The folder for temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.dir().join("tmp")
    }

    /// The only folder on `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.dir().join("bin")
    }

    /// Puts `program` on `PATH` under `name`.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn add_program(&self, name: &str, program: &Path) {
        fs_err::os::unix::fs::symlink(program, self.bin().join(name)).expect("a program's link");
    }

    /// Takes a program off `PATH`.
    ///
    /// # Panics
    /// When it is not there.
    pub fn remove_program(&self, name: &str) {
        fs_err::remove_file(self.bin().join(name)).expect("a program that was there");
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// A command in this environment, in `folder`, without input.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        // With a cleared environment the program would be looked up on the default path.
        let named = Path::new(program.as_ref());
        let program = if named.components().count() == 1 {
            self.bin().join(named)
        } else {
            named.to_path_buf()
        };
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.variables)
            .current_dir(folder)
            .stdin(Stdio::null());
        command
    }

    /// Runs a program to its end and gives back what it said.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: &[A],
        folder: &Path,
    ) -> Said {
        let mut command = self.command(program, folder);
        let output = command
            .args(args)
            .output()
            .unwrap_or_else(|cause| panic!("{command:?}: {cause}"));
        Said::new(output.status, &output.stdout, &output.stderr)
    }

    /// As [`TestEnv::run`], for commands that prepare or look: they must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn must<A: AsRef<OsStr>>(&self, program: &str, args: &[A], folder: &Path) -> String {
        let said = self.run(program, args, folder);
        let shown: Vec<_> = args
            .iter()
            .map(|arg| arg.as_ref().to_string_lossy())
            .collect();
        assert_eq!(said.code, Some(0), "{program} {shown:?}: {said:?}");
        said.stdout
    }
}

impl Default for TestEnv {
    fn default() -> TestEnv {
        TestEnv::new()
    }
}

fn on_our_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// What a program said and how it ended.
#[must_use = "a program's end has to be looked at"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// From what came.
    pub fn new(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Said {
        Said {
            code: status.code(),
            signal: status.signal(),
            stdout: String::from_utf8_lossy(stdout).into_owned(),
            stderr: String::from_utf8_lossy(stderr).into_owned(),
        }
    }

    /// The same, once the exit code is the one that was expected.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Said {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// As [`Said::exits`], for when nothing more is wanted of it.
    ///
    /// # Panics
    /// When the exit code is another.
    #[track_caller]
    pub fn ends(self, code: i32) {
        let _ = self.exits(code);
    }

    /// The one JSON object that is all of standard output.
    ///
    /// # Panics
    /// When there is more, less, or something else.
    #[track_caller]
    pub fn object(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|cause| {
            panic!(
                "not one JSON value: {cause}\nstdout:\n{}\nstderr:\n{}",
                self.stdout, self.stderr
            )
        });
        assert!(value.is_object(), "no object: {value}");
        value
    }
}

/// Replaces what differs from run to run: the named folders, run ids, times, commit ids, process ids and durations.
pub fn redact(text: &str, folders: &[(&Path, &str)]) -> String {
    let mut text = text.to_owned();
    for (folder, name) in folders {
        text = text.replace(&folder.display().to_string(), name);
    }
    let rules = [
        (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "[run]"),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "[time]"),
        (r"\b[0-9a-f]{40}\b", "[commit]"),
        (r"\bprocess \d+\b", "process [pid]"),
        (r"\b\d+\.\d+ s\b", "[seconds] s"),
    ];
    for (pattern, name) in rules {
        let rule = Regex::new(pattern).expect("a pattern of ours");
        text = rule.replace_all(&text, name).into_owned();
    }
    text
}

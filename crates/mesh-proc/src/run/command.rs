//! The command line with all that decides how it runs, and what comes of it.

use crate::env::Env;
use crate::show;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What a command reads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Stdin {
    /// Nothing: end of file at once.
    #[default]
    Null,
    /// These bytes, then end of file.
    Bytes(Vec<u8>),
}

/// How much of everything a command gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// From its start to its end.
    pub timeout: Duration,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Most bytes it may write to stdout.
    pub stdout_bytes: u64,
    /// Most bytes it may write to stderr.
    pub stderr_bytes: u64,
}

impl Default for Limits {
    /// One minute, two seconds of grace, 64 MiB and 1 MiB.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            grace: Duration::from_secs(2),
            stdout_bytes: 64 << 20,
            stderr_bytes: 1 << 20,
        }
    }
}

/// A command line with all that decides how it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// An absolute path, or a name that is looked up on the `PATH` of [`Command::env`].
    pub program: PathBuf,
    /// Arguments without the program.
    pub args: Vec<OsString>,
    /// Working directory; ours when absent.
    pub cwd: Option<PathBuf>,
    /// The complete environment.
    pub env: Env,
    /// What it reads.
    pub stdin: Stdin,
    /// How much it gets.
    pub limits: Limits,
}

impl Command {
    /// `program` without arguments, with an empty environment, nothing to read and the default limits.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            cwd: None,
            env: Env::empty(),
            stdin: Stdin::Null,
            limits: Limits::default(),
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// In this folder.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// With this environment and no other variable.
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Reading these bytes.
    #[must_use]
    pub fn stdin_bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Within these limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With another time limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The command line as a shell would take it.
    pub fn shown(&self) -> String {
        show::command(&self.program, &self.args)
    }
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It returned this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

impl Status {
    /// Code 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(formatter, "exit code {code}"),
            Self::Signaled(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// What a command that ended by itself left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// All it wrote to stdout; any bytes.
    pub stdout: Vec<u8>,
    /// All it wrote to stderr; any bytes.
    pub stderr: Vec<u8>,
    /// From the start to the end.
    pub elapsed: Duration,
}

impl Output {
    /// Stdout for a person to read.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Stderr for a person to read.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// One of the two output streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl std::fmt::Display for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

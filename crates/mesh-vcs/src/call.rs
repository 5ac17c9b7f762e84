//! One call of jj or git: the only place of this crate that starts a program.
//!
//! The environment is rebuilt from a keep list, so that no `GIT_DIR` or `JJ_…` of whoever started us decides which repository is
//! meant; time and output are limited; no editor, pager or password question can hold us up.

use crate::error::VcsError;
use mesh_proc::env::Env;
use mesh_proc::run::{Command, Limits, Output, RunError, Runner, Status};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How much time and output one call gets. A person's huge repository may need more: the whole is a field of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// For a call that reads or writes the store only.
    pub short: Duration,
    /// For a call that reads or writes a whole working copy.
    pub long: Duration,
    /// Between asking a call to end and ending it.
    pub grace: Duration,
    /// Most bytes of stdout.
    pub stdout_bytes: u64,
    /// Most bytes of stderr.
    pub stderr_bytes: u64,
    /// Most bytes of objects that an attempt may leave in a repository of its own.
    pub object_bytes: u64,
}

impl Default for CallLimits {
    /// One minute, fifteen minutes, two seconds, 64 MiB, 4 MiB, 4 GiB. A workspace of 50,000 files took 4 s, and 23 s beside seven others.
    fn default() -> CallLimits {
        CallLimits {
            short: Duration::from_secs(60),
            long: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(2),
            stdout_bytes: 64 << 20,
            stderr_bytes: 4 << 20,
            object_bytes: 4 << 30,
        }
    }
}

/// Variables that get through to jj and git, beside `XDG_*`, `LC_*` and our own `MESH_*`. Nothing that names a repository, an
/// index, an object store, an editor or a seed.
const KEPT: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "JJ_CONFIG",
    "JJ_USER",
    "JJ_EMAIL",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];
const KEPT_PREFIXES: &[&str] = &["XDG_", "LC_", "MESH_"];

/// What of `all` jj and git may see, with what keeps them from asking anybody.
pub(crate) fn call_env(all: &Env) -> Env {
    let kept = all.iter().filter(|(name, _)| {
        let name = name.to_string_lossy();
        KEPT.contains(&name.as_ref()) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    });
    kept.map(|(name, value)| (name.to_os_string(), value.to_os_string()))
        .collect::<Env>()
        .set("JJ_EDITOR", "false")
        .set("GIT_EDITOR", "false")
        .set("GIT_SEQUENCE_EDITOR", "false")
        .set("GIT_TERMINAL_PROMPT", "0")
}

/// Whether a call touches a whole working copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// The store only.
    Short,
    /// A working copy.
    Long,
}

/// What has to hold before a call is made.
pub(crate) trait Guard: Send + Sync {
    /// `Err` is why no call may be made.
    fn check(&self) -> Result<(), VcsError>;
}

/// A program with all that is the same for each of its calls.
#[derive(Clone)]
pub(crate) struct Program {
    /// Set when a run begins to work with the repository; the same for all clones of this.
    pub guard: Arc<OnceLock<Arc<dyn Guard>>>,
    pub path: PathBuf,
    pub env: Env,
    pub limits: CallLimits,
    pub runner: Arc<dyn Runner>,
}

impl Program {
    fn command(
        &self,
        cwd: &Path,
        args: &[OsString],
        span: Span,
        extra: &[(&str, &OsStr)],
    ) -> Command {
        let mut env = self.env.clone();
        for (name, value) in extra {
            env.insert(*name, *value);
        }
        let timeout = match span {
            Span::Short => self.limits.short,
            Span::Long => self.limits.long,
        };
        let limits = Limits {
            timeout,
            grace: self.limits.grace,
            stdout_bytes: self.limits.stdout_bytes,
            stderr_bytes: self.limits.stderr_bytes,
        };
        Command::new(&self.path)
            .args(args.iter().cloned())
            .cwd(cwd)
            .env(env)
            .limits(limits)
    }

    /// The same program, called whatever happened.
    pub fn unguarded(&self) -> Program {
        Program {
            guard: Arc::default(),
            ..self.clone()
        }
    }

    /// Runs it; any exit code is an answer.
    pub fn ask(
        &self,
        cwd: &Path,
        args: &[OsString],
        span: Span,
        extra: &[(&str, &OsStr)],
    ) -> Result<Answer, VcsError> {
        self.ask_with(cwd, args, span, extra, &[])
    }

    /// As [`Program::ask`], with something to read on standard input.
    pub fn ask_with(
        &self,
        cwd: &Path,
        args: &[OsString],
        span: Span,
        extra: &[(&str, &OsStr)],
        input: &[u8],
    ) -> Result<Answer, VcsError> {
        if let Some(guard) = self.guard.get() {
            guard.check()?;
        }
        let mut command = self.command(cwd, args, span, extra);
        if !input.is_empty() {
            command = command.stdin_bytes(input);
        }
        let shown = self.shown(args);
        tracing::debug!(command = %shown, cwd = %cwd.display(), "call");
        match self.runner.run(&command) {
            Ok(output) => Ok(Answer { shown, output }),
            Err(error) => Err(not_run(shown, timeout_of(&command), error)),
        }
    }

    /// The call for a message, without the settings that each call fixes: they would hide the rest.
    fn shown(&self, args: &[OsString]) -> String {
        let mut short: Vec<OsString> = Vec::new();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--config" {
                rest.next();
            } else {
                short.push(arg.clone());
            }
        }
        Command::new(&self.path).args(short).shown()
    }

    /// Runs it; another exit code than 0 is an error.
    pub fn run(
        &self,
        cwd: &Path,
        args: &[OsString],
        span: Span,
        extra: &[(&str, &OsStr)],
    ) -> Result<Answer, VcsError> {
        let answer = self.ask(cwd, args, span, extra)?;
        if answer.output.status.is_success() {
            Ok(answer)
        } else {
            Err(answer.failure())
        }
    }
}

fn timeout_of(command: &Command) -> Duration {
    command.limits.timeout
}

fn not_run(command: String, after: Duration, error: RunError) -> VcsError {
    match error {
        RunError::TimedOut { .. } => VcsError::TimedOut { command, after },
        RunError::TooMuchOutput { .. } => VcsError::Flooded { command },
        RunError::NotFound { .. } | RunError::NoFolder { .. } | RunError::Io { .. } => {
            VcsError::NotRun {
                command,
                reason: error.to_string(),
            }
        }
    }
}

/// What a call gave back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub shown: String,
    pub output: Output,
}

impl Answer {
    pub fn code(&self) -> Option<i32> {
        match self.output.status {
            Status::Exited(code) => Some(code),
            Status::Signaled(_) => None,
        }
    }

    pub fn stdout(&self) -> &[u8] {
        &self.output.stdout
    }

    pub fn stdout_text(&self) -> String {
        self.output.stdout_text()
    }

    pub fn stderr(&self) -> String {
        self.output.stderr_text()
    }

    /// Parses stdout, and names the command when it is rubbish.
    pub fn parse<T>(&self, parser: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, VcsError> {
        parser(&self.output.stdout).map_err(|reason| self.unreadable(reason))
    }

    pub fn unreadable(&self, reason: impl Into<String>) -> VcsError {
        VcsError::Unreadable {
            command: self.shown.clone(),
            reason: reason.into(),
        }
    }

    pub fn failure(&self) -> VcsError {
        VcsError::Failed {
            command: self.shown.clone(),
            status: self.output.status.to_string(),
            code: self.code(),
            stderr: shorten(&self.output.stderr_text()),
        }
    }
}

/// At most this much of stderr goes into an error.
const MAX_SHOWN_STDERR: usize = 2000;

fn shorten(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "it said nothing".to_owned();
    }
    match text.char_indices().nth(MAX_SHOWN_STDERR) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A list of arguments from anything that is one.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { vec![$(std::ffi::OsString::from($arg)),*] };
}
pub(crate) use args;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_names_a_repository_gets_through() {
        let all: Env = [
            ("HOME", "/h"),
            ("PATH", "/bin"),
            ("GIT_DIR", "/x"),
            ("GIT_INDEX_FILE", "/x"),
            ("GIT_WORK_TREE", "/x"),
            ("JJ_RANDOMNESS_SEED", "1"),
            ("XDG_CONFIG_HOME", "/c"),
            ("MESH_RUN", "r"),
            ("SECRET_TOKEN", "t"),
            ("GIT_EDITOR", "vi"),
        ]
        .into_iter()
        .collect();
        let env = call_env(&all);
        let names: Vec<String> = env
            .iter()
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "GIT_EDITOR",
                "GIT_SEQUENCE_EDITOR",
                "GIT_TERMINAL_PROMPT",
                "HOME",
                "JJ_EDITOR",
                "MESH_RUN",
                "PATH",
                "XDG_CONFIG_HOME"
            ]
        );
        assert_eq!(env.get("GIT_EDITOR"), Some(OsStr::new("false")));
    }

    #[test]
    fn a_long_complaint_is_shortened() {
        assert!(shorten(&"ä".repeat(5000)).chars().count() <= MAX_SHOWN_STDERR + 1);
        assert_eq!(shorten(" \n"), "it said nothing");
    }
}

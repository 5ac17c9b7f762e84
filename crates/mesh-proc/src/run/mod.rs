//! One short command: a version control or tracker call that somebody waits for.
//!
//! Four things that a plain "run and capture" gets wrong, and what is done here:
//!
//! * Output goes to unnamed files, never to pipes. With a pipe, waiting means waiting for every heir of the command that keeps
//!   the pipe open; with a file the command's own end is the end.
//! * The command leads a process group. At a limit the group *and* whatever descends from the command are signalled, because a
//!   signal to the command alone leaves its children, and one to the group misses what called `setsid`.
//! * The files' sizes are looked at while it runs, so a flood is ended and not only noticed.
//! * The environment is exactly [`Command::env`].
//!
//! A command that ends by itself keeps what it left running: hooks and caches of trackers and version control start helpers on
//! purpose. An exit code other than 0 is an answer, not an error.

mod command;
mod error;
mod running;

pub use command::{Command, Limits, Output, Status, Stdin, Stream};
pub use error::RunError;

use crate::find;
use running::{Files, Running, Verdict};
use std::io;
use std::time::{Duration, Instant};

/// Something that runs short commands: [`Direct`], [`Observed`], or a test's own.
pub trait Runner: Send + Sync {
    /// As [`run`].
    ///
    /// # Errors
    /// As [`run`].
    fn run(&self, command: &Command) -> Result<Output, RunError>;
}

/// Runs and says nothing about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Runner for Direct {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        run(command)
    }
}

/// Runs, then shows each command with its result to a function: a call log belongs to whoever keeps it, not to this crate.
#[derive(Clone, Debug)]
pub struct Observed<R, F> {
    /// What runs the commands.
    pub runner: R,
    /// Is told of each one after it ended.
    pub observe: F,
}

impl<R, F> Runner for Observed<R, F>
where
    R: Runner,
    F: Fn(&Command, &Result<Output, RunError>) + Send + Sync,
{
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let result = self.runner.run(command);
        (self.observe)(command, &result);
        result
    }
}

/// Runs `command` to its end, or to the end of its limits.
///
/// # Errors
/// [`RunError`]; a code other than 0 is none.
pub fn run(command: &Command) -> Result<Output, RunError> {
    let program = find::find(command.program.as_os_str(), command.env.get("PATH"))?;
    if let Some(folder) = command.cwd.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(RunError::NoFolder {
            folder: folder.clone(),
            command: command.shown(),
        });
    }
    let io_error = |source| RunError::Io {
        command: command.shown(),
        source,
    };
    let files = Files::new(&command.stdin).map_err(io_error)?;
    let started = Instant::now();
    let mut running = Running::start(command, &program, &files).map_err(io_error)?;
    let verdict = running
        .wait(&files, &command.limits, started)
        .map_err(io_error)?;
    let (stdout, stderr) = files.read_back(&command.limits).map_err(io_error)?;
    let elapsed = started.elapsed();
    let shown = || command.shown();
    // What was written between the last look and the end counts as well.
    let verdict = match (verdict, files.too_much(&command.limits).map_err(io_error)?) {
        (Verdict::Ended(_), Some(stream)) => Verdict::TooMuch(stream),
        (verdict, _) => verdict,
    };
    match verdict {
        Verdict::Ended(status) => Ok(Output {
            status,
            stdout,
            stderr,
            elapsed,
        }),
        Verdict::TimedOut => Err(RunError::TimedOut {
            command: shown(),
            elapsed,
            stdout,
            stderr,
        }),
        Verdict::TooMuch(stream) => {
            let limit_bytes = match stream {
                Stream::Stdout => command.limits.stdout_bytes,
                Stream::Stderr => command.limits.stderr_bytes,
            };
            Err(RunError::TooMuchOutput {
                command: shown(),
                stream,
                limit_bytes,
                elapsed,
                stdout,
                stderr,
            })
        }
    }
}

/// A program that was written a moment ago can be "busy": another thread's child, forked in between, holds the file open for
/// writing until it executes its own program. That passes within milliseconds.
pub(crate) fn retry_while_busy<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const TRIES: u32 = 40;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(PAUSE)
            }
            other => return other,
        }
    }
    start()
}

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

use crate::env::Env;
use crate::find::{self, FindError};
use crate::poll;
use crate::show;
use crate::tree::{self, Identity, Sent};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

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

/// Why there is no [`Output`].
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no such program.
    #[error(transparent)]
    NotFound {
        /// Which, and where it was looked for.
        #[from]
        problem: FindError,
    },
    /// The working directory is missing. The system reports this in the same words as a missing program, so it is asked first.
    #[error("the folder {} does not exist, so `{command}` was not started", .folder.display())]
    NoFolder {
        /// The working directory that was asked for.
        folder: PathBuf,
        /// The command line.
        command: String,
    },
    /// The time limit came first; the command and all below it were ended.
    #[error("`{command}` took longer than {} s and was ended{}", .elapsed.as_secs(), last_words(.stderr))]
    TimedOut {
        /// The command line.
        command: String,
        /// From the start until it was known dead.
        elapsed: Duration,
        /// What it had written to stdout, up to the limit.
        stdout: Vec<u8>,
        /// What it had written to stderr, up to the limit.
        stderr: Vec<u8>,
    },
    /// It wrote more than its limit; if it still ran it was ended.
    #[error("`{command}` wrote more than {limit_bytes} bytes to {stream}")]
    TooMuchOutput {
        /// The command line.
        command: String,
        /// Which stream was too much.
        stream: Stream,
        /// How much was allowed.
        limit_bytes: u64,
        /// From the start until it was known dead.
        elapsed: Duration,
        /// The first bytes of stdout, up to the limit.
        stdout: Vec<u8>,
        /// The first bytes of stderr, up to the limit.
        stderr: Vec<u8>,
    },
    /// The system refused something: starting it, or a temporary file.
    #[error("`{command}` could not be run: {source}")]
    Io {
        /// The command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// How long the command ran; zero when it never did.
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::TimedOut { elapsed, .. } | Self::TooMuchOutput { elapsed, .. } => *elapsed,
            Self::NotFound { .. } | Self::NoFolder { .. } | Self::Io { .. } => Duration::ZERO,
        }
    }
}

fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("; its last words: {}", line.trim()),
        None => String::new(),
    }
}

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

enum Verdict {
    Ended(Status),
    TimedOut,
    TooMuch(Stream),
}

/// The unnamed files of one call.
struct Files {
    stdin: Option<File>,
    stdout: File,
    stderr: File,
}

impl Files {
    fn new(stdin: &Stdin) -> io::Result<Self> {
        let stdin = match stdin {
            Stdin::Null => None,
            Stdin::Bytes(bytes) => {
                let mut file = tempfile::tempfile()?;
                file.write_all(bytes)?;
                file.seek(SeekFrom::Start(0))?;
                Some(file)
            }
        };
        Ok(Self {
            stdin,
            stdout: tempfile::tempfile()?,
            stderr: tempfile::tempfile()?,
        })
    }

    fn too_much(&self, limits: &Limits) -> io::Result<Option<Stream>> {
        if self.stdout.metadata()?.len() > limits.stdout_bytes {
            return Ok(Some(Stream::Stdout));
        }
        Ok((self.stderr.metadata()?.len() > limits.stderr_bytes).then_some(Stream::Stderr))
    }

    fn read_back(&self, limits: &Limits) -> io::Result<(Vec<u8>, Vec<u8>)> {
        Ok((
            read_up_to(&self.stdout, limits.stdout_bytes)?,
            read_up_to(&self.stderr, limits.stderr_bytes)?,
        ))
    }
}

/// Reads from the start whatever the shared file position is: the command moved it.
fn read_up_to(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let wanted = usize::try_from(file.metadata()?.len().min(limit)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// How often the sizes of the output files are looked at.
const SIZE_CHECK: Duration = Duration::from_millis(50);
/// How long we wait for what was killed; longer means that the kernel holds it.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

struct Running {
    handle: duct::Handle,
    identity: Option<Identity>,
    pid: u32,
    pidfd: OwnedFd,
}

impl Running {
    fn start(command: &Command, program: &Path, files: &Files) -> io::Result<Self> {
        let handle = retry_while_busy(|| expression(command, program, files)?.start())?;
        let pid = *handle
            .pids()
            .first()
            .ok_or_else(|| io::Error::other("no process number"))?;
        let raw = tree::to_pid(pid).ok_or_else(|| io::Error::other("odd process number"))?;
        // The handle has not been waited for, so the number still is this process, even when it has ended already.
        match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self {
                identity: Identity::of(pid),
                handle,
                pid,
                pidfd,
            }),
            Err(error) => {
                // Out of descriptors, and nobody else knows of this process.
                let _ = kill_process_group(raw, Signal::KILL);
                handle.wait()?;
                Err(error.into())
            }
        }
    }

    fn wait(&mut self, files: &Files, limits: &Limits, started: Instant) -> io::Result<Verdict> {
        let deadline = started.checked_add(limits.timeout);
        loop {
            let look = Instant::now().checked_add(SIZE_CHECK);
            if self.ends_before(poll::earlier(deadline, look))? {
                return Ok(Verdict::Ended(self.reap()?));
            }
            if let Some(stream) = files.too_much(limits)? {
                self.end(Duration::ZERO)?;
                return Ok(Verdict::TooMuch(stream));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.end(limits.grace)?;
                return Ok(Verdict::TimedOut);
            }
        }
    }

    /// Whether the command ends before `deadline`. Does not reap: the number stays ours.
    fn ends_before(&self, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            poll::wait(&mut fds, deadline)?;
            if !fds[0].revents().is_empty() {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
        }
    }

    /// Ends the command's group and everything that descends from it.
    fn end(&mut self, grace: Duration) -> io::Result<()> {
        if !grace.is_zero() {
            let below = self.signal_all(Signal::TERM, &BTreeSet::new());
            let deadline = Instant::now().checked_add(grace);
            let ended = self.ends_before(deadline)?;
            // What left the group is no longer found through the command once that has ended.
            self.signal_all(Signal::KILL, &below);
            if ended {
                self.reap()?;
                return Ok(());
            }
        } else {
            self.signal_all(Signal::KILL, &BTreeSet::new());
        }
        if self.ends_before(Instant::now().checked_add(KILL_PATIENCE))? {
            self.reap()?;
        }
        Ok(())
    }

    /// Signals the group, its descendants now and those seen before. Only called before the command is reaped, so its number
    /// cannot be a stranger's group.
    fn signal_all(&self, signal: Signal, before: &BTreeSet<Identity>) -> BTreeSet<Identity> {
        let processes = tree::all();
        let mut below: BTreeSet<Identity> =
            tree::descendants(&BTreeSet::from([self.pid]), &processes)
                .iter()
                .map(|process| process.identity())
                .collect();
        below.extend(self.identity);
        below.extend(before);
        if let Some(group) = tree::to_pid(self.pid) {
            // An empty group is no error worth telling: its members ended by themselves.
            let _ = kill_process_group(group, signal);
        }
        for identity in &below {
            match tree::signal_same(*identity, signal) {
                Sent::Yes | Sent::Gone | Sent::Refused => {}
            }
        }
        below
    }

    fn reap(&self) -> io::Result<Status> {
        let status = self.handle.wait()?.status;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => Status::Exited(code),
            (None, signal) => Status::Signaled(signal.unwrap_or_default()),
        })
    }
}

fn expression(command: &Command, program: &Path, files: &Files) -> io::Result<duct::Expression> {
    let mut expression = duct::cmd(program, &command.args)
        .full_env(command.env.iter())
        .stdout_file(files.stdout.try_clone()?)
        .stderr_file(files.stderr.try_clone()?)
        .unchecked()
        .before_spawn(|process| {
            process.process_group(0);
            Ok(())
        });
    if let Some(folder) = &command.cwd {
        expression = expression.dir(folder);
    }
    Ok(match &files.stdin {
        None => expression.stdin_null(),
        Some(file) => expression.stdin_file(file.try_clone()?),
    })
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

//! One started command: its files, its end, and how it is ended.

use super::{Command, Limits, Status, Stdin, Stream, retry_while_busy};
use crate::poll;
use crate::tree::{self, Identity, Sent};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How the wait ended.
pub(super) enum Verdict {
    Ended(Status),
    TimedOut,
    TooMuch(Stream),
}

/// The unnamed files of one call.
pub(super) struct Files {
    stdin: Option<File>,
    stdout: File,
    stderr: File,
}

impl Files {
    pub(super) fn new(stdin: &Stdin) -> io::Result<Self> {
        let stdin = match stdin {
            Stdin::Null => None,
            Stdin::Bytes(bytes) => {
                let mut file = unnamed_file()?;
                file.write_all(bytes)?;
                file.seek(SeekFrom::Start(0))?;
                Some(file)
            }
        };
        Ok(Self {
            stdin,
            stdout: unnamed_file()?,
            stderr: unnamed_file()?,
        })
    }

    pub(super) fn too_much(&self, limits: &Limits) -> io::Result<Option<Stream>> {
        if self.stdout.metadata()?.len() > limits.stdout_bytes {
            return Ok(Some(Stream::Stdout));
        }
        Ok((self.stderr.metadata()?.len() > limits.stderr_bytes).then_some(Stream::Stderr))
    }

    pub(super) fn read_back(&self, limits: &Limits) -> io::Result<(Vec<u8>, Vec<u8>)> {
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

pub(super) struct Running {
    handle: duct::Handle,
    identity: Option<Identity>,
    pid: u32,
    pidfd: OwnedFd,
}

impl Running {
    pub(super) fn start(command: &Command, program: &Path, files: &Files) -> io::Result<Self> {
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

    pub(super) fn wait(
        &mut self,
        files: &Files,
        limits: &Limits,
        started: Instant,
    ) -> io::Result<Verdict> {
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

/// A file without a name in the folder for temporary files. A folder that is not there would otherwise read as a missing program.
fn unnamed_file() -> io::Result<File> {
    tempfile::tempfile().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "no temporary file can be made in {} ({error}); set TMPDIR to a folder that is there and can be written, or unset it",
                std::env::temp_dir().display()
            ),
        )
    })
}

//! The coordinator's side: starting a shim, finding a live one again, asking it to stop.

use super::report::{self, ShimRecord};
use super::spec::ShimSpec;
use crate::env::{MESH_ATTEMPT, MESH_RUN};
use crate::tree::{self, Identity};
use fs_err::OpenOptions;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{
    PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Which executable becomes the shim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Launcher {
    /// A program that calls [`super::main`] when its first argument is [`super::ARGUMENT`].
    pub exe: PathBuf,
}

impl Default for Launcher {
    /// Our own executable, by the name that stays right when the file on disk is replaced while we run.
    fn default() -> Self {
        Self {
            exe: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// Why no shim was started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The shim runs in the root folder and cannot use such a path.
    #[error("{} is not an absolute path", .path.display())]
    RelativePath {
        /// The path.
        path: PathBuf,
    },
    /// The spec or the shim's log could not be written.
    #[error("cannot prepare the start: {source}")]
    Prepare {
        /// What the system said, with the file named.
        source: io::Error,
    },
    /// The system would not start the process.
    #[error("cannot start the supervising process: {source}")]
    Spawn {
        /// What the system said.
        source: io::Error,
    },
}

/// A running (or just ended) shim. Copies are cheap and mean the same process.
#[derive(Clone, Debug)]
pub struct ShimHandle {
    identity: Identity,
    pidfd: Arc<OwnedFd>,
}

/// Writes the spec to `spec_path` and starts a shim that holds `lock`, which must be locked already ([`super::lock_attempt`]).
///
/// From here on the lock is the shim's: also on an error it is closed, and so given back. The shim becomes our child and wants to
/// be reaped, by [`crate::watch::Watcher`] or [`ShimHandle::wait`].
///
/// # Errors
/// [`StartError`]; then no process was started. A program that cannot be started is no error here but an exit report.
pub fn start(
    spec: &ShimSpec,
    spec_path: &Path,
    lock: File,
    launcher: &Launcher,
) -> Result<ShimHandle, StartError> {
    let relative = spec
        .relative_path()
        .or_else(|| Some(spec_path).filter(|path| !path.is_absolute()));
    if let Some(path) = relative {
        return Err(StartError::RelativePath {
            path: path.to_path_buf(),
        });
    }
    let prepare = |source| StartError::Prepare { source };
    report::write(spec_path, spec).map_err(prepare)?;
    let log = match &spec.shim_log {
        None => Stdio::null(),
        Some(path) => {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(prepare)?;
            Stdio::from(file.into_parts().0)
        }
    };
    let mut command = Command::new(&launcher.exe);
    command.arg0("mesh").arg(super::ARGUMENT).arg(spec_path);
    command.current_dir("/").env_clear();
    // When we ourselves are part of a marked tree, so is the shim: whoever ends that tree must find it.
    for marker in [MESH_RUN, MESH_ATTEMPT] {
        command.envs(std::env::var_os(marker).map(|value| (marker, value)));
    }
    command
        .stdin(Stdio::from(lock))
        .stdout(Stdio::null())
        .stderr(log);
    let spawn = |source| StartError::Spawn { source };
    let mut child = crate::run::retry_while_busy(|| command.spawn()).map_err(spawn)?;
    // Not reaped yet, so the number is this process even if it has ended.
    ShimHandle::of_child(child.id()).map_err(|source| {
        // Out of descriptors. A shim that nobody waits for must not go on; it ends its tree first.
        if let Some(pid) = tree::to_pid(child.id()) {
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
        let _ = child.wait();
        spawn(source)
    })
}

impl ShimHandle {
    fn of_child(pid: u32) -> io::Result<Self> {
        let raw = tree::to_pid(pid).ok_or_else(|| io::Error::other("odd process number"))?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty())?;
        let identity =
            Identity::of(pid).ok_or_else(|| io::Error::other("/proc is not readable"))?;
        Ok(Self {
            identity,
            pidfd: Arc::new(pidfd),
        })
    }

    /// The shim that wrote the record at `record`, when it still lives. `None` when there is no such record, it cannot be read,
    /// the machine was restarted, or the process is gone, whoever has its number now.
    pub fn adopt(record: &Path) -> Option<Self> {
        let record: ShimRecord = report::read_record(record).ok()??;
        if tree::boot_id()? != record.boot_id {
            return None;
        }
        let pidfd = tree::open_same(record.identity)?;
        Some(Self {
            identity: record.identity,
            pidfd: Arc::new(pidfd),
        })
    }

    /// As [`ShimHandle::adopt`], for a shim that may have been started a moment ago: while `lock` is held and there is no record, it
    /// waits up to `patience` for one.
    pub fn adopt_or_wait(record: &Path, lock: &Path, patience: Duration) -> Option<Self> {
        const PAUSE: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + patience;
        loop {
            if let Some(live) = Self::adopt(record) {
                return Some(live);
            }
            if !super::is_locked(lock) || Instant::now() >= deadline {
                // It may have written the record and even ended between the two questions.
                return Self::adopt(record);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The shim's number.
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// The shim's number and start time.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Becomes readable when the shim has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Asks the shim to stop its child: SIGTERM to the whole tree, the grace of the spec, SIGKILL. Also when it is asked twice.
    pub fn request_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks the shim to kill its child's tree at once, also in the middle of a grace.
    pub fn request_kill(&self) {
        self.signal(Signal::INT);
    }

    /// Kills the shim itself. Its tree lives on and there will be no report: [`crate::orphans::end`] has to follow.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that it has ended, which is what everybody is waiting for.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits until the shim has ended, at most `patience`, and reaps it when it is our child. Says whether it has ended.
    pub fn wait(&self, patience: Duration) -> bool {
        let deadline = Instant::now().checked_add(patience);
        loop {
            let mut fds = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
            if crate::poll::wait(&mut fds, deadline).is_err() {
                return false;
            }
            if !fds[0].revents().is_empty() {
                self.reap();
                return true;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
        }
    }

    /// Takes notice of its end when it is our child; an adopted one is reaped by process 1.
    pub(crate) fn reap(&self) {
        let _ = waitid(
            WaitId::PidFd(self.pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
    }
}

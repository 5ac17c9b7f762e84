//! Waiting for the child, and ending it when it must not go on. Nothing here is asked for periodically: the kernel tells of
//! children that end, of requests and of log files that grow, and a deadline is the time limit of that one wait.

use super::logs::LogWatch;
use super::main::{hard_deadline, say};
use super::report::{Cause, ChildEnd, Killed};
use super::spec::ShimSpec;
use super::sweep::Sweep;
use crate::poll;
use crate::tree::{self, Sent};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus, kill_process_group};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Requests to stop, and a descriptor that becomes readable when one of them or the end of a child arrives.
#[derive(Debug)]
pub(super) struct Stops {
    stop: Arc<AtomicBool>,
    kill: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Stops {
    pub(super) fn install() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (stop, kill) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        // The flags come first: handlers run in the order of their registration, and who wakes must find the flag set.
        signal_hook::flag::register(SIGTERM, Arc::clone(&stop))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&kill))?;
        signal_hook::flag::register(SIGQUIT, Arc::clone(&kill))?;
        // A handler that does nothing, not "ignore": the child would inherit that.
        signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        for signal in [SIGTERM, SIGINT, SIGQUIT, SIGCHLD] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { stop, kill, wake })
    }

    fn is_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn is_kill(&self) -> bool {
        self.kill.load(Ordering::SeqCst)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn drain(&self) {
        let mut buffer = [0u8; 256];
        while (&self.wake).read(&mut buffer).is_ok_and(|count| count > 0) {}
    }
}

/// The child and all that came from it.
#[derive(Debug)]
pub(super) struct Supervision<'a> {
    spec: &'a ShimSpec,
    stops: Stops,
    child: u32,
    child_status: Option<WaitStatus>,
    logs: LogWatch,
    is_flooded: bool,
    sweep: Sweep,
}

impl<'a> Supervision<'a> {
    pub(super) fn new(spec: &'a ShimSpec, stops: Stops, child: u32, logs: LogWatch) -> Self {
        Self {
            spec,
            stops,
            child,
            child_status: None,
            logs,
            is_flooded: false,
            sweep: Sweep::new(child),
        }
    }

    /// Until the child has ended or must be ended. What is left of the tree then is for [`Supervision::sweep`].
    pub(super) fn run(&mut self) -> Cause {
        let deadline = hard_deadline(self.spec);
        loop {
            self.reap();
            if self.child_status.is_some() {
                return Cause::Ended;
            }
            if self.stops.is_kill() {
                return Cause::Stopped;
            }
            if self.stops.is_stop() {
                self.terminate();
                return Cause::Stopped;
            }
            if self.is_flooded {
                return Cause::Flood;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.terminate();
                return Cause::HardLimit;
            }
            self.wait(deadline);
        }
    }

    /// SIGTERM to everything, then time to tidy up: until all are gone, the grace is over, it floods, or we are to kill.
    fn terminate(&mut self) {
        for process in self.sweep.living_tree() {
            match tree::signal_same(process.identity(), Signal::TERM) {
                Sent::Yes | Sent::Gone => {}
                Sent::Refused => say(&format!(
                    "not ours to end: {}",
                    tree::command_line(&process)
                )),
            }
        }
        if let Some(group) = tree::to_pid(self.child).filter(|_| self.child_status.is_none()) {
            // Catches what was forked while we looked. The child is not reaped, so the group cannot be a stranger's.
            let _ = kill_process_group(group, Signal::TERM);
        }
        let until = Instant::now().checked_add(Duration::from_millis(self.spec.grace_ms));
        while self.reap() && !self.stops.is_kill() && !self.is_flooded {
            if until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            self.wait(until);
        }
    }

    /// Kills and reaps until nothing that descends from the child is left. Says what had to be killed beside the child, and how
    /// many more than it lists.
    pub(super) fn sweep(&mut self) -> (Vec<Killed>, u64) {
        let mut patience = Sweep::FIRST_PAUSE;
        // No child left means no descendant left: whoever loses its parent becomes our child.
        while self.reap() {
            patience = if self.sweep.kill_all() {
                Sweep::FIRST_PAUSE
            } else {
                patience.saturating_mul(2)
            };
            patience = patience.min(Sweep::LONGEST_PAUSE);
            let until = Instant::now().checked_add(patience);
            self.wait_for_stops(until);
        }
        self.sweep.take_killed()
    }

    /// How the child ended.
    pub(super) fn ending(&self) -> ChildEnd {
        let code = self.child_status.and_then(WaitStatus::exit_status);
        let signal = self.child_status.and_then(WaitStatus::terminating_signal);
        match (code, signal) {
            (Some(code), _) => ChildEnd::Exited { code },
            (None, Some(signal)) => ChildEnd::Signaled { signal },
            // Cannot be: every child has been reaped, and only an end is reaped. Not a success, whatever it was.
            (None, None) => ChildEnd::Signaled { signal: 0 },
        }
    }

    /// Bytes of stdout and of stderr.
    pub(super) fn written(&self) -> (u64, u64) {
        self.logs.written()
    }

    /// Reaps whoever has ended; false when we have no child at all any more. Also orphans of a long-running child come to us, so
    /// this is called whenever one ends and not only in the end.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if tree::to_pid(self.child) == Some(pid) {
                        self.child_status = Some(status);
                    }
                }
                Ok(None) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Sleeps until a child ends, a request comes, a log grows or the deadline is there.
    fn wait(&mut self, deadline: Option<Instant>) {
        let deadline = poll::earlier(deadline, self.logs.wake_at());
        let mut fds = vec![PollFd::from_borrowed_fd(self.stops.fd(), PollFlags::IN)];
        fds.extend(
            self.logs
                .pollable()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
        let waited = poll::wait(&mut fds, deadline);
        let told = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        self.after_wait(&waited);
        self.is_flooded |= self.logs.is_over(told, Instant::now());
    }

    fn wait_for_stops(&mut self, deadline: Option<Instant>) {
        let mut fds = [PollFd::from_borrowed_fd(self.stops.fd(), PollFlags::IN)];
        let waited = poll::wait(&mut fds, deadline);
        self.after_wait(&waited);
    }

    fn after_wait(&self, waited: &io::Result<()>) {
        self.stops.drain();
        if let Err(error) = waited {
            // The kernel is out of memory. Giving up would leave the tree without anybody; try again, slowly.
            say(&format!("cannot wait: {error}"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

//! Processes of an attempt whose shim is gone.
//!
//! A killed shim leaves its tree to process 1 (or to the nearest subreaper). Five signs tell what belongs to the attempt:
//!
//! 1. the markers [`MESH_RUN`] and [`MESH_ATTEMPT`] in the environment it was started with;
//! 2. the shim's session, which nobody else can be in while a member of it lives;
//! 3. for an orphan without markers (something cleared its environment): it started after the attempt, its working directory
//!    lies in the attempt's workspace, and nothing says that it is a person's: no terminal, no login session in its environment;
//! 4. the control group of the tree, where it has one;
//! 5. descent from one of these.
//!
//! A person's shell, editor or debugger in a workspace is left alone: it has a living parent, a terminal, or a login session.
//! So are we ourselves, our ancestors, and every tree named in [`Search::spare`].

mod select;

use crate::cgroup;
#[cfg(doc)]
use crate::env::{MESH_ATTEMPT, MESH_RUN};
pub use crate::shim::Killed;
use crate::tree::{self, Identity, ProcessStat};
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;
use select::{Marks, Proc, select};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Which processes of a run are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marked<'a> {
    /// Those of one attempt.
    Attempt(&'a str),
    /// Those of the run that belong to no attempt: its own tracker and version control calls.
    NoAttempt,
    /// All of them.
    Any,
}

/// A folder in which nobody but the attempt should have started anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkFolder {
    /// The workspace.
    pub path: PathBuf,
    /// When the attempt started, in Unix milliseconds: what is older cannot come from it.
    pub since_unix_ms: u64,
}

/// What to look for.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// The value of [`MESH_RUN`].
    pub run: &'a str,
    /// Which processes of that run.
    pub marked: Marked<'a>,
    /// Workspaces whose orphans are meant as well.
    pub folders: &'a [WorkFolder],
    /// Shims that are known dead, by their records: the session of each is searched.
    pub shims: &'a [Identity],
    /// Control groups of shims that are known dead, by their records.
    pub groups: &'a [PathBuf],
    /// Living processes that are left alone with all that descends from them: adopted shims, in the first place.
    pub spare: &'a [Identity],
}

impl<'a> Search<'a> {
    /// By markers alone.
    pub fn new(run: &'a str, marked: Marked<'a>) -> Self {
        Self {
            run,
            marked,
            folders: &[],
            shims: &[],
            groups: &[],
            spare: &[],
        }
    }
}

/// A process that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stray {
    /// Number and start time.
    pub identity: Identity,
    /// Its command line, for a person to read.
    pub command: String,
}

/// Why strays are left.
#[derive(Debug, Error)]
pub enum StrayError {
    /// They could not be killed in time (another user's, held by the kernel, or forking faster than they die).
    #[error("{} process(es) could not be ended, among them {} ({})", .left.len(), first(.left).1, first(.left).0)]
    StillThere {
        /// The last ones seen.
        left: Vec<Stray>,
        /// What had been killed by then.
        killed: Vec<Killed>,
    },
}

fn first(left: &[Stray]) -> (u32, &str) {
    left.first().map_or((0, ""), |stray| {
        (stray.identity.pid, stray.command.as_str())
    })
}

/// Everything that `search` means and that lives now.
pub fn find(search: &Search<'_>) -> Vec<Stray> {
    let looked_at = tree::all_with(|process| Marks::of(process.pid));
    let (processes, marks): (Vec<ProcessStat>, Vec<Marks>) = looked_at.into_iter().unzip();
    let grouped = search.groups.iter().flat_map(|path| cgroup::members(path));
    let grouped = grouped.collect();
    let found = select(search, &processes, &marks, &grouped, &Proc);
    processes
        .iter()
        .filter(|process| found.contains(&process.pid))
        .map(|process| Stray {
            identity: process.identity(),
            command: tree::command_line(process),
        })
        .collect()
}

/// Kills everything that `search` means until two looks in a row find nothing, for at most `patience`.
///
/// # Errors
/// [`StrayError::StillThere`] when time ran out.
pub fn end(search: &Search<'_>, patience: Duration) -> Result<Vec<Killed>, StrayError> {
    let deadline = Instant::now().checked_add(patience);
    let mut killed: Vec<(Identity, Killed)> = Vec::new();
    let mut empty_looks = 0;
    loop {
        let strays = find(search);
        empty_looks = if strays.is_empty() {
            empty_looks + 1
        } else {
            0
        };
        if empty_looks == 2 {
            search.groups.iter().for_each(|path| cgroup::remove(path));
            return Ok(killed.into_iter().map(|(_, killed)| killed).collect());
        }
        let mut dying = Vec::new();
        for stray in &strays {
            let Some(pidfd) = tree::open_same(stray.identity) else {
                continue;
            };
            if rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
                dying.push(pidfd);
                if killed
                    .iter()
                    .all(|(identity, _)| *identity != stray.identity)
                {
                    let entry = Killed {
                        pid: stray.identity.pid,
                        command: stray.command.clone(),
                    };
                    killed.push((stray.identity, entry));
                }
            }
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) && !strays.is_empty() {
            let killed = killed.into_iter().map(|(_, killed)| killed).collect();
            return Err(StrayError::StillThere {
                left: strays,
                killed,
            });
        }
        wait_for(&dying, deadline);
        if dying.is_empty() {
            // Either nothing was found: what changes its program at this moment shows no environment, so the second look comes a
            // little later. Or something is left that we may not kill, and asking again at once would only spin.
            std::thread::sleep(PAUSE);
        }
    }
}

/// Gives what `search` means time to end by itself, at most `patience`, before [`end`] with `kill_patience`: a tracker's write in
/// flight is better finished than torn.
///
/// # Errors
/// As [`end`].
pub fn wait_then_end(
    search: &Search<'_>,
    patience: Duration,
    kill_patience: Duration,
) -> Result<Vec<Killed>, StrayError> {
    let deadline = Instant::now().checked_add(patience);
    loop {
        let strays = find(search);
        if strays.is_empty() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return end(search, kill_patience);
        }
        let living: Vec<OwnedFd> = strays
            .iter()
            .filter_map(|stray| tree::open_same(stray.identity))
            .collect();
        wait_for(&living, deadline);
    }
}

/// Between two looks that had nothing to wait for.
const PAUSE: Duration = Duration::from_millis(10);

/// Until all of these have ended or the deadline is there.
fn wait_for(processes: &[OwnedFd], deadline: Option<Instant>) {
    for process in processes {
        loop {
            let mut fds = [PollFd::new(process, PollFlags::IN)];
            let waited: io::Result<()> = crate::poll::wait(&mut fds, deadline);
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if waited.is_err() || is_over || !fds[0].revents().is_empty() {
                break;
            }
        }
    }
}

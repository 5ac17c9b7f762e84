//! Processes of an attempt whose shim is gone.
//!
//! A killed shim leaves its tree to process 1 (or to the nearest subreaper). Four signs tell what belongs to the attempt:
//!
//! 1. the markers [`MESH_RUN`] and [`MESH_ATTEMPT`] in the environment it was started with;
//! 2. the shim's session, which nobody else can be in while a member of it lives;
//! 3. for an orphan without markers (something cleared its environment): it started after the attempt, its working directory
//!    lies in the attempt's workspace, and nothing says that it is a person's: no terminal, no login session in its environment;
//! 4. descent from one of these.
//!
//! A person's shell, editor or debugger in a workspace is left alone: it has a living parent, a terminal, or a login session.
//! So are we ourselves, our ancestors, and every tree named in [`Search::spare`].

use crate::env::{MESH_ATTEMPT, MESH_RUN};
pub use crate::shim::Killed;
use crate::tree::{self, Identity, ProcessStat};
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
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
    let processes = tree::all();
    let found = select(search, &processes, &Proc);
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
        // Something is left that we may not kill: do not spin.
        let pause = if dying.is_empty() && !strays.is_empty() {
            REFUSED_PAUSE
        } else {
            Duration::ZERO
        };
        wait_for(&dying, deadline);
        std::thread::sleep(pause);
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

/// Between two tries on processes that we may not kill.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

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

/// What the selection asks about a process; `/proc` in truth, a table in tests.
trait Facts {
    fn environ(&self, pid: u32) -> Option<Vec<u8>>;
    fn cwd(&self, pid: u32) -> Option<PathBuf>;
    fn own_pid(&self) -> u32;
    /// When it started, in Unix milliseconds.
    fn started_at_unix_ms(&self, process: &ProcessStat) -> Option<u64>;
}

struct Proc;

impl Facts for Proc {
    fn environ(&self, pid: u32) -> Option<Vec<u8>> {
        tree::environ(pid)
    }

    fn cwd(&self, pid: u32) -> Option<PathBuf> {
        tree::cwd(pid)
    }

    fn own_pid(&self) -> u32 {
        std::process::id()
    }

    fn started_at_unix_ms(&self, process: &ProcessStat) -> Option<u64> {
        tree::started_at_unix_ms(process)
    }
}

/// Who among `processes` is meant, by number.
fn select(search: &Search<'_>, processes: &[ProcessStat], facts: &impl Facts) -> BTreeSet<u32> {
    let ancestors = tree::ancestors(facts.own_pid(), processes);
    let mut protected: BTreeSet<u32> = ancestors.iter().copied().collect();
    protected.extend([facts.own_pid(), 1]);
    let spared: BTreeSet<u32> = processes
        .iter()
        .filter(|process| search.spare.contains(&process.identity()))
        .map(|process| process.pid)
        .collect();
    protected.extend(
        tree::descendants(&spared, processes)
            .iter()
            .map(|process| process.pid),
    );
    protected.extend(spared);
    let folders: Vec<WorkFolder> = search.folders.iter().map(resolved).collect();
    let certain: BTreeSet<u32> = processes
        .iter()
        .filter(|process| !process.is_zombie() && !protected.contains(&process.pid))
        .filter(|process| {
            in_dead_session(search, process)
                || is_marked_or_orphan(search, process, processes, &ancestors, &folders, facts)
        })
        .map(|process| process.pid)
        .collect();
    let mut all = certain.clone();
    all.extend(
        tree::descendants(&certain, processes)
            .iter()
            .filter(|process| !process.is_zombie() && !protected.contains(&process.pid))
            .map(|process| process.pid),
    );
    all
}

/// A folder by the name the kernel uses for it.
fn resolved(folder: &WorkFolder) -> WorkFolder {
    let path = fs_err::canonicalize(&folder.path).unwrap_or_else(|_| folder.path.clone());
    WorkFolder { path, ..*folder }
}

/// The kernel gives a number out again only when no session of that number is left, so the members of a dead shim's session are
/// its tree. What started before the shim is in a session of an earlier owner of the number.
fn in_dead_session(search: &Search<'_>, process: &ProcessStat) -> bool {
    search.shims.iter().any(|shim| {
        process.session == shim.pid
            && process.start_ticks >= shim.start_ticks
            && process.identity() != *shim
    })
}

fn is_marked_or_orphan(
    search: &Search<'_>,
    process: &ProcessStat,
    processes: &[ProcessStat],
    ancestors: &[u32],
    folders: &[WorkFolder],
    facts: &impl Facts,
) -> bool {
    // Not readable means another user's, or the kernel's own.
    let Some(environ) = facts.environ(process.pid) else {
        return false;
    };
    let run = tree::parse_environ(&environ, MESH_RUN);
    let attempt = tree::parse_environ(&environ, MESH_ATTEMPT);
    if run.is_some() || attempt.is_some() {
        return run == Some(search.run.as_bytes()) && is_meant(search.marked, attempt);
    }
    is_orphan(process, processes, ancestors)
        && process.terminal == 0
        && !is_a_persons(&environ)
        && folders
            .iter()
            .any(|folder| started_in(process, folder, facts))
}

fn is_meant(marked: Marked<'_>, attempt: Option<&[u8]>) -> bool {
    match marked {
        Marked::Any => true,
        Marked::NoAttempt => attempt.is_none(),
        Marked::Attempt(name) => attempt == Some(name.as_bytes()),
    }
}

/// Its parent is process 1, or one of our ancestors that is not of its session: a subreaper adopts across sessions, while a
/// shell's own jobs are in the shell's session.
fn is_orphan(process: &ProcessStat, processes: &[ProcessStat], ancestors: &[u32]) -> bool {
    let is_from_another_session = || {
        processes
            .iter()
            .any(|parent| parent.pid == process.parent && parent.session != process.session)
    };
    process.parent == 1 || (ancestors.contains(&process.parent) && is_from_another_session())
}

/// Variables that login sessions and terminals set, and that no agent is given without the markers beside them.
fn is_a_persons(environ: &[u8]) -> bool {
    const SIGNS: [&str; 9] = [
        "XDG_SESSION_ID",
        "SSH_CONNECTION",
        "SSH_TTY",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "TMUX",
        "STY",
        "WINDOWID",
        "TERM_PROGRAM",
    ];
    SIGNS
        .iter()
        .any(|name| tree::parse_environ(environ, name).is_some())
}

fn started_in(process: &ProcessStat, folder: &WorkFolder, facts: &impl Facts) -> bool {
    // The clock may have been set a little, and the time of boot is known in whole seconds.
    const SLACK_MS: u64 = 2000;
    let is_inside = facts
        .cwd(process.pid)
        .is_some_and(|cwd| is_below(&cwd, &folder.path));
    let started = facts.started_at_unix_ms(process);
    is_inside
        && started.is_some_and(|started| started.saturating_add(SLACK_MS) >= folder.since_unix_ms)
}

fn is_below(path: &Path, folder: &Path) -> bool {
    // The root folder would mean everybody.
    folder.parent().is_some() && path.starts_with(folder)
}

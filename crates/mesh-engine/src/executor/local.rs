//! Processes on this machine: each tree is owned by a shim, which outlives the coordinator and reports its end in a file.
//!
//! A process is known dead when its shim has reported its end, or when no process that carries the attempt's markers is left.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use mesh_agent::activity;
use mesh_agent::launch::Launch;
use mesh_agent::profile::{Limits, Protocol};
use mesh_core::event::Event;
use mesh_core::evidence::Ending;
use mesh_core::id::AttemptId;
use mesh_core::process::{ProcessId, Role};
use mesh_journal::layout::{ProcessDir, RunDir};
use mesh_proc::orphans::{self, Marked, Search};
use mesh_proc::shim::{self, Cause, Launcher, ShimHandle, lock_attempt};
use mesh_proc::tree;
use mesh_proc::watch::Watcher;

use super::{Executor, Found, Report, answer};
use crate::clock::unix_ms;
use crate::context::lock;
use crate::inbox::Input;
use crate::notes::Notes;

/// How long orphans may resist before it is reported that they do.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);
/// How long a shim may take for its own work after its child's limit and grace.
const LIMIT_PATIENCE: Duration = Duration::from_secs(60);
/// How long a shim that holds its lock may take to say who it is.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a shim may take to kill its tree.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// An agent whose processes use less than one part in so many of the time waits; a program that only waits wakes up now and then.
const IDLE_SHARE: u64 = 100;
/// Where a first sign of life is waited for, what a program does in this time after its start, and so much processor time, is its
/// start, and no sign that it works.
const START_MS: u64 = 2_000;
const START_CPU_MS: u64 = 500;

/// What an attempt's processes had used when it was looked at.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at_unix_ms: u64,
    cpu_ms: u64,
}

/// The processes of one run.
pub(crate) struct LocalExecutor {
    run: String,
    run_dir: RunDir,
    launcher: Launcher,
    /// The limits of an agent.
    limits: Limits,
    watcher: Watcher<ProcessId>,
    inbox: std::sync::mpsc::Sender<Input>,
    notes: Arc<Notes>,
    /// Shims that were started or found, until somebody waits for them.
    living: Mutex<BTreeMap<ProcessId, ShimHandle>>,
    /// Attempts that are over although a worker of theirs may go on: nothing is started for them any more.
    cancelled: Mutex<BTreeSet<AttemptId>>,
    samples: Mutex<BTreeMap<AttemptId, Sample>>,
}

impl LocalExecutor {
    /// `inbox` hears of the ends.
    ///
    /// # Errors
    /// No thread or file descriptor to wait with.
    pub fn new(
        run: String,
        run_dir: RunDir,
        launcher: Launcher,
        limits: Limits,
        inbox: std::sync::mpsc::Sender<Input>,
        notes: Arc<Notes>,
    ) -> std::io::Result<LocalExecutor> {
        let ends = inbox.clone();
        let watcher = Watcher::start(move |process| {
            // The loop outlives the watcher except at the very end.
            let _ = ends.send(Input::ProcessEnded(process));
        })?;
        Ok(LocalExecutor {
            run,
            run_dir,
            launcher,
            limits,
            watcher,
            inbox,
            notes,
            living: Mutex::default(),
            cancelled: Mutex::default(),
            samples: Mutex::default(),
        })
    }

    fn dir(&self, process: &ProcessId) -> ProcessDir {
        self.run_dir.attempt(&process.attempt).process(process.role)
    }

    fn launch(
        &self,
        process: &ProcessId,
        launch: &Launch,
        limits: &Limits,
    ) -> Result<ShimHandle, String> {
        // Held until the shim has its lock: whoever ends the attempt either comes first, or finds this process.
        let cancelled = lock(&self.cancelled);
        if cancelled.contains(&process.attempt) {
            return Err("the attempt has been ended".to_owned());
        }
        let dir = self.dir(process);
        fs_err::create_dir_all(dir.path()).map_err(|error| error.to_string())?;
        let held = lock_attempt(&dir.lock()).map_err(|error| error.to_string())?;
        let stale = [dir.exit_json(), dir.shim_json(), dir.stdout(), dir.stderr()];
        remove_all(&stale).map_err(|error| error.to_string())?;
        let spec = launch.shim_spec(dir.path(), limits);
        shim::start(&spec, &dir.spec_json(), held, &self.launcher)
            .map_err(|error| error.to_string())
    }

    /// Ends all processes of the attempt that no shim owns any more. Blocks until they are gone: an attempt with a living process
    /// must not be followed by another. What cannot be ended (another user's, held by the kernel) is tried again for ever, and said
    /// so.
    fn end_orphans(&self, attempt: &AttemptId, roles: &[Role]) {
        let marker = attempt.to_string();
        let record = |role: &Role| {
            let dir = self.run_dir.attempt(attempt).process(*role);
            shim::read_record(&dir.shim_json()).ok()?
        };
        let (shims, groups): (Vec<_>, Vec<_>) = roles
            .iter()
            .filter_map(record)
            .map(|record| (record.identity, record.group))
            .unzip();
        let groups: Vec<_> = groups.into_iter().flatten().collect();
        let search = Search {
            shims: &shims,
            groups: &groups,
            ..Search::new(&self.run, Marked::Attempt(&marker))
        };
        let mut said = false;
        loop {
            match orphans::end(&search, ORPHAN_PATIENCE) {
                Ok(killed) => {
                    for process in killed {
                        tracing::warn!(%attempt, pid = process.pid, command = process.command, "ended a process that outlived its shim");
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%attempt, %error, "processes of the attempt are left; no new attempt starts until they are gone");
                    if !std::mem::replace(&mut said, true) {
                        self.notes.warn(format!(
                            "{attempt}: processes of it cannot be ended, and no new attempt starts until they are gone: {error}"
                        ));
                    }
                }
            }
        }
    }

    /// Without a control group, a process that has hidden itself from a shim that was killed is found by nothing.
    fn note_what_cannot_be_known(&self, process: &ProcessId) {
        let record = shim::read_record(&self.dir(process).shim_json());
        if let Ok(Some(record)) = record
            && record.child.is_some()
            && record.group.is_none()
        {
            self.notes.note(format!(
                "the supervisor of {process} was killed, and mesh may not make control groups here: a process of it that cleared its \
                 environment and left its session would not have been found"
            ));
        }
    }

    /// Kills what shims own, with their trees.
    fn kill(&self, attempt: &AttemptId, roles: &[Role]) {
        for role in roles {
            let dir = self.run_dir.attempt(attempt).process(*role);
            if let Some(live) = living(&dir) {
                live.request_kill();
                if !live.wait(KILL_PATIENCE) {
                    // It is stuck itself. Without it its tree is found by its markers.
                    live.kill();
                }
            }
        }
    }

    /// When the agent's processes last did something: now, if they work or have used processor time since the last look (since the
    /// start, at the first one), else when the newest of them was born.
    fn work_of_processes(&self, attempt: &AttemptId, dir: &ProcessDir) -> Option<u64> {
        let record = shim::read_record(&dir.shim_json()).ok()??;
        let usage = tree::usage(record.identity)?;
        let now = Sample {
            at_unix_ms: unix_ms(),
            cpu_ms: usage.cpu_ms,
        };
        let shim = tree::stat(record.identity.pid)?;
        let started = tree::started_at_unix_ms(&shim)?;
        let (start_ms, start_cpu_ms) = match self.limits.start {
            Some(_) => (START_MS, START_CPU_MS),
            None => (0, 0),
        };
        let before = lock(&self.samples)
            .insert(attempt.clone(), now)
            .unwrap_or(Sample {
                at_unix_ms: started,
                cpu_ms: start_cpu_ms,
            });
        // On a machine with too much to do it may get next to nothing of the processor.
        let begun = started.saturating_add(start_ms);
        if usage.runs && now.at_unix_ms >= begun || are_busy(before, now) {
            Some(now.at_unix_ms)
        } else {
            usage.newest_start_unix_ms.filter(|&newest| newest >= begun)
        }
    }
}

impl Executor for LocalExecutor {
    fn start(&self, process: &ProcessId, launch: &Launch, limits: &Limits) -> Result<(), String> {
        let live = self.launch(process, launch, limits)?;
        lock(&self.living).insert(process.clone(), live);
        Ok(())
    }

    fn watch(&self, process: &ProcessId) {
        if let Some(live) = lock(&self.living).remove(process) {
            self.watcher.add(process.clone(), live);
        }
    }

    fn await_answer(&self, attempt: &AttemptId, protocol: Protocol) {
        if protocol == Protocol::Plain {
            return;
        }
        let dir = self.dir(&attempt.process(Role::Agent));
        let (inbox, id) = (self.inbox.clone(), attempt.clone());
        let answered = move || {
            let event = Event::Progressed { attempt: id };
            let _ = inbox.send(Input::Fact(Box::new(event)));
        };
        // Without it the others wait until the attempt has ended, or has executed for long enough.
        if let Err(error) = answer::watch(dir, protocol, answered) {
            tracing::warn!(%attempt, %error, "its stream is not watched");
        }
    }

    fn run(&self, process: &ProcessId, launch: &Launch, limits: &Limits) -> Result<Ending, String> {
        let live = self.launch(process, launch, limits)?;
        let patience = Duration::from_millis(limits.hard.0.saturating_add(limits.grace.0));
        if !live.wait(patience.saturating_add(LIMIT_PATIENCE)) {
            live.kill();
            self.end_orphans(&process.attempt, &[process.role]);
            return Err("it could not be ended at its time limit".to_owned());
        }
        Ok(self.ending(process))
    }

    fn find(&self, process: &ProcessId) -> Found {
        let dir = self.dir(process);
        if let Some(live) = living(&dir) {
            lock(&self.living).insert(process.clone(), live);
            return Found::Living;
        }
        let has_record = || matches!(shim::read_record(&dir.shim_json()), Ok(Some(_)));
        match shim::read_report(&dir.exit_json()) {
            Ok(Some(_)) => Found::Ended,
            Ok(None) | Err(_) if has_record() => Found::Died,
            Ok(None) | Err(_) => Found::Never,
        }
    }

    fn forget(&self, process: &ProcessId) -> std::io::Result<()> {
        let dir = self.dir(process);
        remove_all(&[dir.exit_json(), dir.shim_json()])
    }

    fn ending(&self, process: &ProcessId) -> Ending {
        match self.report(process) {
            Some(report) => report.ending,
            None => {
                // Only without any process left may anybody take the attempt for dead.
                self.end_orphans(&process.attempt, &[process.role]);
                self.note_what_cannot_be_known(process);
                Ending::NoReport
            }
        }
    }

    fn launched_unix_ms(&self, process: &ProcessId) -> Option<u64> {
        let spec = fs_err::metadata(self.dir(process).spec_json()).ok()?;
        let at = spec.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(at.as_millis()).ok()
    }

    fn report(&self, process: &ProcessId) -> Option<Report> {
        let report = shim::read_report(&self.dir(process).exit_json()).ok()??;
        Some(Report {
            started_unix_ms: report.child_started_at_unix_ms,
            ended_unix_ms: report.ended_at_unix_ms,
            ending: ending(report),
        })
    }

    fn last_sign_unix_ms(&self, attempt: &AttemptId, workspace: &Path) -> Option<u64> {
        let dir = self.run_dir.attempt(attempt).process(Role::Agent);
        let (stdout, stderr) = (dir.stdout(), dir.stderr());
        let fresh_after = unix_ms().saturating_sub(self.limits.silence.0);
        let processes = self.work_of_processes(attempt, &dir);
        let logs = [stdout.as_path(), &stderr];
        Some(activity::last_sign(&logs, processes, workspace, fresh_after)?.unix_ms)
    }

    fn request_stop(&self, attempt: &AttemptId) {
        for dir in self.run_dir.attempt(attempt).processes() {
            if let Some(live) = ShimHandle::adopt(&dir.shim_json()) {
                live.request_stop();
            }
        }
    }

    fn end(&self, attempt: &AttemptId, roles: &[Role]) {
        let dirs = self.run_dir.attempt(attempt);
        if roles.iter().any(|role| dirs.process(*role).lock().exists()) {
            self.kill(attempt, roles);
            self.end_orphans(attempt, roles);
        }
    }

    fn end_attempt(&self, attempt: &AttemptId) {
        lock(&self.cancelled).insert(attempt.clone());
        self.kill(attempt, &Role::ALL);
        // Also where the files of the run are gone.
        self.end_orphans(attempt, &Role::ALL);
    }
}

/// The shim in `dir`, if it lives.
fn living(dir: &ProcessDir) -> Option<ShimHandle> {
    ShimHandle::adopt_or_wait(&dir.shim_json(), &dir.lock(), RECORD_PATIENCE)
}

fn remove_all(files: &[std::path::PathBuf]) -> std::io::Result<()> {
    for file in files {
        match fs_err::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn ending(report: shim::ExitReport) -> Ending {
    match (report.cause, report.ending) {
        (_, shim::ChildEnd::CouldNotStart { reason }) => Ending::CouldNotStart(reason),
        (Cause::HardLimit, _) => Ending::HardLimit,
        (Cause::Flood, _) => Ending::Flood,
        (Cause::Stopped, _) => Ending::Stopped,
        (Cause::Ended, shim::ChildEnd::Exited { code }) => Ending::Exited(code),
        (Cause::Ended, shim::ChildEnd::Signaled { signal }) => Ending::Signaled(signal),
    }
}

fn are_busy(before: Sample, now: Sample) -> bool {
    let used = now.cpu_ms.saturating_sub(before.cpu_ms);
    let passed = now.at_unix_ms.saturating_sub(before.at_unix_ms);
    used > passed / IDLE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_only_wakes_up_now_and_then_is_not_busy() {
        let sample = |at_unix_ms, cpu_ms| Sample { at_unix_ms, cpu_ms };
        let before = sample(1_000_000, 5_000);
        assert!(!are_busy(before, sample(1_900_000, 5_000)));
        assert!(!are_busy(before, sample(1_900_000, 14_000)));
        assert!(are_busy(before, sample(1_900_000, 14_010)));
        // What ended unseen took its time with it.
        assert!(!are_busy(before, sample(1_900_000, 0)));
    }
}

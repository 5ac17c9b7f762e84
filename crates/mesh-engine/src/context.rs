//! What all workers of a run share: adapters, paths, and the way into the inbox.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use mesh_agent::launch;
use mesh_agent::ownership::GroupMap;
use mesh_agent::profile::Profile;
use mesh_agent::secrets::Secrets;
use mesh_core::event::Event;
use mesh_core::id::{AttemptId, TaskId};
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_plan::details::TaskDetails;
use mesh_proc::env::Env;
use mesh_vcs::{Backend, CommitId, KeptResult};

use crate::actions::inspect::RecordedFiles;
use crate::actions::prepare::Prepared;
use crate::actions::shared::Shared;
use crate::clock::Clock;
use crate::executor::Executor;
use crate::inbox::Input;
use crate::notes::Notes;
use crate::parts::AgentProgram;
use crate::setup::RunSetup;
use crate::source::Source;
use crate::workers::Workers;

/// The texts of the tasks, as the source was last read.
pub type Details = Arc<Mutex<BTreeMap<TaskId, TaskDetails>>>;

/// Shared by all workers.
pub(crate) struct RunContext {
    pub run: String,
    pub setup: RunSetup,
    pub mesh_dir: MeshDir,
    pub run_dir: RunDir,
    pub vcs: Arc<Backend>,
    pub base: Vec<CommitId>,
    pub source: Arc<dyn Source>,
    pub executor: Box<dyn Executor>,
    pub workers: Box<dyn Workers>,
    pub profile: Profile,
    pub agent_program: PathBuf,
    /// Whether processes are put into a sandbox.
    pub sandboxed: bool,
    /// The agents that follow it in the policy.
    pub more_agents: Vec<AgentProgram>,
    /// Which of the policy's agents attempts have, where it is not the first.
    pub agents_of: Mutex<BTreeMap<AttemptId, u16>>,
    pub groups: GroupMap,
    pub ours: Env,
    /// What must not be shown of what a process wrote.
    pub secrets: Secrets,
    pub clock: Arc<Clock>,
    pub inbox: Sender<Input>,
    pub details: Details,
    /// Attempts whose prompt this coordinator has handed to the source. Of the others nobody knows whether it arrived.
    pub prompted: Mutex<BTreeSet<AttemptId>>,
    /// At most this many version-control calls at once: they are bound by processor and disk, and more only make each slower.
    pub vcs_gate: Semaphore,
    pub notes: Arc<Notes>,
    /// The newest recording of each attempt that is being recorded.
    pub recordings: Recordings,
    /// What the working copies share, as it was last looked at.
    pub shared: Shared,
    /// What was seen of the files of attempts when they were recorded. Of others the proof's end finds out what it changed.
    pub recorded_files: Mutex<BTreeMap<AttemptId, RecordedFiles>>,
    /// Workspaces of attempts that may start next.
    pub prepared: Prepared,
    /// What this run has recorded as verified, needs before what stands on them.
    pub kept: Mutex<Vec<KeptResult>>,
}

impl RunContext {
    /// Hands a fact to the loop. The loop outlives its workers except at the very end, when nobody needs the fact any more.
    pub fn report(&self, event: Event) {
        let _ = self.inbox.send(Input::Fact(Box::new(event)));
    }

    /// The agent of an attempt: what it is, and its program.
    pub fn agent_of(&self, attempt: &AttemptId) -> (&Profile, &Path) {
        let agent = lock(&self.agents_of).get(attempt).copied().unwrap_or(0);
        let more = usize::from(agent).checked_sub(1);
        match more.and_then(|more| self.more_agents.get(more)) {
            Some(agent) => (&agent.profile, &agent.program),
            None => (&self.profile, &self.agent_program),
        }
    }

    /// The folder that goes in front of an agent's `PATH`, if there is anything in it.
    pub fn path_front(&self) -> Option<PathBuf> {
        Some(self.run_dir.bin()).filter(|bin| bin.is_dir())
    }

    /// Nobody works the repository from here any more.
    pub fn close_hub(&self) {
        if let Err(error) = self.vcs.close_hub(&self.run) {
            self.notes.note(format!("the hub was not removed: {error}"));
        }
    }

    /// Says which variables agents did not get: an agent that fails may fail for want of one.
    pub fn note_withheld(&self) {
        let more = self.more_agents.iter().map(|agent| &agent.profile);
        let all = std::iter::once(&self.profile).chain(more);
        let notes = all.filter_map(|profile| launch::withheld_note(profile, &self.ours));
        for note in notes.collect::<BTreeSet<String>>() {
            self.notes.note(note);
        }
    }

    /// The text of a task. A task without one is a bug of its source; empty details keep the run going and shows in the prompt.
    pub fn details(&self, task: &TaskId) -> Option<TaskDetails> {
        lock(&self.details).get(task).cloned()
    }
}

/// A lock whose data stays good whatever a panicking holder did: only whole values are put in.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], unless somebody holds it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Recordings, of which the newest of an attempt counts. One that was given up may hang and come to life again, and must neither
/// look into a workspace in which a proof runs by then nor be believed.
#[derive(Default)]
pub(crate) struct Recordings {
    newest: Mutex<BTreeMap<AttemptId, Arc<Recording>>>,
}

/// One recording.
#[derive(Default)]
pub(crate) struct Recording {
    /// Held while the workspace is looked into: by one recording of an attempt at a time.
    workspace: Arc<Mutex<()>>,
}

impl Recordings {
    /// Begins one: those before it of the same attempt count no more.
    pub fn begin(&self, attempt: &AttemptId) -> Arc<Recording> {
        let mut newest = lock(&self.newest);
        let workspace = newest.get(attempt).map(|last| Arc::clone(&last.workspace));
        let recording = Arc::new(Recording {
            workspace: workspace.unwrap_or_default(),
        });
        newest.insert(attempt.clone(), Arc::clone(&recording));
        recording
    }

    /// No recording of the attempt counts any more.
    pub fn end(&self, attempt: &AttemptId) {
        let _superseded = self.begin(attempt);
    }

    /// Does `work`, unless `recording` does not count any more; its result, if it counts still.
    pub fn work<T>(
        &self,
        attempt: &AttemptId,
        recording: &Arc<Recording>,
        work: impl FnOnce() -> T,
    ) -> Option<T> {
        let counts = || {
            let newest = lock(&self.newest);
            newest
                .get(attempt)
                .is_some_and(|newest| Arc::ptr_eq(newest, recording))
        };
        let _workspace = lock(&recording.workspace);
        let result = counts().then(work)?;
        counts().then_some(result)
    }
}

/// A counting semaphore with two lanes: work that somebody waits for, and work that can be done at any time.
pub(crate) struct Semaphore {
    places: Mutex<Places>,
    changed: Condvar,
    /// How long work in the lane behind stands back for tasks that change over.
    patience: Duration,
}

struct Places {
    free: usize,
    /// How many wait in the lane that goes first.
    waiting: usize,
    /// Tasks are between a need's end and a dependent's start.
    changing_over: bool,
}

impl Semaphore {
    pub fn new(places: usize, patience: Duration) -> Semaphore {
        Semaphore {
            places: Mutex::new(Places {
                free: places.max(1),
                waiting: 0,
                changing_over: false,
            }),
            changed: Condvar::new(),
            patience,
        }
    }

    /// Whether tasks change over at this moment: what runs beside them takes processors from them, even where a place is free.
    pub fn set_changing_over(&self, changing_over: bool) {
        lock(&self.places).changing_over = changing_over;
        self.changed.notify_all();
    }

    /// Runs `work` when a place is free.
    pub fn pass<T>(&self, work: impl FnOnce() -> T) -> T {
        let _place = self.enter();
        work()
    }

    /// As [`Semaphore::pass`], behind all that wait there, and, for a time, behind tasks that change over.
    pub fn pass_behind<T>(&self, work: impl FnOnce() -> T) -> T {
        let quiet = self
            .changed
            .wait_timeout_while(lock(&self.places), self.patience, |places| {
                places.changing_over
            });
        drop(quiet);
        let _place = self.enter_when(|places| places.free > 0 && places.waiting == 0);
        work()
    }

    fn enter(&self) -> Place<'_> {
        lock(&self.places).waiting += 1;
        let place = self.enter_when(|places| places.free > 0);
        lock(&self.places).waiting -= 1;
        // The lane behind may have been waiting for this one.
        self.changed.notify_all();
        place
    }

    fn enter_when(&self, may_enter: impl Fn(&Places) -> bool) -> Place<'_> {
        let mut places = lock(&self.places);
        while !may_enter(&places) {
            places = self
                .changed
                .wait(places)
                .unwrap_or_else(PoisonError::into_inner);
        }
        places.free -= 1;
        Place(self)
    }
}

struct Place<'a>(&'a Semaphore);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.0.places).free += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_nobody_waits_for_stands_back_while_tasks_change_over() {
        let gate = Semaphore::new(2, Duration::from_secs(3600));
        gate.set_changing_over(true);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| gate.pass_behind(|| lock(&order).push("behind")));
            gate.pass(|| lock(&order).push("path"));
            gate.set_changing_over(false);
        });
        assert_eq!(*lock(&order), ["path", "behind"]);
        // It does not stand back for ever.
        let gate = Semaphore::new(1, Duration::ZERO);
        gate.set_changing_over(true);
        gate.pass_behind(|| ());
    }

    #[test]
    fn only_the_newest_recording_of_an_attempt_looks_and_is_believed() {
        let attempt = |number| AttemptId {
            task: TaskId::new("a").expect("an id"),
            number,
        };
        let recordings = Recordings::default();
        let first = recordings.begin(&attempt(1));
        let other = recordings.begin(&attempt(2));
        let second = recordings.work(&attempt(1), &first, || recordings.begin(&attempt(1)));
        assert!(second.is_none(), "it was given up while it looked");
        let looked = recordings.work(&attempt(1), &first, || panic!("it looks again"));
        assert!(looked.is_none());
        assert_eq!(recordings.work(&attempt(2), &other, || 7), Some(7));
        recordings.end(&attempt(2));
        assert_eq!(recordings.work(&attempt(2), &other, || 7), None);
    }
}

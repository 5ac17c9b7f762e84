//! What is outside of a coordinator in a seeded world: time, processes, a repository, a source. It outlives coordinators, and says
//! what must never happen to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::evidence::Ending;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::policy::{Policy, Unlabelled};
use mesh_core::process::{ProcessId, Role, Tree};
use mesh_core::task::Task;
use mesh_core::time::Millis;

use super::repository::Store;
use super::source::names_proof;
use crate::faults::Faults;
use crate::rng::Rng;
use crate::script::{Leaves, OnStop, Script};
use crate::world::Person;

/// When a run begins, in Unix milliseconds.
pub(super) const STARTED: u64 = 1_767_225_600_000;

/// Something that will happen.
pub(super) enum Due {
    /// A worker of this coordinator does its work.
    Job(Box<dyn FnOnce() + Send>),
    /// A process that was launched under this number ends.
    Ends(ProcessId, u64, Ending),
    /// Somebody does something.
    Act(Person),
}

/// A process tree.
pub(super) struct Process {
    /// The number of its launch.
    pub launch: u64,
    pub launched_at: u64,
    pub cwd: PathBuf,
    pub ended: Option<(Ending, u64)>,
    pub watched: bool,
}

/// What the source says of a task, and who has it.
#[derive(Debug, Default, Clone)]
pub(super) struct Tracked {
    pub ours: bool,
    pub theirs: Option<String>,
    /// Closed by a coordinator, with the result.
    pub closed: Option<AttemptId>,
    /// Closed by somebody else.
    pub closed_by_others: bool,
}

/// The world of one seed.
pub(super) struct World {
    pub seed: u64,
    pub faults: Faults,
    pub rng: Rng,
    pub policy: Policy,
    pub now: Arc<AtomicU64>,
    pub work: BTreeMap<TaskId, u64>,
    queue: BTreeMap<(u64, u64), Due>,
    sequence: u64,
    /// Which coordinator works.
    pub incarnation: u64,
    /// It has died, or the world is over: nothing it does has an effect.
    pub dead: bool,
    /// Calls of adapters until it dies.
    pub calls_left: Option<u64>,
    pub processes: BTreeMap<ProcessId, Process>,
    pub launches: u64,
    pub executed: BTreeSet<AttemptId>,
    pub store: Store,
    pub tasks: BTreeMap<TaskId, Task>,
    pub tracker: BTreeMap<TaskId, Tracked>,
    pub taken: BTreeMap<TaskId, String>,
    pub closed: BTreeMap<TaskId, String>,
    pub seen: BTreeMap<TaskId, Task>,
    pub machine_works: bool,
    pub provider_serves: bool,
    pub recording_failures: BTreeMap<AttemptId, u64>,
    pub finalized: BTreeMap<AttemptId, u64>,
    /// Waves whose end was written down.
    pub finalized_waves: BTreeSet<u32>,
    /// Whoever is asked about waves.
    pub asked: Rng,
    /// Their word is on its way.
    pub word_due: bool,
    pub record: Vec<(Millis, Event, Vec<Decision>)>,
    pub broken: Option<String>,
    pub steps: u64,
    pub crashes: u64,
    /// Where tasks have been.
    pub phases: BTreeSet<&'static str>,
}

impl World {
    pub fn new(
        seed: u64,
        faults: Faults,
        rng: Rng,
        policy: Policy,
        tasks: Vec<Task>,
        work: BTreeMap<TaskId, u64>,
        workspaces: PathBuf,
    ) -> World {
        let tasks: BTreeMap<TaskId, Task> = tasks.into_iter().map(|t| (t.id.clone(), t)).collect();
        World {
            seed,
            faults,
            asked: rng.fork(0xa5_4ed),
            word_due: false,
            finalized_waves: BTreeSet::new(),
            rng,
            policy,
            now: Arc::default(),
            work,
            queue: BTreeMap::new(),
            sequence: 0,
            incarnation: 0,
            dead: false,
            calls_left: None,
            processes: BTreeMap::new(),
            launches: 0,
            executed: BTreeSet::new(),
            store: Store::new(workspaces),
            seen: tasks.clone(),
            tasks,
            tracker: BTreeMap::new(),
            taken: BTreeMap::new(),
            closed: BTreeMap::new(),
            machine_works: true,
            provider_serves: true,
            recording_failures: BTreeMap::new(),
            finalized: BTreeMap::new(),
            record: Vec::new(),
            broken: None,
            steps: 0,
            crashes: 0,
            phases: BTreeSet::new(),
        }
    }

    pub fn at(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub fn set_now(&self, now: u64) {
        self.now.fetch_max(now, Ordering::Relaxed);
    }

    pub fn after(&mut self, delay: u64, due: Due) {
        self.sequence += 1;
        self.queue.insert((self.at() + delay, self.sequence), due);
    }

    /// The next thing that happens, if it is not after `until`; it is then.
    pub fn pop(&mut self, until: Option<u64>) -> Option<Due> {
        let (&key, _) = self.queue.first_key_value()?;
        if until.is_some_and(|until| key.0 > until) {
            return None;
        }
        self.set_now(key.0);
        self.queue.remove(&key)
    }

    pub fn breaks(&mut self, sentence: String) {
        self.broken.get_or_insert(sentence);
        self.dead = true;
    }

    /// The coordinator is gone, and its workers with it.
    pub fn coordinator_dies(&mut self) {
        self.crashes += 1;
        self.calls_left = None;
        self.queue.retain(|_, due| !matches!(due, Due::Job(..)));
        for process in self.processes.values_mut() {
            process.watched = false;
        }
    }

    pub fn script(&self, attempt: &AttemptId) -> Script {
        let work = self.work.get(&attempt.task).copied().unwrap_or(60_000);
        Script::of(self.seed, &self.faults, attempt, work)
    }

    /// A process is launched.
    pub fn launch(&mut self, process: &ProcessId, cwd: PathBuf) -> Result<(), String> {
        if !self.machine_works {
            return Err("no such program".to_owned());
        }
        let living = self.processes.get(process).is_some_and(is_living);
        if living {
            self.breaks(format!("P1: {process} is launched while it lives"));
        }
        match process.role {
            Role::Agent => self.must_not_overlap(process, &cwd),
            Role::Proof(tree) => self.must_be_recorded(&process.attempt, tree),
            Role::Setup(_) => {}
        }
        self.launches += 1;
        let (launch, now) = (self.launches, self.at());
        self.processes.insert(
            process.clone(),
            Process {
                launch,
                launched_at: now,
                cwd,
                ended: None,
                watched: false,
            },
        );
        let script = self.script(&process.attempt);
        let (takes, ending) = match process.role {
            Role::Agent if !self.provider_serves => (1_500, Some(Ending::Exited(1))),
            Role::Agent => (script.work_ms, script.ending),
            Role::Proof(Tree::Integrated) if self.rng.percent(self.faults.landing) => {
                (script.proof_ms, Some(Ending::Exited(1)))
            }
            _ => (script.proof_ms, Some(script.proof)),
        };
        if let Some(ending) = ending {
            self.after(takes, Due::Ends(process.clone(), launch, ending));
        }
        Ok(())
    }

    /// A process ends; whether somebody is to hear of it.
    pub fn ends(&mut self, id: &ProcessId, launch: u64, ending: Ending) -> bool {
        let now = self.at();
        let living = self.processes.get_mut(id);
        let Some(process) = living.filter(|one| one.launch == launch && is_living(one)) else {
            return false;
        };
        let passed = ending == Ending::Exited(0);
        process.ended = Some((ending, now));
        let (cwd, watched) = (process.cwd.clone(), process.watched);
        if passed && id.role == Role::Proof(Tree::Integrated) {
            let on = self.store.parents_at(&cwd);
            self.store.proved.extend(on);
        }
        watched
    }

    /// It is asked to end.
    pub fn stop(&mut self, id: &ProcessId) {
        let Some(process) = self.processes.get(id).filter(|process| is_living(process)) else {
            return;
        };
        let launch = process.launch;
        let grace = match self.script(&id.attempt).on_stop {
            OnStop::Prompt => 200,
            OnStop::Late(late) => late,
            OnStop::Ignores => return,
        };
        self.after(grace, Due::Ends(id.clone(), launch, Ending::Stopped));
    }

    pub fn living(&self) -> impl Iterator<Item = &ProcessId> {
        let living = self.processes.iter().filter(|(_, one)| is_living(one));
        living.map(|(id, _)| id)
    }

    /// P1, P3 and P4 where they count: when an agent is about to execute.
    fn must_not_overlap(&mut self, id: &ProcessId, cwd: &std::path::Path) {
        let attempt = &id.attempt;
        if !self.executed.insert(attempt.clone()) {
            return self.breaks(format!("{attempt} is executed twice under one number"));
        }
        let same = self
            .living()
            .find(|other| other.attempt.task == attempt.task);
        if let Some(other) = same {
            let sentence = format!("P1: {attempt} starts while the {other} lives");
            return self.breaks(sentence);
        }
        // A proof holds the locks of its task still; that of a landing holds none.
        let is_landing = |role| {
            matches!(
                role,
                Role::Setup(Tree::Integrated) | Role::Proof(Tree::Integrated)
            )
        };
        let holders: BTreeSet<&TaskId> = self
            .living()
            .filter(|other| !is_landing(other.role))
            .map(|other| &other.attempt.task)
            .collect();
        let locks = |task: &TaskId| self.tasks.get(task).map(|task| task.locks.clone());
        let mine = locks(&attempt.task).unwrap_or_default();
        let others: Vec<_> = holders.into_iter().filter_map(locks).collect();
        let alone = self.policy.unlabelled == Unlabelled::Alone;
        if alone
            && others
                .iter()
                .any(|theirs| mine.is_empty() || theirs.is_empty())
        {
            return self.breaks(format!(
                "P3: {attempt} overlaps, and it or the other runs alone"
            ));
        }
        let clash = mine.units().find(|(group, units)| {
            let held = others.iter().flat_map(|locks| locks.units());
            let held: u32 = held.filter(|(of, _)| of == group).map(|(_, n)| n).sum();
            held + units > self.policy.capacity.get(*group).copied().unwrap_or(1)
        });
        if let Some((group, _)) = clash {
            let sentence = format!("P3: {attempt} starts while {group} is held");
            return self.breaks(sentence);
        }
        let parents = self.store.parents_at(cwd);
        let needs = self.tasks.get(&attempt.task).map(|task| task.needs.clone());
        for need in needs.into_iter().flatten() {
            let result = self.result_of(&need);
            let by_others = self
                .tracker
                .get(&need)
                .is_some_and(|one| one.closed_by_others);
            let Some(result) = result else {
                if self.work.contains_key(&need) && !by_others && self.is_open(&need) {
                    return self.breaks(format!("P4: {attempt} starts, and {need} is not done"));
                }
                continue;
            };
            if !by_others && !parents.iter().any(|at| self.store.is_ancestor(&result, at)) {
                let sentence = format!("P4: {attempt} does not stand on the result of {need}");
                return self.breaks(sentence);
            }
        }
    }

    /// P2: what is proved is recorded, and nobody works on it any more.
    fn must_be_recorded(&mut self, attempt: &AttemptId, tree: Tree) {
        let agent = attempt.process(Role::Agent);
        if self.processes.get(&agent).is_some_and(is_living) {
            self.breaks(format!("P2: {attempt} is proved while its agent lives"));
        }
        if tree != Tree::Integrated && !self.store.results.contains_key(attempt) {
            self.breaks(format!("P2: {attempt} is proved before it is recorded"));
        }
    }

    /// Whether, in truth, the attempt's work is done and proved. One that runs alone holds every lock group.
    pub fn is_good(&self, attempt: &AttemptId) -> bool {
        let mut script = self.script(attempt);
        let locks = self.tasks.get(&attempt.task).map(|task| &task.locks);
        let alone =
            self.policy.unlabelled == Unlabelled::Alone && locks.is_some_and(|all| all.is_empty());
        if alone && script.leaves == Leaves::Breach {
            script.leaves = Leaves::Good;
        }
        let without_proof = self.policy.allow_no_validation || names_proof(&attempt.task);
        script.is_good(without_proof)
    }

    /// The commit of the last accepted attempt of a task.
    pub fn result_of(&self, task: &TaskId) -> Option<String> {
        let decisions = self.record.iter().rev().flat_map(|(_, _, all)| all);
        decisions
            .filter_map(|decision| match decision {
                Decision::Accept {
                    attempt, commit, ..
                } if attempt.task == *task => Some(commit.0.clone()),
                _ => None,
            })
            .next()
    }

    fn is_open(&self, task: &TaskId) -> bool {
        use mesh_core::task::Eligibility;
        let task = self.tasks.get(task);
        task.is_some_and(|task| task.eligibility == Eligibility::Open)
    }
}

pub(super) fn is_living(process: &Process) -> bool {
    process.ended.is_none()
}

/// A coordinator's way into the world.
#[derive(Clone)]
pub(super) struct Hand {
    pub world: Arc<Mutex<World>>,
    pub incarnation: u64,
}

impl Hand {
    /// The world, whoever asks.
    pub fn look(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world for a call of an adapter that has an effect; nothing when the coordinator is dead. It may die at this call, with
    /// its effect or without.
    pub fn call(&self) -> Option<MutexGuard<'_, World>> {
        let mut world = self.look();
        if world.dead || world.incarnation != self.incarnation {
            return None;
        }
        match world.calls_left {
            Some(0) => {
                world.dead = true;
                // A call that was made may come to its end without anybody who hears of it.
                world.rng.percent(50).then_some(world)
            }
            Some(calls) => {
                world.calls_left = Some(calls - 1);
                Some(world)
            }
            None => Some(world),
        }
    }
}

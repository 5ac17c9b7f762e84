//! The world outside the core as plain data: agents, proofs, the tracker, people, a clock. It carries out actions, keeps the
//! facts that the judges read, and may lose its coordinator at any moment: what the coordinator's threads had in hand is lost
//! with it (their effects happened or did not), processes live on.

mod landing;
mod limits;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::decision::{Action, StartOrder};
use mesh_core::event::{Delivery, Event, Request, StartFailure};
use mesh_core::evidence::{Ending, Evidence, Failure, FailureClass, ProofEnd};
use mesh_core::id::{AttemptId, LockGroup, TaskId};
use mesh_core::landing::Candidate;
use mesh_core::policy::{Policy, Unlabelled};
use mesh_core::task::{Locks, Task};
use mesh_core::time::Millis;

use crate::faults::Faults;
use crate::rng::Rng;
use crate::script::{OnStop, Script, Worker};

pub use landing::{Target, landing_proved};
pub use limits::Accounts;
pub use people::{Edit, Person};

/// A process tree of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The agent.
    Agent,
    /// The proof.
    Proof,
    /// The proof on the integrated tree of a landing.
    LandingProof,
}

/// One process tree, from its start on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// How it ended; nothing while it lives.
    pub ending: Option<Ending>,
    /// Its end is on its way; a later stop does not slow it down.
    pub due: Option<u64>,
}

/// An attempt as it really is.
#[derive(Debug, Clone)]
pub struct Real {
    /// What was ordered.
    pub order: StartOrder,
    /// Lock groups that its task had in the listing when it started.
    pub locks: Locks,
    /// How it behaves.
    pub script: Script,
    /// When the agent began.
    pub launched_at: u64,
    /// Its provider refused from the start.
    pub refused: bool,
    /// The agent.
    pub agent: Process,
    /// The proof, once it was started.
    pub proof: Option<Process>,
}

impl Real {
    /// Whether any of its processes lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.agent.ending.is_none()
            || self
                .proof
                .as_ref()
                .is_some_and(|proof| proof.ending.is_none())
    }
}

/// Something a thread of the coordinator has in hand; lost when the coordinator dies.
#[derive(Debug, Clone)]
pub enum Thread {
    /// Claim, workspace, agent.
    Launch(StartOrder),
    /// The end of an attempt is being written down; a candidate of it is dropped.
    Finalize(AttemptId, Delivery),
    /// The end of a wave is being written down.
    FinalizeWave(u32),
    /// A result is being joined with the target.
    Integrate(AttemptId, u32),
    /// The target is being moved.
    Publish(AttemptId, u32, Candidate),
    /// Claims are being given back.
    Conclude,
    /// The source is being read.
    Listing,
    /// A report in the inbox.
    Report(Box<Event>),
}

/// What happens at a moment.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A thread of this incarnation of the coordinator is done.
    Thread(u32, Thread),
    /// A process ends so, unless it has ended already.
    Ends(AttemptId, Role, Ending),
    /// A person acts.
    Person(Person),
    /// A new coordinator takes the run up.
    Resumes,
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Next {
    /// Tell the core.
    Tell(Box<Event>),
    /// The coordinator dies, in the middle of its next event.
    Die,
    /// A new coordinator comes.
    Resume,
    /// Nothing for the core.
    Nothing,
}

/// A task as the tracker has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracked {
    /// Claimed by this run.
    pub ours: bool,
    /// Given to a person.
    pub theirs: Option<String>,
}

/// The world.
pub struct World {
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    drawn: u64,
    pub(crate) incarnation: u32,
    pub(crate) up: bool,
    pub(crate) machine_works: bool,
    pub(crate) provider_serves: bool,
    pub(crate) accounts: Accounts,
    /// Drawn apart: the worlds of before stay what they were.
    of_limits: Rng,
    /// Attempts that were killed: nothing is started for them any more.
    cancelled: BTreeSet<AttemptId>,
    /// How often the recording of an attempt has failed.
    recording_failures: BTreeMap<AttemptId, u64>,
    /// Attempts in which a worker has hung; the next one does not.
    hung: BTreeSet<AttemptId>,
    closed: BTreeMap<TaskId, String>,
    /// The source as it is.
    pub(crate) source: BTreeMap<TaskId, Task>,
    /// The source as the core was last told.
    pub(crate) seen: BTreeMap<TaskId, Task>,
    taken: BTreeMap<TaskId, String>,
    /// Lock groups of a task when its start was ordered: a later listing does not change what the attempt holds.
    ordered_locks: BTreeMap<AttemptId, Locks>,
    pub(crate) tracker: BTreeMap<TaskId, Tracked>,
    pub(crate) attempts: BTreeMap<AttemptId, Real>,
    /// How often an end was really written down.
    pub(crate) finalized: BTreeMap<AttemptId, u32>,
    /// How often a wave's end was really written down.
    pub(crate) finalized_waves: BTreeMap<u32, u32>,
    /// Requests that wait for a coordinator.
    pub(crate) requests: Vec<Request>,
    pub(crate) unlabelled: Unlabelled,
    capacity: BTreeMap<LockGroup, u32>,
    /// True work of each task, in milliseconds.
    pub(crate) work: BTreeMap<TaskId, u64>,
    pub(crate) seed: u64,
    /// What results are landed on.
    pub(crate) target: Target,
    /// The first thing that must never happen.
    pub(crate) broken: Option<String>,
}

impl World {
    /// A world before its run.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, tasks: &[Task], work: &[u64], policy: &Policy) -> World {
        let source: BTreeMap<TaskId, Task> = tasks
            .iter()
            .map(|task| (task.id.clone(), task.clone()))
            .collect();
        World {
            rng: Rng::new(seed).fork(0x0f0f),
            faults,
            now: 0,
            queue: BTreeMap::new(),
            drawn: 0,
            incarnation: 0,
            up: true,
            machine_works: true,
            provider_serves: true,
            accounts: Accounts {
                names: policy
                    .agents
                    .iter()
                    .map(|agent| agent.account.clone())
                    .collect(),
                ..Accounts::default()
            },
            of_limits: Rng::new(seed).fork(0x11_417),
            cancelled: BTreeSet::new(),
            recording_failures: BTreeMap::new(),
            hung: BTreeSet::new(),
            closed: BTreeMap::new(),
            seen: source.clone(),
            source,
            taken: BTreeMap::new(),
            ordered_locks: BTreeMap::new(),
            tracker: BTreeMap::new(),
            attempts: BTreeMap::new(),
            finalized: BTreeMap::new(),
            finalized_waves: BTreeMap::new(),
            requests: Vec::new(),
            unlabelled: policy.unlabelled,
            capacity: policy.capacity.clone(),
            work: tasks
                .iter()
                .map(|task| task.id.clone())
                .zip(work.iter().copied())
                .collect(),
            seed,
            target: Target::new(),
            broken: None,
        }
    }

    /// Lets something happen after `delay` milliseconds.
    pub fn after(&mut self, delay: u64, what: Happening) {
        self.drawn += 1;
        self.queue.insert((self.now + delay, self.drawn), what);
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    fn thread(&mut self, delay: u64, thread: Thread) {
        self.after(delay, Happening::Thread(self.incarnation, thread));
    }

    fn report(&mut self, delay: u64, event: Event) {
        if self.rng.percent(self.faults.double) {
            let again = self.rng.between(0, 90_000);
            self.thread(delay + again, Thread::Report(Box::new(event.clone())));
        }
        self.thread(delay, Thread::Report(Box::new(event)));
    }

    fn delay(&mut self) -> u64 {
        if self.rng.percent(self.faults.busy) {
            self.rng.between(1_000, 90_000)
        } else {
            self.rng.between(5, 900)
        }
    }

    /// Carries an action out.
    pub fn perform(&mut self, action: &Action) {
        let delay = self.delay();
        match action {
            Action::Start(order) => {
                let locks = self
                    .seen
                    .get(&order.attempt.task)
                    .map(|task| task.locks.clone());
                self.ordered_locks
                    .entry(order.attempt.clone())
                    .or_insert(locks.unwrap_or_default());
                self.thread(delay, Thread::Launch(order.clone()));
            }
            Action::Probe { attempt } => self.look(attempt),
            Action::Stop { attempt } => self.stop(attempt, false),
            Action::Kill { attempt } => self.stop(attempt, true),
            Action::Inspect { attempt, .. } => self.examine(attempt, delay),
            Action::Prove { attempt, .. } => self.prove(attempt),
            Action::Integrate {
                attempt, landing, ..
            } => self.thread(delay, Thread::Integrate(attempt.clone(), *landing)),
            Action::ProveLanding {
                attempt,
                landing,
                candidate,
                ..
            } => self.prove_landing(attempt, *landing, candidate),
            Action::Publish {
                attempt,
                landing,
                candidate,
                ..
            } => {
                let publish = Thread::Publish(attempt.clone(), *landing, candidate.clone());
                self.thread(delay, publish);
            }
            Action::Finalize { attempt, end } => {
                self.thread(
                    delay,
                    Thread::Finalize(attempt.clone(), end.delivery.clone()),
                );
            }
            Action::FinalizeWave(end) => self.thread(delay, Thread::FinalizeWave(end.wave)),
            Action::Refresh => self.thread(delay, Thread::Listing),
            Action::Conclude => self.thread(delay, Thread::Conclude),
            Action::Keep { .. } | Action::Note { .. } => {}
        }
    }

    /// Takes the next thing out of the queue, at its time.
    pub fn step(&mut self) -> Next {
        let Some(((at, _), what)) = self.queue.pop_first() else {
            return Next::Nothing;
        };
        self.now = self.now.max(at);
        match what {
            Happening::Thread(incarnation, _) if incarnation != self.incarnation || !self.up => {
                Next::Nothing
            }
            Happening::Thread(_, thread) => self.thread_done(thread),
            Happening::Ends(attempt, role, ending) => self.process_ends(&attempt, role, ending),
            Happening::Person(person) => self.person(person),
            Happening::Resumes => Next::Resume,
        }
    }

    fn thread_done(&mut self, thread: Thread) -> Next {
        match thread {
            Thread::Listing => {
                if self.rng.percent(self.faults.listing_fails) {
                    let change = Err("the tracker did not answer".to_owned());
                    return Next::Tell(Box::new(Event::Refreshed { change }));
                }
                let change = self.listing();
                Next::Tell(Box::new(Event::Refreshed { change: Ok(change) }))
            }
            Thread::Report(event) => Next::Tell(event),
            Thread::Launch(order) => {
                self.launch(&order, true);
                Next::Nothing
            }
            Thread::Finalize(attempt, delivery) => {
                self.finalize(&attempt);
                self.report(0, Event::Finalized { attempt, delivery });
                Next::Nothing
            }
            Thread::FinalizeWave(wave) => {
                *self.finalized_waves.entry(wave).or_default() += 1;
                self.report(0, Event::WaveFinalized { wave });
                Next::Nothing
            }
            Thread::Integrate(..) | Thread::Publish(..) => {
                if let Some(event) = self.landing_step(&thread) {
                    self.report(0, event);
                }
                Next::Nothing
            }
            Thread::Conclude => {
                self.release_claims();
                Next::Tell(Box::new(Event::Concluded))
            }
        }
    }

    fn launch(&mut self, order: &StartOrder, tells: bool) {
        let task = &order.attempt.task;
        if self.cancelled.contains(&order.attempt) {
            return;
        }
        let failed = |cause: StartFailure| Event::StartFailed {
            attempt: order.attempt.clone(),
            cause,
        };
        let tracked = self.tracker.entry(task.clone()).or_default();
        if order.claim {
            if let Some(holder) = tracked.theirs.clone() {
                return if tells {
                    self.report(0, failed(StartFailure::Taken { holder }))
                };
            }
            tracked.ours = true;
            if tells {
                self.report(
                    0,
                    Event::Claimed {
                        attempt: order.attempt.clone(),
                    },
                );
            }
        }
        let mut script = Script::of(
            self.seed,
            &self.faults,
            &order.attempt,
            self.work.get(task).copied().unwrap_or(60_000),
        );
        if tells && self.hangs(&order.attempt, &script, Worker::Start) {
            return;
        }
        if !self.provider_serves {
            script.work_ms = 1_500;
            script.ending = Some(Ending::Exited(1));
            script.quiet_after = None;
        }
        let refused = self.refuses(order.agent).is_some();
        if refused {
            script.work_ms = 1_500;
            script.ending = Some(Ending::Exited(1));
            script.quiet_after = None;
        }
        let cause = if self.machine_works {
            script.start.clone()
        } else {
            Some(Failure::new(FailureClass::CouldNotStart, "no such program"))
        };
        if let Some(failure) = cause {
            return if tells {
                self.report(0, failed(StartFailure::Failed(failure)))
            };
        }
        self.must_not_overlap(order);
        let locks = self
            .ordered_locks
            .get(&order.attempt)
            .cloned()
            .unwrap_or_default();
        let (works, ending) = (script.work_ms, script.ending.clone());
        let agent = Process {
            ending: None,
            due: None,
        };
        let real = Real {
            order: order.clone(),
            locks,
            script,
            launched_at: self.now,
            refused,
            agent,
            proof: None,
        };
        if self.attempts.insert(order.attempt.clone(), real).is_some() {
            self.breaks(format!(
                "{} was executed twice under one number",
                order.attempt
            ));
        }
        if tells {
            self.report(
                0,
                Event::Started {
                    attempt: order.attempt.clone(),
                },
            );
        }
        if let Some(ending) = ending {
            self.after(
                works,
                Happening::Ends(order.attempt.clone(), Role::Agent, ending),
            );
        }
    }

    /// Whether this worker of the attempt hangs; once, or the attempt would never come to an end.
    fn hangs(&mut self, attempt: &AttemptId, script: &Script, worker: Worker) -> bool {
        script.worker_hangs == Some(worker) && self.hung.insert(attempt.clone())
    }

    /// P1 and P3 where they count: when a process is about to live.
    fn must_not_overlap(&mut self, order: &StartOrder) {
        let task = &order.attempt.task;
        let mine = self
            .ordered_locks
            .get(&order.attempt)
            .cloned()
            .unwrap_or_default();
        let alone = self.unlabelled == Unlabelled::Alone;
        let living = || self.attempts.iter().filter(|(_, real)| real.lives());
        let overlap = living().find_map(|(other, real)| {
            if other.task == *task {
                return Some(format!("P1: {} starts while {other} lives", order.attempt));
            }
            (alone && (mine.is_empty() || real.locks.is_empty())).then(|| {
                format!(
                    "P3: {} and {other} overlap, and one of them runs alone",
                    order.attempt
                )
            })
        });
        let clash = overlap.or_else(|| {
            mine.units().find_map(|(group, units)| {
                let all = living().flat_map(|(_, real)| real.locks.units());
                let held: u32 = all
                    .filter(|(held, _)| *held == group)
                    .map(|(_, units)| units)
                    .sum();
                let capacity = self.capacity.get(group).copied().unwrap_or(1);
                (held + units > capacity).then(|| {
                    format!(
                        "P3: {} starts with {units} of {group} while {held} of {capacity} are held",
                        order.attempt
                    )
                })
            })
        });
        if let Some(clash) = clash {
            self.breaks(clash);
        }
    }

    pub(crate) fn breaks(&mut self, sentence: String) {
        self.broken.get_or_insert(sentence);
    }

    fn look(&mut self, attempt: &AttemptId) {
        let Some(real) = self.attempts.get(attempt) else {
            return;
        };
        let last_sign = match real.script.quiet_after {
            Some(quiet) => (real.launched_at + quiet).min(self.now),
            None => self.now.saturating_sub(self.rng.between(0, 4_000)),
        };
        let delay = self.rng.between(1, 50);
        self.report(
            delay,
            Event::Probed {
                attempt: attempt.clone(),
                last_sign: Millis(last_sign),
            },
        );
    }

    fn stop(&mut self, attempt: &AttemptId, kill: bool) {
        if kill {
            self.cancelled.insert(attempt.clone());
        }
        if self.proves_landing(attempt) {
            let ends = Happening::Ends(attempt.clone(), Role::LandingProof, Ending::Stopped);
            return self.after(300, ends);
        }
        let Some(real) = self.attempts.get(attempt) else {
            if kill {
                let failure = Failure::new(FailureClass::CouldNotStart, "it was killed");
                let event = Event::StartFailed {
                    attempt: attempt.clone(),
                    cause: StartFailure::Failed(failure),
                };
                self.report(500, event);
            }
            return;
        };
        if kill && !real.lives() {
            // The worker that should have told something hangs.
            let recording = Event::Inspected {
                attempt: attempt.clone(),
                evidence: Err(Failure::new(FailureClass::NotRecordable, "it was killed")),
            };
            let proof = ended_event(attempt, Role::Proof, Ending::Stopped);
            self.report(500, recording);
            self.report(500, proof);
            return;
        }
        let grace = match real.script.on_stop {
            _ if kill => 500,
            OnStop::Prompt => 200,
            OnStop::Late(late) => late,
            OnStop::Ignores => return,
        };
        for role in [Role::Agent, Role::Proof] {
            self.after(
                grace,
                Happening::Ends(attempt.clone(), role, Ending::Stopped),
            );
        }
    }

    fn process_ends(&mut self, attempt: &AttemptId, role: Role, ending: Ending) -> Next {
        if role == Role::LandingProof {
            if let Some(landing) = self.landing_proof_ends(attempt, &ending)
                && self.up
            {
                self.report(20, landing_proved(attempt, landing, ending));
            }
            return Next::Nothing;
        }
        let lives = |real: &Real| role == Role::Agent && real.agent.ending.is_none();
        let ending = match self.attempts.get(attempt).is_some_and(lives) {
            true => self.agent_ends(attempt, ending),
            false => ending,
        };
        let Some(real) = self.attempts.get_mut(attempt) else {
            return Next::Nothing;
        };
        let process = match role {
            Role::Agent => Some(&mut real.agent),
            Role::Proof => real.proof.as_mut(),
            Role::LandingProof => None,
        };
        let Some(process) = process.filter(|process| process.ending.is_none()) else {
            return Next::Nothing;
        };
        process.ending = Some(ending.clone());
        if self.up {
            let event = ended_event(attempt, role, ending);
            let delay = self.rng.between(1, 40);
            if let Some(metered) = self.metered(attempt).filter(|_| role == Role::Agent) {
                self.report(delay, metered);
            }
            self.report(delay, event);
        }
        Next::Nothing
    }

    fn examine(&mut self, attempt: &AttemptId, delay: u64) {
        let Some(real) = self.attempts.get(attempt) else {
            return self.breaks(format!("{attempt} is examined and was never executed"));
        };
        if real.lives() {
            return self.breaks(format!("P2: {attempt} is examined while it lives"));
        }
        let script = real.script.clone();
        if self.hangs(attempt, &script, Worker::Recording) {
            return;
        }
        let failures = self.recording_failures.entry(attempt.clone()).or_default();
        let evidence: Result<Evidence, Failure> = if *failures < script.recording_failures {
            *failures += 1;
            Err(Failure::new(
                FailureClass::NotRecordable,
                "the disk is full",
            ))
        } else if script.leaves == crate::script::Leaves::Secret {
            Err(Failure::new(FailureClass::Secret, "TOKEN in a file"))
        } else {
            Ok(script.evidence(attempt))
        };
        self.report(
            delay,
            Event::Inspected {
                attempt: attempt.clone(),
                evidence,
            },
        );
    }

    fn prove(&mut self, attempt: &AttemptId) {
        let Some(real) = self.attempts.get_mut(attempt) else {
            return self.breaks(format!("{attempt} is proved and was never executed"));
        };
        if real.lives() {
            return self.breaks(format!("P2: {attempt} is proved while it lives"));
        }
        let script = real.script.clone();
        if self.hangs(attempt, &script, Worker::Proof) {
            return;
        }
        let Some(real) = self.attempts.get_mut(attempt) else {
            return;
        };
        real.proof = Some(Process {
            ending: None,
            due: None,
        });
        let (takes, ending) = (real.script.proof_ms, real.script.proof.clone());
        self.after(takes, Happening::Ends(attempt.clone(), Role::Proof, ending));
    }

    /// What is left of a landing ends before its end is written down.
    fn finalize(&mut self, attempt: &AttemptId) {
        self.landing_proof_ends(attempt, &Ending::Stopped);
        *self.finalized.entry(attempt.clone()).or_default() += 1;
    }

    fn release_claims(&mut self) {
        let unclaimed: Vec<TaskId> = self
            .tracker
            .iter()
            .filter(|(_, tracked)| tracked.ours)
            .map(|(id, _)| id.clone())
            .collect();
        let lives = |id: &TaskId| {
            self.attempts
                .iter()
                .find(|(attempt, real)| attempt.task == *id && real.lives())
        };
        let wrong = unclaimed
            .iter()
            .find_map(lives)
            .map(|(attempt, _)| format!("the claim of {attempt} is given back while it lives"));
        if let Some(wrong) = wrong {
            self.breaks(wrong);
        }
        self.tracker
            .values_mut()
            .for_each(|tracked| tracked.ours = false);
    }

    /// The coordinator dies: what its threads had in hand has happened or has not, and nobody hears of it.
    pub fn coordinator_dies(&mut self) {
        self.up = false;
        let (mine, others) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, what)| matches!(what, Happening::Thread(..)));
        self.queue = others;
        for what in mine.into_values() {
            let Happening::Thread(incarnation, thread) = what else {
                continue;
            };
            if incarnation != self.incarnation || self.rng.percent(50) {
                continue;
            }
            match thread {
                Thread::Launch(order) => self.launch(&order, false),
                Thread::Finalize(attempt, _) => self.finalize(&attempt),
                Thread::FinalizeWave(wave) => *self.finalized_waves.entry(wave).or_default() += 1,
                Thread::Integrate(..) | Thread::Publish(..) => {
                    let _nobody_hears = self.landing_step(&thread);
                }
                Thread::Conclude => self.release_claims(),
                Thread::Listing | Thread::Report(_) => {}
            }
        }
    }

    /// A new coordinator is there; nothing of the old one's threads is left.
    pub fn coordinator_comes(&mut self) {
        self.incarnation += 1;
        self.up = true;
    }
}

/// The report of a process that has ended.
#[must_use]
pub fn ended_event(attempt: &AttemptId, role: Role, ending: Ending) -> Event {
    match role {
        Role::Agent => Event::Ended {
            attempt: attempt.clone(),
            ending,
            tail: String::new(),
        },
        Role::LandingProof | Role::Proof => Event::Proved {
            attempt: attempt.clone(),
            proof: ProofEnd {
                ending,
                tail: "tail".to_owned(),
                passed_in_workspace: false,
            },
        },
    }
}

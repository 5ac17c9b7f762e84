//! The engine's own loop, its actions and its recovery, against a world in memory and in virtual time: fake processes, a fake
//! repository and a fake source that say what must never happen to them.
//!
//! A coordinator dies between a record and what follows from it, or at any call of an adapter, with the call's effect or without.
//! The next one is built from the record and goes on in the same world. Files of the run are real, in a folder of their own.

mod executor;
mod repository;
mod source;
mod waves;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh_agent::profile::ProfileConfig;
use mesh_core::apply;
use mesh_core::decision::Decision;
use mesh_core::event::{Event, Request};
use mesh_core::plan::Plan;
use mesh_core::state::{Phase, RunEnd, State};
use mesh_core::time::Millis;
use mesh_engine::{
    AgentSetup, AuditLevel, BaseConflict, Clock, ClosePolicy, Engine, FileSetup, Finished, Input,
    Inputs, KeepWorkspaces, Log, Notes, Observer, Parts, Programs, ProofWhere, ResumeMode,
    RunSetup, SandboxSetup, SourceSetup, TrackerView, Workers,
};
use mesh_journal::layout::MeshDir;
use mesh_journal::{JournalError, RunId, Timestamp, control};
use mesh_plan::file::{self, Selection};
use mesh_plan::source_snapshot::SourceKind;
use mesh_proc::env::Env;
use mesh_vcs::{Backend, Version};

use crate::drive::{Broken, Counts};
use crate::faults::{self, Faults};
use crate::generate;
use crate::rng::Rng;
use crate::world::{Edit, Person};
use executor::MemoryExecutor;
use repository::{MemoryRepository, Store};
use source::MemorySource;
use world::{Due, Hand, STARTED, World};

/// Most inputs of one world; one that needs more runs in circles.
const STEP_LIMIT: u64 = 40_000;
const TRACE_LINES: usize = 40;
/// What a worker says that panics because its world wants it.
pub const ON_PURPOSE: &str = "on purpose";
const RUN: &str = "20260101-000000-5eed";

/// Runs the engine in the world of `seed` until its run has ended.
///
/// # Errors
/// What must not have happened, with the end of the record.
pub fn run_seed(seed: u64) -> Result<Counts, Box<Broken>> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let broken = |sentence: String, trace| {
        Box::new(Broken {
            seed,
            sentence,
            trace,
        })
    };
    let place = place.map_err(|error| broken(error.to_string(), Vec::new()))?;
    let drive = Drive::new(seed, place.path());
    match drive.run() {
        Ok(()) => Ok(drive.counts()),
        Err(sentence) => Err(broken(sentence, drive.trace())),
    }
}

#[derive(Clone)]
struct Drive {
    hand: Hand,
    mesh_dir: MeshDir,
    setup: RunSetup,
    plan: Plan,
}

impl Drive {
    fn new(seed: u64, place: &Path) -> Drive {
        let mut rng = Rng::new(seed).fork(77);
        let made = generate::tasks(&mut rng, false);
        // What agents use stands in files of real runs; the core's worlds have it.
        let policy = mesh_core::policy::Policy {
            agents: Vec::new(),
            budget: mesh_core::policy::Budget::default(),
            ..generate::policy(&mut rng)
        };
        let faults = Faults::draw(&mut rng);
        let work: BTreeMap<_, _> = made
            .tasks
            .iter()
            .zip(&made.truth)
            .map(|(task, truth)| (task.id.clone(), truth.work_ms))
            .collect();
        let (repository, workspaces) = (place.join("repository"), place.join("workspaces"));
        let span = work.values().sum::<u64>() * 3 / 2 / u64::from(policy.concurrency);
        let people = faults::people(&mut rng, &faults, work.len(), made.groups, span);
        let (plan, _) = Plan::build_tolerant(made.tasks.clone());
        let setup = setup(&repository, place);
        let world = World::new(seed, faults, rng, policy, made.tasks, work, workspaces);
        let world = Arc::new(Mutex::new(world));
        let hand = Hand {
            world,
            incarnation: 0,
        };
        let mut look = hand.look();
        for (at, person) in people {
            look.after(at, Due::Act(person));
        }
        drop(look);
        Drive {
            hand,
            mesh_dir: MeshDir::of(&repository),
            setup,
            plan,
        }
    }

    /// From the first coordinator to the last.
    fn run(&self) -> Result<(), String> {
        let run = RunId::parse(RUN).map_err(|error| error.to_string())?;
        let run_dir = self.mesh_dir.run(&run);
        for folder in [run_dir.control(), run_dir.attempts()] {
            fs_err::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let policy = self.hand.look().policy.clone();
        let mut ended = self
            .coordinator(State::new())?
            .begin(self.plan.clone(), policy)
            .map(|finished| finished.state);
        let mut reopened = 0;
        loop {
            self.objections()?;
            match ended {
                Ok(state) if state.run_end() == RunEnd::Concluded => {
                    self.judge_end(&state)?;
                    reopened += 1;
                    if reopened > 2 || self.hand.look().rng.percent(60) {
                        return Ok(());
                    }
                }
                Ok(_) => return Err("the run was left".to_owned()),
                Err(_) => {}
            }
            ended = self.resume().map(|finished| finished.state);
        }
    }

    /// Another coordinator takes the run up, some time after the last one.
    fn resume(&self) -> Result<Finished, JournalError> {
        let dead = |problem: String| {
            self.hand.look().breaks(problem);
            crash()
        };
        let state = {
            let mut world = self.hand.look();
            world.coordinator_dies();
            let until = world.at() + world.rng.between(1, 600_000);
            while let Some(due) = world.pop(Some(until)) {
                match due {
                    Due::Ends(process, launch, ending) => {
                        world.ends(&process, launch, ending);
                    }
                    Due::Act(person) => self.act(&mut world, person, None),
                    Due::Job(..) => {}
                }
            }
            world.set_now(until);
            world.incarnation += 1;
            world.dead = false;
            let mut state = State::new();
            for (at, event, decisions) in &world.record {
                let _ = apply(&mut state, *at, event, decisions);
            }
            state
        };
        let engine = self.coordinator(state).map_err(dead)?;
        let (change, mode) = {
            let mut world = self.hand.look();
            let has_ended = engine.state().run_end() == RunEnd::Concluded;
            let mode = match world.rng.below(10) {
                // Both are refused otherwise.
                0 if has_ended => ResumeMode::Land(Request::Land {
                    tasks: Vec::new(),
                    onto: "main".to_owned(),
                }),
                1 if !has_ended => ResumeMode::End,
                _ => ResumeMode::GoOn {
                    trust_outside: world.rng.percent(20),
                    budget: mesh_core::policy::Budget::default(),
                },
            };
            (world.listing(), mode)
        };
        Ok(engine.resume(change, mode)?.0)
    }

    fn coordinator(&self, state: State) -> Result<Engine, String> {
        let text = |error: mesh_journal::run_id::BadRunId| error.to_string();
        let run = RunId::parse(RUN).map_err(text)?;
        let run_dir = self.mesh_dir.run(&run);
        let (inbox, receiver) = channel();
        let (hand, now) = {
            let mut world = self.hand.look();
            let often = world.faults.kills * 20;
            if world.rng.percent(often) {
                let calls = world.rng.between(1, 400);
                world.calls_left = Some(calls);
            }
            let incarnation = world.incarnation;
            let hand = Hand {
                world: Arc::clone(&self.hand.world),
                incarnation,
            };
            (hand, Arc::clone(&world.now))
        };
        let tasks: Vec<_> = hand.look().tasks.keys().cloned().collect();
        let texts = tasks.iter().map(|id| (id.clone(), source::details(id)));
        let details = Arc::new(Mutex::new(texts.collect()));
        let latest = Millis(hand.look().at());
        let reading = move || STARTED + now.load(std::sync::atomic::Ordering::Relaxed);
        let vcs = MemoryRepository {
            hand: hand.clone(),
            main_root: self.setup.repository.clone(),
            root: hand.look().store.root.clone(),
            version: Version {
                numbers: (2, 50, 0),
                text: "2.50.0".to_owned(),
            },
        };
        let vcs = Backend::new(Box::new(vcs));
        vcs.open_hub(RUN).map_err(|error| error.to_string())?;
        let mut profile = self
            .setup
            .agent
            .profile()
            .map_err(|error| error.to_string())?;
        // So that what attempts leave is searched.
        let secret = ("SIMULATED_TOKEN".to_owned(), "a1-simulated".to_owned());
        profile.env_set.extend([secret]);
        let parts = Parts {
            run,
            setup: self.setup.clone(),
            mesh_dir: self.mesh_dir.clone(),
            profile,
            agent_program: "/bin/agent".into(),
            more_agents: Vec::new(),
            ours: Env::empty(),
            sandboxed: false,
            vcs: Arc::new(vcs),
            source: Arc::new(MemorySource {
                hand: hand.clone(),
                details: Arc::clone(&details),
            }),
            executor: Box::new(MemoryExecutor {
                hand: hand.clone(),
                run_dir: run_dir.clone(),
                inbox: inbox.clone(),
                cancelled: Mutex::default(),
            }),
            workers: Box::new(Jobs(hand.clone())),
            patience: Duration::ZERO,
            clock: Arc::new(Clock::reading(reading, STARTED, latest)),
            inputs: Box::new(Time {
                drive: self.clone(),
                hand: hand.clone(),
                receiver,
                inbox: inbox.clone(),
            }),
            log: Box::new(Record(hand.clone())),
            details,
            notes: Arc::new(Notes::new(inbox.clone(), run_dir.notes())),
            watch: Box::new(Ears(hand)),
            state,
            inbox,
            run_dir,
        };
        Engine::new(parts).map_err(|error| error.to_string())
    }

    fn act(&self, world: &mut World, person: Person, inbox: Option<&Sender<Input>>) {
        match person {
            Person::Asks(request) => {
                let Ok(run) = RunId::parse(RUN) else { return };
                let folder = self.mesh_dir.run(&run).control();
                let at = Timestamp(STARTED + world.at());
                if let Err(error) = control::write_request(&folder, at, &request) {
                    world.breaks(format!("a request cannot be written: {error}"));
                }
                if let Some(inbox) = inbox {
                    let _ = inbox.send(Input::ControlChanged);
                }
            }
            Person::Machine(works) => world.machine_works = works,
            Person::Provider(serves) => world.provider_serves = serves,
            // What agents say of limits stands in files of real runs; the core's worlds have them.
            Person::Limits(..) => {}
            Person::KillsCoordinator => world.dead = true,
            Person::Reaps(task) => {
                let tracked = world.tracker.entry(task.clone()).or_default();
                if std::mem::take(&mut tracked.ours) {
                    tracked.theirs = Some("bob".to_owned());
                    if let Some(inbox) = inbox {
                        let holder = "bob".to_owned();
                        let lost = Event::ClaimLost { task, holder };
                        let _ = inbox.send(Input::Fact(Box::new(lost)));
                    }
                }
            }
            Person::Edits(Edit::Put(task)) => {
                world.tasks.entry(task.id.clone()).or_insert(task);
            }
            Person::Edits(Edit::Take(task)) => source::withdraw(world, &task, false),
            Person::Edits(Edit::Close(task)) => source::withdraw(world, &task, true),
            Person::Edits(_) => {}
        }
    }

    fn objections(&self) -> Result<(), String> {
        let broken = self.hand.look().broken.clone();
        broken.map_or(Ok(()), Err)
    }

    /// What must hold of a run that has ended.
    fn judge_end(&self, state: &State) -> Result<(), String> {
        let world = self.hand.look();
        let mut replayed = State::new();
        for (at, event, decisions) in &world.record {
            let _ = apply(&mut replayed, *at, event, decisions);
        }
        if replayed != *state {
            return Err("the state built from the record is another".to_owned());
        }
        if let Some(process) = world.living().next() {
            return Err(format!("the run has ended, and the {process} lives"));
        }
        if world.store.has_hub {
            return Err("the run has ended, and its hub is there".to_owned());
        }
        for at in state.plan().all() {
            let id = &state.plan().task(at).id;
            let tracked = world.tracker.get(id).cloned().unwrap_or_default();
            if tracked.ours && tracked.closed.is_none() {
                return Err(format!("the run has ended, and holds {id}"));
            }
            let next =
                mesh_vcs::name::workspace_name(RUN, id.as_str(), state.task(at).attempts + 1);
            if world.store.workspaces().any(|(one, _)| one.name == next) {
                return Err(format!(
                    "{next} was prepared and never used, and it is there"
                ));
            }
            let Phase::Verified {
                attempt, commit, ..
            } = &state.task(at).phase
            else {
                continue;
            };
            let attempt = mesh_core::id::AttemptId {
                task: id.clone(),
                number: *attempt,
            };
            if !world.is_good(&attempt) {
                return Err(format!("P2: {attempt} is done and should not be"));
            }
            if !world.store.kept.contains(&commit.0) {
                return Err(format!("P2: the result of {attempt} is not kept"));
            }
            if world.store.results.get(&attempt).map(|at| at.as_str()) != Some(&commit.0) {
                return Err(format!("P2: {commit} is not what {attempt} left"));
            }
            if tracked.closed.is_none() {
                return Err(format!("{id} is done, and its source does not say so"));
            }
            let left = world
                .store
                .workspaces()
                .find(|(_, by)| *by == Some(&attempt));
            if let Some((workspace, _)) = left {
                return Err(format!(
                    "{attempt} is done, and {} is there",
                    workspace.name
                ));
            }
        }
        waves::judge_end(&world)?;
        let ended = world.record.iter().flat_map(|(_, _, all)| all);
        for decision in ended {
            let (Decision::Fail { attempt, .. } | Decision::Retry { attempt, .. }) = decision
            else {
                continue;
            };
            if !world.finalized.contains_key(attempt) {
                return Err(format!("the end of {attempt} was never written down"));
            }
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        let world = self.hand.look();
        let mut counts = Counts {
            seeds: 1,
            tasks: world.work.len() as u64,
            events: world.record.len() as u64,
            crashes: world.crashes,
            phases: world.phases.clone(),
            ..Counts::default()
        };
        for (_, _, decisions) in &world.record {
            decisions
                .iter()
                .for_each(|decision| counts.decided(decision));
        }
        let record = world.record.iter();
        counts.note_waves(record.map(|(_, event, decisions)| (event, decisions.as_slice())));
        counts
    }

    fn trace(&self) -> Vec<String> {
        let world = self.hand.look();
        let long = std::env::var_os("MESH_SIM_TRACE").is_some();
        let from = world
            .record
            .len()
            .saturating_sub(if long { usize::MAX } else { TRACE_LINES });
        let lines = world.record[from..].iter();
        lines
            .map(|(at, event, decisions)| {
                let mut line = format!("{at:?} {event:?} => {decisions:?}");
                line.truncate(400);
                line
            })
            .collect()
    }
}

fn crash() -> JournalError {
    JournalError::Removed {
        folder: "nowhere".into(),
        run: RUN.to_owned(),
    }
}

/// The record of the run.
struct Record(Hand);

impl Log for Record {
    fn append(
        &mut self,
        at: Millis,
        _: Timestamp,
        event: &Event,
        decisions: &[Decision],
    ) -> Result<(), JournalError> {
        let mut world = self.0.look();
        if world.dead || world.incarnation != self.0.incarnation {
            return Err(crash());
        }
        world.record.push((at, event.clone(), decisions.to_vec()));
        let kills = world.faults.kills;
        if world.rng.below(20_000) < kills * 10 {
            // Recorded, and nothing is done about it.
            world.dead = true;
            return Err(crash());
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Workers whose work is done one after the other, at times of the world.
struct Jobs(Hand);

impl Workers for Jobs {
    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        let mut world = self.0.look();
        let busy = world.faults.busy;
        let slow = if world.rng.percent(busy) { 30_000 } else { 40 };
        let delay = world.rng.between(1, slow);
        world.after(delay, Due::Job(work));
    }
}

/// Listens for what must never be said.
struct Ears(Hand);

impl Observer for Ears {
    fn happened(&mut self, _: Millis, event: &Event, decisions: &[Decision], state: &State) {
        let words = state.plan().all().map(|at| state.state_word(at));
        let mut world = self.0.look();
        world.phases.extend(words);
        waves::listen(&mut world, event, decisions, state);
    }

    fn note(&mut self, text: &str) {
        if text.contains("a bug of mesh") && !text.contains(ON_PURPOSE) {
            self.0.look().breaks(text.to_owned());
        }
    }
}

/// Time, in which everything happens.
struct Time {
    drive: Drive,
    hand: Hand,
    receiver: Receiver<Input>,
    inbox: Sender<Input>,
}

impl Inputs for Time {
    fn next(&mut self, until: Option<Millis>) -> Option<Input> {
        loop {
            if self.hand.look().dead {
                // The log refuses it.
                return Some(Input::Fact(Box::new(Event::Tick)));
            }
            if let Ok(input) = self.receiver.try_recv() {
                return Some(input);
            }
            let mut world = self.hand.look();
            world.steps += 1;
            if world.steps > STEP_LIMIT {
                world.breaks(format!("no end after {STEP_LIMIT} steps"));
                continue;
            }
            match world.pop(until.map(|until| until.0)) {
                Some(Due::Job(work)) => {
                    drop(world);
                    work();
                }
                Some(Due::Ends(process, launch, ending)) => {
                    if world.ends(&process, launch, ending) {
                        let twice = world.faults.double;
                        if world.rng.percent(twice) {
                            let _ = self.inbox.send(Input::ProcessEnded(process.clone()));
                        }
                        return Some(Input::ProcessEnded(process));
                    }
                }
                Some(Due::Act(person)) => {
                    self.drive.act(&mut world, person, Some(&self.inbox));
                }
                None => match until {
                    Some(until) => {
                        world.set_now(until.0);
                        return None;
                    }
                    None => world.breaks(
                        "nothing will ever happen again, and the run has not ended".to_owned(),
                    ),
                },
            }
        }
    }
}

fn setup(repository: &Path, place: &Path) -> RunSetup {
    RunSetup {
        strategy: None,
        more_agents: Vec::new(),
        source: SourceSetup::File(FileSetup {
            format: file::format(SourceKind::St).expect("a format of files"),
            path: place.join("plan.jsonl"),
            selection: Selection::default(),
        }),
        title: "a world".to_owned(),
        repository: repository.to_path_buf(),
        vcs: "git".to_owned(),
        store: None,
        base: vec![Store::base()],
        agent: AgentSetup {
            name: "command".to_owned(),
            folder: None,
            config: ProfileConfig {
                command: "agent {prompt_file}".to_owned(),
                ..ProfileConfig::default()
            },
        },
        programs: Programs::default(),
        workspaces_root: None,
        workspace_setup: Some("make ready".to_owned()),
        setup_limit_ms: 60_000,
        keep: KeepWorkspaces::Unverified,
        verify: None,
        proof_limit_ms: 3_600_000,
        proof_where: ProofWhere::Workspace,
        groups: BTreeMap::from([("other".to_owned(), vec!["other/**".to_owned()])]),
        base_conflict: BaseConflict::Agent,
        close: ClosePolicy::Verified,
        trust_agent_verify: true,
        close_epic: false,
        audit: AuditLevel::None,
        view: TrackerView::Live,
        arms: false,
        molecule: false,
        tracker_limits: mesh_engine::TrackerLimits::default(),
        sandbox: SandboxSetup::default(),
        learnings: mesh_engine::LearningsSetup::default(),
    }
}

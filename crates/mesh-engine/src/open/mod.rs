//! Opening a run: a new one, or one that a coordinator before left.

mod calls;
mod exclusive;
mod lost;
mod source;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh_agent::profile::{Profile, SandboxMode};
use mesh_bd::audit::outbox::OutboxEntries;
use mesh_core::event::{Event, Request};
use mesh_core::id::TaskId;
use mesh_core::plan::Plan;
use mesh_core::policy::{Budget, Policy};
use mesh_core::state::{RunEnd, State};
use mesh_core::text::one_line;
use mesh_core::time::Millis;
use mesh_journal::call_log::CallLog;
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::{Damage, Header, Journal, Mend, RunId, Timestamp, replay};
use mesh_plan::epic::Target;
use mesh_plan::source_snapshot::SourceSnapshot;
use mesh_proc::env::{Env, MESH_RUN};
use mesh_proc::shim::Launcher;
use mesh_proc::signal::Listener;
use mesh_vcs::{Backend, Kind, Tools};

use calls::{logged, open_call_log};
pub use exclusive::{Locks, locked_things, refuse_beside_unfinished, unfinished};
pub use lost::check_attempts;
use source::{difference, open_source, read_source};

use crate::clock::{Clock, unix_ms};
use crate::context::Details;
use crate::control;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::local::LocalExecutor;
use crate::inbox::{Inbox, Input};
use crate::notes::Notes;
use crate::parts::{AgentProgram, Finished, Observer, Parts, ResumeMode};
use crate::recover::{self, Recovered};
use crate::sandbox::SandboxFound;
use crate::setup::{AgentSetup, Programs, RunSetup, SourceSetup};
use crate::source::Source;
use crate::source::bd::SourceContext;
use crate::workers::Threads;

/// How long workspaces are prepared, forgotten and looked after later because tasks change over: more than that takes without a long
/// proof, and little beside one.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the process gives to a run.
pub struct World {
    /// Our own environment.
    pub ours: Env,
    /// What shims are started with.
    pub launcher: Launcher,
    /// Who is shown what happens.
    pub watch: Box<dyn Observer>,
    /// The version that is written into the journal.
    pub mesh_version: String,
    /// Listens to signals until the run does.
    pub opening: Listener,
    /// Whether there is to be a sandbox, where this is not as the run was begun.
    pub sandbox: Option<SandboxMode>,
}

/// A new run, ready to begin: everything is resolved and confirmed.
pub struct NewRun {
    /// Its id; the tracker was opened with it as marker.
    pub run: RunId,
    /// All choices.
    pub setup: RunSetup,
    /// The rules.
    pub policy: Policy,
    /// The checked plan.
    pub plan: Plan,
    /// The listing it was made of.
    pub loaded: SourceSnapshot,
    /// The tracker, for the source `bd`.
    pub tracker: Option<OpenTracker>,
}

/// A tracker that was opened and read.
pub struct OpenTracker {
    /// It.
    pub tracker: Box<dyn mesh_bd::Tracker>,
    /// What is worked of it.
    pub target: Target,
    /// What it showed.
    pub listing: Arc<mesh_bd::Listing>,
}

/// A run that is taken up.
pub struct Resumed {
    /// How it ended.
    pub finished: Finished,
    /// What was found.
    pub recovered: Recovered,
    /// There was nothing to do.
    pub nothing: bool,
}

/// Begins a new run and works it until it ends or is left.
///
/// # Errors
/// [`EngineError`]; after the first line of the journal only when the journal cannot be written any more.
pub fn begin(new: NewRun, world: World) -> Result<Finished, EngineError> {
    let started = unix_ms();
    let sandbox = new.setup.sandbox.find()?;
    let mesh_dir = MeshDir::of(&new.setup.repository);
    mesh_dir.create().map_err(EngineError::folder)?;
    let run_dir = mesh_dir.run(&new.run);
    let vcs = open_vcs(&new.setup, &new.run, &world.ours, None)?;
    let locks = Locks::take(&new.setup, &vcs)?;
    refuse_beside_unfinished(&mesh_dir)?;
    fs_err::create_dir_all(run_dir.control()).map_err(EngineError::folder)?;
    fs_err::create_dir_all(run_dir.attempts()).map_err(EngineError::folder)?;
    let log = open_call_log(&run_dir)?;
    let vcs = Arc::new(open_vcs(
        &new.setup,
        &new.run,
        &world.ours,
        Some(Arc::clone(&log)),
    )?);
    install_wrappers(&new.setup, &run_dir)?;
    vcs.open_hub(new.run.as_str())?;
    write_plan_json(&run_dir, &new)?;
    let clock = Arc::new(Clock::new(started, Millis(0)));
    let wiring = Wiring::new(
        new.run.clone(),
        new.setup,
        mesh_dir,
        run_dir,
        clock,
        &new.loaded,
    );
    let (source, tracker) =
        wiring.open_source(new.loaded, new.tracker, new.policy.concurrency, &log)?;
    let header = Header {
        run: new.run.clone(),
        started_unix_ms: started,
        mesh_version: world.mesh_version.clone(),
        setup: header_setup(&wiring.setup, tracker),
    };
    let journal = match Journal::create(&wiring.run_dir.journal(), &header) {
        Ok(journal) => journal,
        Err(error) => {
            // Nothing has begun, so nothing may be left; the first error is the one that counts.
            let _ = vcs.close_hub(new.run.as_str());
            return Err(error.into());
        }
    };
    let locks = locks.with_journal(&journal, &wiring.run_dir);
    let (engine, _signals) =
        wiring.assemble(vcs, source, State::new(), journal, world, &sandbox)?;
    tracing::info!(pid = std::process::id(), "the run begins");
    let finished = engine.begin(new.plan, new.policy)?;
    Ok(Finished { locks, ..finished })
}

/// Takes a run up again and works it until it ends or is left. With `trust_outside` the tasks that somebody else closed count as
/// done; what `budget` says goes in place of what was said of the same before.
///
/// # Errors
/// [`EngineError`].
pub fn resume(
    mesh_dir: MeshDir,
    run: RunId,
    world: World,
    trust_outside: bool,
    budget: Budget,
) -> Result<Resumed, EngineError> {
    let mode = ResumeMode::GoOn {
        trust_outside,
        budget,
    };
    take_up(mesh_dir, run, world, mode)
}

/// Ends a run that nobody coordinates: its agents are stopped, what ended is recorded, claims are given back, nothing starts.
///
/// # Errors
/// [`EngineError`].
pub fn end(mesh_dir: MeshDir, run: RunId, world: World) -> Result<Resumed, EngineError> {
    take_up(mesh_dir, run, world, ResumeMode::End)
}

/// Takes a run up that has ended, to put results of it onto a target. Nothing else of it is begun.
///
/// # Errors
/// [`EngineError`]; the target does not exist.
pub fn land(
    mesh_dir: MeshDir,
    run: RunId,
    world: World,
    request: Request,
) -> Result<Resumed, EngineError> {
    take_up(mesh_dir, run, world, ResumeMode::Land(request))
}

fn take_up(
    mesh_dir: MeshDir,
    run: RunId,
    mut world: World,
    mode: ResumeMode,
) -> Result<Resumed, EngineError> {
    let run_dir = mesh_dir.run(&run);
    let header = mesh_journal::read_header(&run_dir.journal())?;
    let mut setup = read_setup(&header)?;
    setup.sandbox.mode = world.sandbox.unwrap_or(setup.sandbox.mode);
    let sandbox = setup.sandbox.find()?;
    let vcs = open_vcs(&setup, &run, &world.ours, None)?;
    if let ResumeMode::Land(Request::Land { onto, .. }) = &mode {
        vcs.target(onto)?;
    }
    let locks = Locks::take(&setup, &vcs)?;
    // In journals of version 1 the target is a choice of the run and no part of its policy.
    let target_of_before = header.setup["choices"]["land"].as_str().map(one_line);
    let mend = match mode {
        ResumeMode::GoOn { .. } | ResumeMode::Land(_) => Mend::Complete,
        ResumeMode::End => Mend::Cut,
    };
    let (mut journal, contents) = Journal::open_to_append(&run_dir.journal(), mend)?;
    let locks = locks.with_journal(&journal, &run_dir);
    let mut state = replay(&contents.records)?;
    let latest = contents
        .records
        .last()
        .map_or(Millis(0), |record| record.at);
    let attempts = check_attempts(&run, &state, &run_dir);
    let is_lossy = |damage: &Damage| damage.is_lossy;
    let is_lossy = match attempts {
        Err(EngineError::LostRecords { .. }) if mode == ResumeMode::End => true,
        known => {
            known?;
            contents.damage.as_ref().is_some_and(is_lossy)
        }
    };
    if is_lossy && state.run_end() != RunEnd::Concluded {
        lost::close(&mut journal, &mut state, latest, Timestamp(unix_ms()))?;
    }
    journal.publish()?;
    let nothing = match mode {
        ResumeMode::Land(_)
        | ResumeMode::GoOn {
            trust_outside: true,
            ..
        } => false,
        ResumeMode::GoOn { .. } => {
            has_nothing_to_do(&state, latest, &run_dir) && is_all_written(&state, &run_dir)?
        }
        ResumeMode::End => state.run_end() == RunEnd::Concluded,
    };
    if nothing {
        let finished = Finished {
            state,
            interrupted: None,
            left: false,
            notes: journal.notes().to_vec(),
            locks,
        };
        return Ok(Resumed {
            finished,
            recovered: Recovered::default(),
            nothing: true,
        });
    }
    recover::end_calls_in_flight(run.as_str());
    let log = open_call_log(&run_dir)?;
    let vcs = Arc::new(open_vcs(&setup, &run, &world.ours, Some(Arc::clone(&log)))?);
    install_wrappers(&setup, &run_dir)?;
    vcs.open_hub(run.as_str())?;
    let (loaded, tracker) = read_source(&setup, &run, &world.ours, &mesh_dir, &vcs)?;
    let marked = match &setup.source {
        SourceSetup::File(file) => crate::source::file::marked_by(file, run.as_str()),
        SourceSetup::Bd(_) => BTreeSet::new(),
    };
    let change = difference(&state, &loaded, &marked);
    let clock = Arc::new(Clock::new(contents.header.started_unix_ms, latest));
    let wiring = Wiring::new(run, setup, mesh_dir, run_dir, clock, &loaded);
    let (source, _) = wiring.open_source(loaded, tracker, state.policy().concurrency, &log)?;
    if let (Some(target), None) = (&target_of_before, &state.policy().land) {
        world.watch.note(&format!(
            "a version of mesh began this run that landed results by itself; `mesh land --onto {target}` does it at its end"
        ));
    }
    let (engine, _signals) = wiring.assemble(vcs, source, state, journal, world, &sandbox)?;
    let (finished, recovered) = engine.resume(change, mode)?;
    Ok(Resumed {
        finished: Finished { locks, ..finished },
        recovered,
        nothing: false,
    })
}

/// Whether a concluded run would only conclude again. A task that waits for its next start is something to do.
fn has_nothing_to_do(state: &State, now: Millis, run_dir: &RunDir) -> bool {
    use mesh_core::decision::Decision;
    let idle = |decision: &Decision| matches!(decision, Decision::Conclude | Decision::Refresh);
    if state.run_end() != RunEnd::Concluded || !control::take(&run_dir.control()).is_empty() {
        return false;
    }
    let mut reopened = state.clone();
    let (decisions, _) = mesh_core::handle(&mut reopened, now, &Event::Reopened);
    decisions.iter().all(idle) && reopened.next_wakeup().is_none()
}

/// Whether the source has all that it should have of a concluded run.
fn is_all_written(state: &State, run_dir: &RunDir) -> Result<bool, EngineError> {
    let outbox = OutboxEntries::read(&run_dir.audit_outbox()).map_err(EngineError::folder)?;
    let is_recorded = outbox.iter().all(|(_, id)| id.is_some());
    Ok(state.unwritten().is_empty() && is_recorded)
}

/// The choices that a journal's header holds.
///
/// # Errors
/// When another version wrote them in a form this one does not read.
pub fn read_setup(header: &Header) -> Result<RunSetup, EngineError> {
    let choices = header.setup.get("choices").cloned().unwrap_or_default();
    serde_json::from_value(choices).map_err(|error| EngineError::Header {
        run: header.run.to_string(),
        problem: error.to_string(),
    })
}

fn header_setup(setup: &RunSetup, tracker: Option<serde_json::Value>) -> serde_json::Value {
    serde_json::json!({
        "source": { "kind": setup.source.kind(), "id": setup.source.id(), "title": setup.title },
        "tracker": tracker,
        "choices": setup,
    })
}

/// What is there before the adapters are opened, and what they report through.
struct Wiring {
    run: RunId,
    setup: RunSetup,
    mesh_dir: MeshDir,
    run_dir: RunDir,
    clock: Arc<Clock>,
    details: Details,
    notes: Arc<Notes>,
    inbox: Sender<Input>,
    receiver: Receiver<Input>,
}

impl Wiring {
    fn new(
        run: RunId,
        setup: RunSetup,
        mesh_dir: MeshDir,
        run_dir: RunDir,
        clock: Arc<Clock>,
        loaded: &SourceSnapshot,
    ) -> Wiring {
        let (inbox, receiver) = channel();
        let notes = Arc::new(Notes::new(inbox.clone(), run_dir.notes()));
        Wiring {
            notes,
            run,
            setup,
            mesh_dir,
            run_dir,
            clock,
            details: Arc::new(Mutex::new(loaded.details.clone())),
            inbox,
            receiver,
        }
    }

    fn open_source(
        &self,
        loaded: SourceSnapshot,
        tracker: Option<OpenTracker>,
        concurrency: u16,
        log: &Arc<CallLog>,
    ) -> Result<(Arc<dyn Source>, Option<serde_json::Value>), EngineError> {
        let context = SourceContext {
            run: self.run.to_string(),
            run_dir: self.run_dir.clone(),
            setup: self.setup.clone(),
            model: self.setup.agent.profile()?.model,
            details: Arc::clone(&self.details),
            inbox: self.inbox.clone(),
            notes: Arc::clone(&self.notes),
            concurrency,
        };
        open_source(context, loaded, tracker, log)
    }

    fn assemble(
        self,
        vcs: Arc<Backend>,
        source: Arc<dyn Source>,
        state: State,
        journal: Journal,
        world: World,
        sandbox: &SandboxFound,
    ) -> Result<(Engine, Listener), EngineError> {
        let profile = self.setup.agent.profile()?;
        let path = world.ours.get("PATH").map(ToOwned::to_owned);
        let agent = &self.setup.agent;
        let locate = |agent: &AgentSetup, profile: &Profile| {
            agent.locate(profile, &self.setup.repository, path.as_deref())
        };
        let agent_program = locate(agent, &profile)?;
        let mut more_agents = Vec::new();
        for agent in &self.setup.more_agents {
            let profile = agent.profile()?;
            let program = locate(agent, &profile)?;
            more_agents.push(AgentProgram { profile, program });
        }
        let notes = self.notes;
        if let Some(warning) = sandbox.warning() {
            notes.note(warning);
        }
        if sandbox.is_ready() {
            let more = more_agents
                .iter()
                .map(|agent: &AgentProgram| &agent.profile);
            for profile in std::iter::once(&profile).chain(more) {
                profile
                    .make_folders(&world.ours)
                    .map_err(EngineError::folder)?;
            }
        }
        let write = self.setup.sandbox.write.iter();
        for path in write.filter(|path| sandbox.is_ready() && !path.exists()) {
            notes.note(format!(
                "sandbox.write names {}, which is not there and so cannot be written",
                path.display()
            ));
        }
        let executor = LocalExecutor::new(
            self.run.to_string(),
            self.run_dir.clone(),
            world.launcher,
            profile.limits,
            self.inbox.clone(),
            Arc::clone(&notes),
        )
        .map_err(EngineError::system)?;
        let signals = self.inbox.clone();
        let listener = Listener::start(move |signal| {
            let _ = signals.send(Input::Signal(signal));
        });
        let listener = listener.map_err(EngineError::system)?;
        drop(world.opening);
        control::watch(&self.run_dir.control(), self.inbox.clone()).map_err(EngineError::system)?;
        let inputs = Inbox {
            receiver: self.receiver,
            clock: Arc::clone(&self.clock),
        };
        let engine = Engine::new(Parts {
            run: self.run,
            setup: self.setup,
            mesh_dir: self.mesh_dir,
            run_dir: self.run_dir,
            profile,
            agent_program,
            sandboxed: sandbox.is_ready(),
            more_agents,
            ours: world.ours,
            vcs,
            source,
            executor: Box::new(executor),
            workers: Box::new(Threads),
            patience: PATIENCE,
            clock: self.clock,
            inbox: self.inbox,
            inputs: Box::new(inputs),
            log: Box::new(journal),
            details: self.details,
            notes,
            watch: world.watch,
            state,
        })?;
        Ok((engine, listener))
    }
}

/// Version control as the run uses it: every call carries the run's marker and, with a log, is written down.
fn open_vcs(
    setup: &RunSetup,
    run: &RunId,
    ours: &Env,
    log: Option<Arc<CallLog>>,
) -> Result<Backend, EngineError> {
    let tools = Tools {
        jj: setup.programs.jj.clone(),
        git: setup.programs.git.clone(),
    };
    let mut vcs = mesh_vcs::RepositorySetup::new(tools, ours.clone().set(MESH_RUN, run.as_str()));
    vcs.workspaces_root.clone_from(&setup.workspaces_root);
    if let Some(log) = log {
        vcs.runner = logged(&log);
    }
    Ok(Backend::detect(&setup.repository, &vcs)?)
}

/// Agents get the wrappers under the names `bd` and `jj`, as copies of the run's own: a rebuild in mid-run must not matter.
fn install_wrappers(setup: &RunSetup, run_dir: &RunDir) -> Result<(), EngineError> {
    let Programs { bd_ro, jj_rail, .. } = &setup.programs;
    if let SourceSetup::Bd(_) = setup.source {
        let wrapper = bd_ro.as_deref().ok_or(EngineError::NO_BD_RO)?;
        install_wrapper(wrapper, run_dir, "bd")?;
    }
    // A run of an earlier version was begun without it, and goes on without it.
    if let Some(rail) = jj_rail
        .as_deref()
        .filter(|_| setup.vcs == Kind::Jj.as_str())
    {
        install_wrapper(rail, run_dir, "jj")?;
    }
    Ok(())
}

fn install_wrapper(wrapper: &Path, run_dir: &RunDir, name: &str) -> Result<(), EngineError> {
    let target = run_dir.bin().join(name);
    if target.exists() {
        return Ok(());
    }
    fs_err::create_dir_all(run_dir.bin()).map_err(EngineError::folder)?;
    fs_err::copy(wrapper, &target).map_err(EngineError::folder)?;
    let script = mesh_agent::launch::bash_env_script(&run_dir.bin());
    fs_err::write(run_dir.bash_env(), script).map_err(EngineError::folder)?;
    Ok(())
}

fn write_plan_json(run_dir: &RunDir, new: &NewRun) -> Result<(), EngineError> {
    let task = |task: &mesh_core::task::Task| {
        serde_json::json!({
            "id": task.id.as_str(),
            "title": task.title,
            "needs": task.needs.iter().map(TaskId::as_str).collect::<Vec<_>>(),
            "locks": task.locks.texts().collect::<Vec<_>>(),
            "priority": task.priority,
            "estimate_minutes": task.estimate_minutes,
            "proof": new.loaded.details.get(&task.id).and_then(mesh_plan::details::TaskDetails::proof_command),
        })
    };
    let plan = serde_json::json!({
        "schema": 1,
        "source": { "kind": new.setup.source.kind(), "id": new.setup.source.id(), "title": new.setup.title },
        "concurrency": new.policy.concurrency,
        "rank": new.policy.rank.as_str(),
        "base": new.setup.base,
        "tasks": new.plan.tasks().iter().map(task).collect::<Vec<_>>(),
    });
    let text = serde_json::to_vec_pretty(&plan).unwrap_or_default();
    write(&run_dir.plan_json(), &text)
}

fn write(path: &Path, text: &[u8]) -> Result<(), EngineError> {
    fs_err::write(path, text).map_err(EngineError::folder)
}

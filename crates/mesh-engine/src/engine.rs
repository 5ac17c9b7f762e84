//! The loop: take the next fact, ask the core, append both to the journal, carry out the actions.
//!
//! Nothing is decided here. Failures of the outside are facts like any other; the only thing that ends the loop early is a
//! journal that cannot be written, because then nothing may be done any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mesh_agent::ownership::GroupMap;
use mesh_agent::secrets::Secrets;
use mesh_core::decision::Action;
use mesh_core::event::{Event, PlanChange, Request};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::plan::Plan;
use mesh_core::policy::Policy;
use mesh_core::process::{ProcessId, Role, Tree};
use mesh_core::state::{Finalizing, RunEnd, Stage, State};
use mesh_journal::{JournalError, Timestamp};
use mesh_proc::signal::OwnSignal;
use mesh_vcs::CommitId;

use crate::actions::prepare::{self, Prepared};
use crate::actions::prove::Proof;
use crate::actions::shared::Shared;
use crate::actions::{
    finalize, inspect, kept, land, learnings, probe, process, prove, start, stop,
};
use crate::context::{Recordings, RunContext, Semaphore, lock};
use crate::control;
use crate::error::EngineError;
use crate::inbox::{Input, Inputs};
use crate::open::Locks;
use crate::parts::{Finished, Log, Observer, Parts, ResumeMode};
use crate::recover::{self, Recovered};
use crate::run_summary;
use crate::workers;

/// The coordinator of one run.
pub struct Engine {
    pub(crate) context: Arc<RunContext>,
    pub(crate) state: State,
    log: Box<dyn Log>,
    inputs: Box<dyn Inputs>,
    watch: Box<dyn Observer>,
    interrupts: u32,
    interrupted: Option<OwnSignal>,
    /// What is pending is being gone through: a coordinator before this one may have done part of it.
    resumed: bool,
    /// Ends whose turn to be written down has not come, each with whether it may have been begun.
    waiting_ends: Vec<(AttemptId, Finalizing, bool)>,
}

impl Engine {
    /// Puts the parts together. Nothing happens yet.
    ///
    /// # Errors
    /// What the setup says of lock groups or of the base is not well-formed.
    pub fn new(parts: Parts) -> Result<Engine, EngineError> {
        let groups =
            GroupMap::compile(&parts.setup.groups).map_err(|problems| EngineError::Groups {
                problems: problems
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; "),
            })?;
        let base = parts
            .setup
            .base
            .iter()
            .map(|commit| CommitId::new(commit.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let shared = Shared::load(parts.run_dir.path());
        let context = RunContext {
            run: parts.run.to_string(),
            setup: parts.setup,
            mesh_dir: parts.mesh_dir,
            run_dir: parts.run_dir,
            vcs: parts.vcs,
            base,
            source: parts.source,
            executor: parts.executor,
            workers: parts.workers,
            secrets: Secrets::of(&parts.profile, &parts.ours).and(
                parts
                    .more_agents
                    .iter()
                    .map(|agent| Secrets::of(&agent.profile, &parts.ours)),
            ),
            profile: parts.profile,
            agent_program: parts.agent_program,
            sandboxed: parts.sandboxed,
            more_agents: parts.more_agents,
            agents_of: Mutex::new(agents_of(&parts.state)),
            groups,
            ours: parts.ours,
            clock: parts.clock,
            inbox: parts.inbox,
            details: parts.details,
            prompted: Mutex::default(),
            vcs_gate: Semaphore::new(cores, parts.patience),
            notes: parts.notes,
            recordings: Recordings::default(),
            shared,
            recorded_files: Mutex::default(),
            prepared: Prepared::default(),
            kept: Mutex::default(),
        };
        Ok(Engine {
            context: Arc::new(context),
            state: parts.state,
            log: parts.log,
            inputs: parts.inputs,
            watch: parts.watch,
            interrupts: 0,
            interrupted: None,
            resumed: false,
            waiting_ends: Vec::new(),
        })
    }

    /// The state that it begins with.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Begins the run and works it until it has ended or is left.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn begin(mut self, plan: Plan, policy: Policy) -> Result<Finished, JournalError> {
        self.take(&Event::RunStarted { plan, policy })?;
        self.take_requests()?;
        self.run()
    }

    /// Takes the run up, with what is `change`d in its source since the log's last word, and works it until it has ended or is left.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn resume(
        mut self,
        change: PlanChange,
        mode: ResumeMode,
    ) -> Result<(Finished, Recovered), JournalError> {
        let claimed: Vec<TaskId> = self.state.claimed().cloned().collect();
        self.context.source.keep_claims(&claimed);
        if mode == ResumeMode::End {
            // Before anything else is heard of: an attempt that has ended makes room, and nothing may start in it.
            let request = Request::Stop { now: true };
            self.take(&Event::Requested { request })?;
        }
        self.resumed = true;
        let recovered = recover::recover(&mut self)?;
        tracing::info!(
            pid = std::process::id(),
            "the run is taken up: {}",
            recovered.sentence()
        );
        if !matches!(mode, ResumeMode::Land(_)) {
            self.watch.note(&recovered.sentence());
        }
        self.take(&Event::Refreshed { change: Ok(change) })?;
        self.take_requests()?;
        match mode {
            ResumeMode::GoOn {
                trust_outside,
                budget,
            } => {
                if !budget.is_unbounded() {
                    let budget = self.state.policy().budget.replaced_by(budget);
                    let request = Request::Budget { budget };
                    self.take(&Event::Requested { request })?;
                }
                if trust_outside {
                    let request = Request::TrustOutside;
                    self.take(&Event::Requested { request })?;
                }
                self.take(&Event::Reopened)?;
            }
            ResumeMode::Land(request) => self.take(&Event::Requested { request })?,
            ResumeMode::End => {}
        }
        self.resumed = false;
        Ok((self.run()?, recovered))
    }

    /// Runs until the run has ended or is left. Agents that nobody could find any more, because the run's folder was removed, are
    /// ended.
    fn run(mut self) -> Result<Finished, JournalError> {
        match self.work() {
            Ok(left) => Ok(self.finish(left)),
            Err(error) if self.context.run_dir.path().is_dir() => Err(error),
            Err(_) => {
                for at in self.state.plan().all() {
                    if let Some(active) = self.state.task(at).active() {
                        let task = self.state.plan().task(at).id.clone();
                        let number = active.attempt;
                        let attempt = AttemptId { task, number };
                        self.context.executor.end_attempt(&attempt);
                    }
                }
                Err(JournalError::Removed {
                    folder: self.context.run_dir.path().to_path_buf(),
                    run: self.context.run.clone(),
                })
            }
        }
    }

    /// Takes in what comes until the run has ended, or is left: then it says true.
    fn work(&mut self) -> Result<bool, JournalError> {
        if self.state.run_end() == RunEnd::Concluded {
            // What it was taken up for was refused; nobody will conclude it again.
            self.context.close_hub();
        }
        while self.state.run_end() != RunEnd::Concluded {
            let Some(input) = self.inputs.next(self.state.next_wakeup()) else {
                self.take(&Event::Tick)?;
                continue;
            };
            match input {
                Input::Fact(event) => self.take(&event)?,
                Input::ProcessEnded(process) => self.process_ended(&process),
                Input::ControlChanged => self.take_requests()?,
                Input::Note(text) => self.watch.note(&text),
                Input::Signal(signal) => {
                    if self.signalled(signal)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn finish(self, left: bool) -> Finished {
        let mut notes = self.context.notes.take();
        notes.extend(self.log.notes());
        Finished {
            state: self.state,
            interrupted: self.interrupted,
            left,
            notes,
            locks: Locks::default(),
        }
    }

    /// Takes a fact in: decide, record, act.
    pub(crate) fn take(&mut self, event: &Event) -> Result<(), JournalError> {
        let now = self.context.clock.now();
        let (decisions, actions) = mesh_core::handle(&mut self.state, now, event);
        let wall = Timestamp(self.context.clock.to_unix_ms(now));
        self.log.append(now, wall, event, &decisions)?;
        if !actions.is_empty() || self.state.run_end() == RunEnd::Concluded {
            // Nothing is done that a loss of power makes undone. A fact that asks for nothing is durable with the next that does; until
            // then it can be lost with the machine, and is found anew like one that nobody lived to record.
            self.log.sync()?;
        }
        self.watch.happened(now, event, &decisions, &self.state);
        for action in actions {
            self.perform(action);
        }
        // Once an attempt executes there is time; once one is recorded its dependents know what they will stand on.
        if let Event::Started { attempt } = event {
            self.watch_probe(attempt);
        }
        self.context
            .vcs_gate
            .set_changing_over(self.state.is_changing_over());
        if let Event::Started { .. } | Event::Inspected { .. } = event {
            prepare::prepare(&self.context, &self.state);
        }
        if let Event::Finalized { .. } = event {
            for (attempt, end, resumed) in std::mem::take(&mut self.waiting_ends) {
                self.finalize(attempt, end, resumed);
            }
        }
        Ok(())
    }

    /// Where the attempt is to show whether its provider answers again, its stream is watched until it does.
    pub(crate) fn watch_probe(&self, attempt: &AttemptId) {
        if self.state.is_probe(attempt) {
            let (profile, _) = self.context.agent_of(attempt);
            self.context
                .executor
                .await_answer(attempt, profile.protocol);
        }
    }

    /// Carries an action out, on a worker. A panic there is a fact like any other failure.
    pub(crate) fn perform(&mut self, action: Action) {
        match action.clone() {
            Action::Start(order) => {
                if order.agent > 0 {
                    lock(&self.context.agents_of).insert(order.attempt.clone(), order.agent);
                }
                self.spawn(action, move |context| start::start(context, &order))
            }
            Action::Probe { attempt } => {
                self.spawn(action, move |context| probe::probe(context, &attempt))
            }
            Action::Stop { attempt } => {
                self.spawn(action, move |context| {
                    context.executor.request_stop(&attempt);
                });
            }
            Action::Kill { attempt } => {
                let awaited = self.awaited(&attempt);
                self.spawn(action, move |context| {
                    stop::kill(context, &attempt, awaited)
                });
            }
            Action::Inspect { attempt, locks } => {
                let recording = self.context.recordings.begin(&attempt);
                self.spawn(action, move |context| {
                    inspect::inspect(context, &attempt, &locks, &recording);
                });
            }
            Action::Prove {
                attempt,
                command,
                commit,
            } => {
                let proof = Proof {
                    attempt,
                    command,
                    commit,
                };
                self.spawn(action, move |context| prove::prove(context, &proof));
            }
            Action::Keep { attempt, commit } => {
                self.spawn(action, move |context| kept::add(context, &attempt, &commit));
            }
            Action::Integrate {
                attempt,
                landing,
                commit,
                onto,
                replaces,
            } => self.spawn(action, move |context| {
                land::integrate(
                    context,
                    &attempt,
                    landing,
                    &commit,
                    &onto,
                    replaces.as_ref(),
                );
            }),
            Action::ProveLanding {
                attempt,
                landing,
                command,
                candidate,
            } => self.spawn(action, move |context| {
                land::prove(context, &attempt, landing, &command, &candidate);
            }),
            Action::Publish {
                attempt,
                landing,
                onto,
                candidate,
            } => self.spawn(action, move |context| {
                land::publish(context, &attempt, landing, &onto, &candidate);
            }),
            Action::Finalize { attempt, end } => self.finalize(attempt, end, self.resumed),
            Action::FinalizeWave(end) => {
                let report = run_summary::wave_report(&self.state, end, self.resumed);
                self.spawn(action, move |context| {
                    for refused in context.source.wave_ended(&report) {
                        context.notes.note(refused);
                    }
                    let wave = report.number;
                    context.report(Event::WaveFinalized { wave });
                });
            }
            Action::Note { text } => self.watch.note(&text),
            Action::Refresh => self.spawn(action, |context| {
                let change = context.source.refresh();
                if let Err(error) = &change {
                    context
                        .notes
                        .note(format!("the source could not be read again: {error}"));
                }
                context.report(Event::Refreshed { change });
            }),
            Action::Conclude => {
                let run_summary = run_summary::final_report(&self.state);
                let verified = run_summary::verified(&self.state);
                let was_well = self.state.unwritten().is_empty();
                let tasks = self.state.plan().tasks().len();
                self.spawn(action, move |context| {
                    learnings::of_run(context, tasks);
                    prepare::remove_all(context);
                    for changed in kept::check(context) {
                        context.notes.note(changed);
                    }
                    let tasks = context.source.write_missing(&verified);
                    for (task, problem) in &tasks {
                        context.notes.note(format!(
                            "{task} is verified and was not closed in its source: {problem}; `mesh resume` tries again"
                        ));
                    }
                    if !(was_well && tasks.is_empty()) {
                        context.report(Event::Unwritten { tasks });
                    }
                    for refused in context.source.conclude(&run_summary) {
                        context.notes.note(refused);
                    }
                    context.close_hub();
                    context.report(Event::Concluded);
                });
            }
        }
    }

    fn spawn(&self, action: Action, work: impl FnOnce(&Arc<RunContext>) + Send + 'static) {
        let context = Arc::clone(&self.context);
        let now = context.clock.now();
        let ours = Arc::clone(&self.context);
        workers::spawn(
            &*self.context.workers,
            move || work(&context),
            move |problem| workers::failed(&ours, &action, now, &problem),
        );
    }

    /// Which fact the core waits for of an attempt.
    fn awaited(&self, attempt: &AttemptId) -> Option<stop::Awaited> {
        let (_, active) = self.state.current(attempt)?;
        Some(match active.stage {
            Stage::Starting => stop::Awaited::Start,
            Stage::Running(_) => stop::Awaited::End,
            Stage::Inspecting(_) => stop::Awaited::Recording,
            Stage::Proving { .. } => stop::Awaited::Proof,
        })
    }

    /// Writes an attempt's end down when its turn has come: a tracker closes nothing whose needs are open, and an attempt's end comes
    /// before that of the next one of its task.
    fn finalize(&mut self, attempt: AttemptId, end: Finalizing, resumed: bool) {
        if self.is_behind(&attempt) {
            self.waiting_ends.push((attempt, end, resumed));
            return;
        }
        let action = Action::Finalize {
            attempt: attempt.clone(),
            end: end.clone(),
        };
        self.spawn(action, move |context| {
            finalize::finalize(context, &attempt, &end, resumed);
        });
    }

    /// Whether the end of something that the task needs, or of an attempt before this one, is not written down.
    fn is_behind(&self, attempt: &AttemptId) -> bool {
        let plan = self.state.plan();
        let Some(at) = plan.find(&attempt.task) else {
            return false;
        };
        let first = self.state.task(at).finalizing.first();
        first.is_some_and(|first| first.attempt != attempt.number)
            || plan
                .graph()
                .all_needs(at)
                .into_iter()
                .any(|need| !self.state.task(need).finalizing.is_empty())
    }

    /// A process has ended: find out how, on a worker, because what is left of its tree may have to be ended first.
    fn process_ended(&self, ended: &ProcessId) {
        let ProcessId { attempt, role } = ended;
        match role {
            Role::Agent => process::tell_end(&self.context, attempt),
            Role::Proof(Tree::Integrated) => {
                if let Some(landing) = self.state.landing() {
                    land::tell_end(&self.context, attempt, landing.number);
                }
            }
            Role::Proof(tree) => {
                // Otherwise the attempt is over already.
                if let Some(proof) = self.proof_of(attempt) {
                    prove::tell_end(&self.context, proof, *tree);
                }
            }
            // Whoever starts one waits for it.
            Role::Setup(_) => {}
        }
    }

    /// The proof that the attempt is at.
    fn proof_of(&self, attempt: &AttemptId) -> Option<Proof> {
        match &self.state.current(attempt)?.1.stage {
            Stage::Proving {
                command, commit, ..
            } => Some(Proof {
                attempt: attempt.clone(),
                command: command.clone(),
                commit: commit.clone(),
            }),
            _ => None,
        }
    }

    /// Takes in what other commands asked for; each file is deleted once the journal holds it.
    fn take_requests(&mut self) -> Result<(), JournalError> {
        for (path, request) in control::take(&self.context.run_dir.control()) {
            self.take(&Event::Requested { request })?;
            self.log.sync()?;
            control::done(&path);
        }
        Ok(())
    }

    /// First: no new starts. Second: stop the agents. Third: leave them running. Says whether to leave.
    fn signalled(&mut self, signal: OwnSignal) -> Result<bool, JournalError> {
        match signal {
            // The terminal is gone; the run goes on.
            OwnSignal::HangUp => return Ok(false),
            OwnSignal::Terminate => self.interrupts = self.interrupts.max(1) + 1,
            OwnSignal::Interrupt => self.interrupts += 1,
        }
        self.interrupted = Some(signal);
        match self.interrupts {
            1 => {
                self.watch
                    .note("no new starts, running agents finish; once more stops them");
                self.take(&Event::Requested {
                    request: Request::Stop { now: false },
                })?;
            }
            2 => {
                self.watch
                    .note("stopping the agents; once more leaves them running for `mesh resume`");
                self.take(&Event::Requested {
                    request: Request::Stop { now: true },
                })?;
            }
            _ => return Ok(true),
        }
        Ok(false)
    }
}

/// Which agents the attempts so far had, where it was not the first.
fn agents_of(state: &State) -> BTreeMap<AttemptId, u16> {
    let tasks = state.plan().all();
    let of_task = |at| {
        let task = state.plan().task(at).id.clone();
        let name = move |(number, agent): &(u32, u16)| {
            let (task, number) = (task.clone(), *number);
            (AttemptId { task, number }, *agent)
        };
        state.task(at).agents.iter().map(name)
    };
    tasks.flat_map(of_task).collect()
}

//! The loop: take the next fact, ask the core, append both to the journal, carry out the actions.
//!
//! Nothing is decided here. Failures of the outside are facts like any other; the only thing that ends the loop early is a
//! journal that cannot be written, because then nothing may be done any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mesh_core::decision::{Action, Decision};
use mesh_core::event::{Event, Request};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::state::{RunEnd, Stage, State};
use mesh_core::time::Millis;
use mesh_journal::{Journal, JournalError, Timestamp};
use mesh_proc::signal::OwnSignal;

use crate::actions::finalize::End;
use crate::actions::prove::Proof;
use crate::actions::{finalize, inspect, kept, land, probe, process, prove, start, stop};
use crate::completion_order::CompletionOrder;
use crate::context::{RunContext, lock};
use crate::control;
use crate::inbox::{Input, Process, Role};
use crate::open::Locks;
use crate::run_summary;
use crate::workers;

/// Somebody who is shown what happens, after it is in the journal.
pub trait Observer: Send {
    /// A fact was taken in and these decisions were made; `state` is after them.
    fn happened(&mut self, now: Millis, event: &Event, decisions: &[Decision], state: &State);
    /// Something for people that changes nothing.
    fn note(&mut self, text: &str);
}

/// How a run ended, or how it was left.
#[derive(Debug)]
pub struct Finished {
    /// Its last state.
    pub state: State,
    /// The signal that a person or the system sent, if any.
    pub interrupted: Option<OwnSignal>,
    /// Agents were left running for a later `resume`.
    pub left: bool,
    /// What went wrong without changing a verdict.
    pub notes: Vec<String>,
    /// Held until this is dropped: nobody takes the run up while its end is being told.
    pub locks: Locks,
}

pub(crate) struct Engine {
    pub context: Arc<RunContext>,
    pub state: State,
    pub journal: Journal,
    pub inbox: Receiver<Input>,
    pub watch: Box<dyn Observer>,
    pub interrupts: u32,
    pub interrupted: Option<OwnSignal>,
    /// What was owed when this coordinator took the run up; such ends may have been written down in part.
    pub resumed: bool,
    /// Who writes an end down when.
    pub completion_order: CompletionOrder,
}

impl Engine {
    /// Runs until the run has ended or is left. Agents that nobody could find any more, because the run's folder was removed, are
    /// ended.
    pub fn run(mut self) -> Result<Finished, JournalError> {
        match self.work() {
            Ok(left) => Ok(self.finish(left)),
            Err(error) if self.context.run_dir.path().is_dir() => Err(error),
            Err(_) => {
                for at in self.state.plan().all() {
                    if let Some(active) = self.state.task(at).active() {
                        let task = self.state.plan().task(at).id.clone();
                        let number = active.attempt;
                        stop::end_all(&self.context, &AttemptId { task, number });
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
        while self.state.run_end() != RunEnd::Concluded {
            let Some(input) = self.next_input() else {
                self.take(&Event::Tick)?;
                continue;
            };
            match input {
                Input::Fact(event) => self.take(&event)?,
                Input::ProcessEnded(process) => self.process_ended(process),
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
        let mut notes = std::mem::take(&mut *lock(&self.context.notes));
        notes.extend(self.journal.notes().iter().cloned());
        Finished {
            state: self.state,
            interrupted: self.interrupted,
            left,
            notes,
            locks: Locks::default(),
        }
    }

    /// The next input, or nothing when a deadline of the core is there first.
    fn next_input(&self) -> Option<Input> {
        let Some(deadline) = self.state.next_wakeup() else {
            // All senders live as long as the run context, which lives as long as this.
            return self.inbox.recv().ok();
        };
        let rest = Duration::from_millis(deadline.since(self.context.clock.now()).0);
        // Only time can run out: all senders live as long as the run context.
        self.inbox.recv_timeout(rest).ok()
    }

    /// Takes a fact in: decide, record, act.
    pub fn take(&mut self, event: &Event) -> Result<(), JournalError> {
        let now = self.context.clock.now();
        let (decisions, actions) = mesh_core::handle(&mut self.state, now, event);
        let wall = Timestamp(self.context.clock.to_unix_ms(now));
        self.journal.append(now, wall, event, &decisions)?;
        self.watch.happened(now, event, &decisions, &self.state);
        for action in actions {
            self.perform(action);
        }
        Ok(())
    }

    /// Carries an action out, on a thread of its own. A panic there is a fact like any other failure.
    pub fn perform(&mut self, action: Action) {
        let resumed = self.resumed;
        match action.clone() {
            Action::Start(order) => {
                self.spawn(action, move |context| start::start(context, &order))
            }
            Action::Probe { attempt } => {
                self.spawn(action, move |context| probe::probe(context, &attempt))
            }
            Action::Stop { attempt } => {
                self.spawn(action, move |context| stop::request(context, &attempt));
            }
            Action::Kill { attempt } => {
                let awaited = self.awaited(&attempt);
                self.spawn(action, move |context| {
                    stop::kill(context, &attempt, awaited)
                });
            }
            Action::Inspect { attempt, locks } => {
                self.spawn(action, move |context| {
                    inspect::inspect(context, &attempt, &locks)
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
            Action::Finalize {
                attempt,
                outcome,
                delivery,
                withdraw,
            } => {
                let end = End {
                    outcome,
                    delivery,
                    withdraw,
                };
                let needs = self.needs_of(&attempt.task);
                let turn = self
                    .completion_order
                    .take(&attempt.task, |other| needs.contains(other));
                self.spawn(action, move |context| {
                    turn.wait();
                    finalize::finalize(context, &attempt, &end, resumed);
                });
            }
            Action::Note { text } => self.watch.note(&text),
            Action::Refresh => self.spawn(action, |context| {
                let change = context.source.refresh(context);
                if let Err(error) = &change {
                    context.note(format!("the source could not be read again: {error}"));
                }
                context.report(Event::Refreshed { change });
            }),
            Action::Conclude => {
                let run_summary = run_summary::final_report(&self.state);
                self.spawn(action, move |context| {
                    for changed in kept::check(context) {
                        context.note(changed);
                    }
                    for refused in context.source.conclude(context, &run_summary) {
                        context.note(refused);
                    }
                    if let Err(error) = context.vcs.close_hub(&context.run) {
                        context.note(format!("the hub was not removed: {error}"));
                    }
                    context.report(Event::Concluded);
                });
            }
        }
    }

    fn spawn(&self, action: Action, work: impl FnOnce(&Arc<RunContext>) + Send + 'static) {
        let context = Arc::clone(&self.context);
        let now = context.clock.now();
        workers::spawn(move || work(&context), {
            let context = Arc::clone(&self.context);
            move |problem| workers::failed(&context, &action, now, &problem)
        });
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

    /// All that the task needs, directly or not.
    fn needs_of(&self, task: &TaskId) -> BTreeSet<TaskId> {
        let plan = self.state.plan();
        let needs = plan.find(task).map(|at| plan.graph().all_needs(at));
        let needs = needs.into_iter().flatten();
        needs.map(|need| plan.task(need).id.clone()).collect()
    }

    /// A shim has ended: find out how, on a thread, because what is left of its tree may have to be ended first.
    fn process_ended(&self, ended: Process) {
        let Process { attempt, role } = ended;
        match (role, self.proof_of(&attempt)) {
            (Role::Agent, _) => process::watch_end(&self.context, attempt),
            (Role::LandingProof, _) => {
                if let Some(landing) = self.state.landing() {
                    land::watch_end(&self.context, attempt, landing.number);
                }
            }
            (Role::Proof | Role::CleanProof, Some(proof)) => {
                prove::watch_end(&self.context, proof, role);
            }
            // The attempt is over already.
            (Role::Proof | Role::CleanProof, None) => {}
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
    pub fn take_requests(&mut self) -> Result<(), JournalError> {
        for (path, request) in control::take(&self.context.run_dir.control()) {
            self.take(&Event::Requested { request })?;
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

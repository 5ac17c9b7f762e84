//! Taking a run up again. The journal says what is pending; here each thing is asked whether it has happened before it is done.

use std::sync::Arc;

use mesh_core::decision::{Action, StartOrder};
use mesh_core::event::Event;
use mesh_core::id::AttemptId;
use mesh_core::pending_work::PendingWork;
use mesh_core::process::{Role, Tree};
use mesh_core::state::Phase;
use mesh_core::text::counted;
use mesh_journal::JournalError;
use mesh_proc::orphans::{self, Marked, Search};

use crate::actions::prove::Proof;
use crate::actions::{kept, land, prepare, process, prove};
use crate::engine::Engine;
use crate::executor::Found;

/// How long calls of the dead coordinator to tracker and version control may take to end by themselves: a write is better
/// finished than torn.
const CALL_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
const KILL_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// What was found when the run was taken up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Agents that live and go on.
    pub adopted: Vec<AttemptId>,
    /// Agents that had ended meanwhile.
    pub ended: Vec<AttemptId>,
    /// Starts that had not come to an agent and are made anew.
    pub restarted: Vec<AttemptId>,
}

impl Recovered {
    /// One line for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "{} adopted, {} had ended meanwhile, {} started again",
            counted(self.adopted.len(), "agent"),
            self.ended.len(),
            counted(self.restarted.len(), "start")
        )
    }
}

/// Waits for tracker and version-control calls that the dead coordinator had in flight.
pub(crate) fn end_calls_in_flight(run: &str) {
    let own = mesh_proc::tree::Identity::own();
    let spare: Vec<_> = own.into_iter().collect();
    let search = Search {
        spare: &spare,
        ..Search::new(run, Marked::NoAttempt)
    };
    match orphans::wait_then_end(&search, CALL_PATIENCE, KILL_PATIENCE) {
        Ok(killed) => {
            for process in killed {
                tracing::warn!(
                    pid = process.pid,
                    command = process.command,
                    "ended a call of the coordinator before"
                );
            }
        }
        Err(error) => tracing::error!(%error, "calls of the coordinator before could not be ended"),
    }
}

/// What was verified so far, needs before what stands on them: what is kept of it, and what was not landed.
fn load_results(engine: &Engine) {
    let plan = engine.state.plan();
    for &at in plan.graph().order() {
        let Phase::Verified {
            attempt, commit, ..
        } = &engine.state.task(at).phase
        else {
            continue;
        };
        let task = plan.task(at).id.clone();
        let number = *attempt;
        kept::load(&engine.context, &AttemptId { task, number }, commit);
    }
}

/// Goes through all that is pending. Living agents first, so that none of them can end unseen while others are looked at.
pub(crate) fn recover(engine: &mut Engine) -> Result<Recovered, JournalError> {
    let mut recovered = Recovered::default();
    let context = Arc::clone(&engine.context);
    load_results(engine);
    prepare::remove_leftovers(&context, &engine.state);
    for pending_work in engine.state.pending_work() {
        match &pending_work {
            PendingWork::Start(order) => {
                take_up_start(engine, order, &pending_work, &mut recovered)?
            }
            PendingWork::Running {
                attempt,
                stopping,
                looking,
            } => {
                let agent = attempt.process(Role::Agent);
                match context.executor.find(&agent) {
                    Found::Living => {
                        context.executor.watch(&agent);
                        context.source.adopt(attempt);
                        engine.watch_probe(attempt);
                        recovered.adopted.push(attempt.clone());
                        if *stopping {
                            context.executor.request_stop(attempt);
                        }
                        if *looking {
                            engine.perform(mesh_core::decision::Action::Probe {
                                attempt: attempt.clone(),
                            });
                        }
                    }
                    Found::Ended | Found::Died | Found::Never => {
                        recovered.ended.push(attempt.clone());
                        ended(engine, attempt)?;
                    }
                }
            }
            PendingWork::Prove {
                attempt,
                command,
                commit,
            } => {
                let proof = Proof {
                    attempt: attempt.clone(),
                    command: command.clone(),
                    commit: commit.clone(),
                };
                take_up_proof(engine, proof, &pending_work);
            }
            PendingWork::Landing(Action::ProveLanding {
                attempt, landing, ..
            }) => {
                take_up_landing_proof(engine, attempt, *landing, &pending_work);
            }
            PendingWork::Inspect { .. }
            | PendingWork::Landing(_)
            | PendingWork::Finalize { .. }
            | PendingWork::FinalizeWave(_)
            | PendingWork::Refresh
            | PendingWork::Conclude => {
                if let Some(action) = pending_work.action() {
                    engine.perform(action);
                }
            }
        }
    }
    Ok(recovered)
}

fn ended(engine: &mut Engine, attempt: &AttemptId) -> Result<(), JournalError> {
    let events = process::ended(&engine.context, attempt);
    events.iter().try_for_each(|event| engine.take(event))
}

/// A start that nobody reported: the agent may execute, may have ended, or may never have been.
fn take_up_start(
    engine: &mut Engine,
    order: &StartOrder,
    pending_work: &PendingWork,
    recovered: &mut Recovered,
) -> Result<(), JournalError> {
    let attempt = &order.attempt;
    let context = Arc::clone(&engine.context);
    let agent = attempt.process(Role::Agent);
    let found = context.executor.find(&agent);
    if found != Found::Never && order.claim {
        // Nothing executes before its task is ours; that has to be known, so that it is given back.
        engine.take(&Event::Claimed {
            attempt: attempt.clone(),
        })?;
    }
    let started = Event::Started {
        attempt: attempt.clone(),
    };
    match found {
        Found::Living => {
            context.source.adopt(attempt);
            recovered.adopted.push(attempt.clone());
            engine.take(&started)?;
            context.executor.watch(&agent);
        }
        // One that died without a report was an attempt, and what it began may have been changed: it is not started under the same
        // number again.
        Found::Ended | Found::Died => {
            recovered.ended.push(attempt.clone());
            engine.take(&started)?;
            ended(engine, attempt)?;
        }
        Found::Never => {
            recovered.restarted.push(attempt.clone());
            // The start makes its workspace anew.
            context
                .executor
                .end(attempt, &[Role::Setup(Tree::Workspace)]);
            if let Some(action) = pending_work.action() {
                engine.perform(action);
            }
        }
    }
    Ok(())
}

/// A proof that nobody reported. One in a fresh workspace follows one in the attempt's own, so it is looked for first.
fn take_up_proof(engine: &mut Engine, proof: Proof, pending_work: &PendingWork) {
    let context = Arc::clone(&engine.context);
    for tree in [Tree::Recorded, Tree::Workspace] {
        let process = proof.attempt.process(Role::Proof(tree));
        match context.executor.find(&process) {
            Found::Living => return context.executor.watch(&process),
            Found::Ended => return prove::tell_end(&context, proof, tree),
            Found::Died | Found::Never => {}
        }
    }
    // What is left of one that died, and the setup command of the fresh workspace.
    let roles = [
        Role::Proof(Tree::Workspace),
        Role::Setup(Tree::Recorded),
        Role::Proof(Tree::Recorded),
    ];
    context.executor.end(&proof.attempt, &roles);
    if let Some(action) = pending_work.action() {
        engine.perform(action);
    }
}

fn take_up_landing_proof(
    engine: &mut Engine,
    attempt: &AttemptId,
    landing: u32,
    pending_work: &PendingWork,
) {
    let context = Arc::clone(&engine.context);
    let process = attempt.process(Role::Proof(Tree::Integrated));
    match context.executor.find(&process) {
        Found::Living => context.executor.watch(&process),
        Found::Ended => land::tell_end(&context, attempt, landing),
        Found::Died | Found::Never => {
            if let Some(action) = pending_work.action() {
                engine.perform(action);
            }
        }
    }
}

//! Threads for work that blocks, and what it means when one of them panics.
//!
//! A panic is a bug of ours, never an agent's fault, and the run goes on: the fact that the worker would have told is told as a
//! failure. Nothing is told of an attempt as over before its processes are known dead.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use mesh_core::decision::{Action, StartOrder};
use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, Failure, FailureClass, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_core::landing::{Integration, Publication};
use mesh_core::process::Role;
use mesh_core::time::Millis;

use crate::actions::land;
use crate::context::{RunContext, lock};

/// What blocking work is done on.
pub trait Workers: Send + Sync {
    /// Does `work` beside what goes on here.
    fn run(&self, work: Box<dyn FnOnce() + Send>);
}

/// A thread for each piece of work, or the thread that is here when the system gives none: late is better than never.
pub(crate) struct Threads;

impl Workers for Threads {
    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        let ours = Arc::new(Mutex::new(Some(work)));
        let theirs = Arc::clone(&ours);
        let spawned = std::thread::Builder::new().spawn(move || {
            if let Some(work) = take(&theirs) {
                work();
            }
        });
        if spawned.is_err()
            && let Some(work) = take(&ours)
        {
            work();
        }
    }
}

fn take<T>(work: &Mutex<Option<T>>) -> Option<T> {
    lock(work).take()
}

/// Does `work` on a worker. When it panics, `panicked` is called with what it said.
pub(crate) fn spawn(
    workers: &dyn Workers,
    work: impl FnOnce() + Send + 'static,
    panicked: impl FnOnce(String) + Send + 'static,
) {
    workers.run(Box::new(move || {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
            let problem = text_of(&*payload);
            // What follows a panic may panic too; then nobody is left to hear of it but the log.
            if catch_unwind(AssertUnwindSafe(|| panicked(problem))).is_err() {
                tracing::error!("the handling of a panic panicked");
            }
        }
    }));
}

/// Tells the end of a process on a worker: by `work`, or by what `panicked` makes of the text of a panic, once nothing of the
/// attempt with these roles is left.
pub(crate) fn tell_end(
    context: &Arc<RunContext>,
    attempt: &AttemptId,
    roles: &'static [Role],
    work: impl FnOnce(&Arc<RunContext>) + Send + 'static,
    panicked: impl FnOnce(String) -> Event + Send + 'static,
) {
    let (theirs, ours, attempt) = (Arc::clone(context), Arc::clone(context), attempt.clone());
    spawn(
        &*context.workers,
        move || work(&theirs),
        move |problem| {
            ours.notes
                .warn(format!("a bug of mesh, please report it: {problem}"));
            ours.executor.end(&attempt, roles);
            ours.report(panicked(format!("mesh itself failed: {problem}")));
        },
    );
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Says to people and to the core that the work on `action` failed.
pub(crate) fn failed(context: &Arc<RunContext>, action: &Action, now: Millis, problem: &str) {
    tracing::error!(?action, problem, "a worker panicked");
    context
        .notes
        .warn(format!("a bug of mesh, please report it: {problem}"));
    match action {
        Action::Start(StartOrder { attempt, .. }) | Action::Prove { attempt, .. } => {
            context.executor.end_attempt(attempt);
        }
        Action::ProveLanding { attempt, .. } => context.executor.end(attempt, &land::ROLES),
        _ => {}
    }
    if let Some(event) = fact(action, now, problem) {
        context.report(event);
    }
}

fn attempt_of(action: &Action) -> Option<&AttemptId> {
    match action {
        Action::Start(order) => Some(&order.attempt),
        Action::Probe { attempt }
        | Action::Stop { attempt }
        | Action::Kill { attempt }
        | Action::Inspect { attempt, .. }
        | Action::Prove { attempt, .. }
        | Action::Keep { attempt, .. }
        | Action::Integrate { attempt, .. }
        | Action::ProveLanding { attempt, .. }
        | Action::Publish { attempt, .. }
        | Action::Finalize { attempt, .. } => Some(attempt),
        Action::FinalizeWave(_) | Action::Note { .. } | Action::Refresh | Action::Conclude => None,
    }
}

/// The fact that stands for what the worker would have told. Nothing for a stop: its deadline leads to a kill, and that to an end
/// that the shim reports.
fn fact(action: &Action, now: Millis, problem: &str) -> Option<Event> {
    let attempt = attempt_of(action).cloned();
    let detail = format!("mesh itself failed: {problem}");
    Some(match action {
        Action::Start(_) => Event::StartFailed {
            attempt: attempt?,
            cause: StartFailure::Failed(Failure::new(FailureClass::CouldNotStart, detail)),
        },
        // Nobody is to be ended for it.
        Action::Probe { .. } => Event::Probed {
            attempt: attempt?,
            last_sign: now,
        },
        Action::Inspect { .. } => Event::Inspected {
            attempt: attempt?,
            evidence: Err(Failure::new(FailureClass::NotRecordable, detail)),
        },
        Action::Prove { .. } => Event::Proved {
            attempt: attempt?,
            proof: ProofEnd::of(Ending::CouldNotStart(detail)),
        },
        Action::Integrate { landing, .. } => Event::Integrated {
            attempt: attempt?,
            landing: *landing,
            integration: Integration::Refused { reason: detail },
        },
        Action::ProveLanding { landing, .. } => Event::LandingProved {
            attempt: attempt?,
            landing: *landing,
            proof: ProofEnd::of(Ending::CouldNotStart(detail)),
        },
        Action::Publish { landing, .. } => Event::Published {
            attempt: attempt?,
            landing: *landing,
            publication: Publication::Refused { reason: detail },
        },
        Action::Finalize { end, .. } => Event::Finalized {
            attempt: attempt?,
            delivery: end.delivery.clone(),
        },
        Action::FinalizeWave(end) => Event::WaveFinalized { wave: end.wave },
        Action::Refresh => Event::Refreshed {
            change: Err(detail),
        },
        Action::Conclude => Event::Concluded,
        Action::Stop { .. } | Action::Kill { .. } | Action::Keep { .. } | Action::Note { .. } => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::decision::Decision;
    use mesh_core::id::TaskId;
    use mesh_core::plan::Plan;
    use mesh_core::policy::Policy;
    use mesh_core::state::State;
    use mesh_core::task::Task;
    use std::sync::mpsc::channel;

    #[test]
    fn a_panic_is_told_with_its_text() {
        let (sender, receiver) = channel();
        spawn(
            &Threads,
            || panic!("index {} out of range", 7),
            move |problem| sender.send(problem).unwrap(),
        );
        assert_eq!(receiver.recv().unwrap(), "index 7 out of range");
    }

    #[test]
    fn a_panic_in_the_handling_of_a_panic_ends_only_its_thread() {
        let (sender, receiver) = channel::<()>();
        spawn(
            &Threads,
            || panic!("first"),
            move |_| {
                let _sender = sender;
                panic!("second");
            },
        );
        assert!(receiver.recv().is_err(), "the thread has ended");
    }

    /// Every worker of an attempt's life panics once; the core never waits for ever.
    #[test]
    fn the_core_goes_on_after_a_panic_of_any_worker() {
        let task = Task::open(TaskId::new("a").unwrap());
        let plan = Plan::build(vec![task]).unwrap();
        let mut state = State::new();
        let mut now = Millis(0);
        let begun = Event::RunStarted {
            plan,
            policy: Policy::with_concurrency(1),
        };
        let (_, mut actions) = mesh_core::handle(&mut state, now, &begun);
        let mut seen = Vec::new();
        for _ in 0..40 {
            let Some(action) = actions.pop() else {
                let Some(next) = state.next_wakeup() else {
                    break;
                };
                now = next;
                let (decisions, more) = mesh_core::handle(&mut state, now, &Event::Tick);
                seen.extend(decisions);
                actions.extend(more);
                continue;
            };
            if let Some(event) = fact(&action, now, "on purpose") {
                let (decisions, more) = mesh_core::handle(&mut state, now, &event);
                seen.extend(decisions);
                actions.extend(more);
            }
        }
        assert!(seen.contains(&Decision::Conclude), "{seen:?}");
        assert_eq!(state.run_end(), mesh_core::state::RunEnd::Concluded);
    }
}

//! What follows what a person asks for.

use crate::decide::Decider;
use crate::decision::{Decision, SkipReason, StopCause};
use crate::event::Request;
use crate::graph::Ix;
use crate::id::TaskId;
use crate::state::{Admission, Phase};

impl Decider<'_> {
    pub(super) fn on_request(&mut self, request: &Request) {
        match request {
            Request::Stop { now } => {
                if *self.state.admission() != Admission::Stopped {
                    self.take(Decision::Drain);
                }
                if *now {
                    let active: Vec<Ix> = self.state.active().collect();
                    for at in active {
                        let task = self.state.plan().task(at).id.clone();
                        self.stop_task(&task, StopCause::RunStopped);
                    }
                    self.stop_landings();
                }
            }
            Request::Answer { task, text } => self.on_answer(task, text),
            Request::Skip { task } => self.on_skip_request(task),
            Request::Land { tasks, onto } => self.on_land_request(tasks, onto),
            Request::Budget { budget } => self.take(Decision::SetBudget { budget: *budget }),
            Request::TrustOutside => self.take(Decision::TrustOutside),
            Request::Pick { wave, tasks } => self.on_pick(*wave, tasks),
            Request::Retry {
                task,
                with_dependents,
            } => self.on_retry_request(task, *with_dependents),
        }
    }

    fn on_skip_request(&mut self, task: &TaskId) {
        let Some(at) = self.state.plan().find(task) else {
            return self.refuse(format!("there is no task {task} in this run"));
        };
        match &self.state.task(at).phase {
            Phase::Active(_) => self.stop_task(task, StopCause::Skipped),
            Phase::Verified { .. } | Phase::Satisfied { .. } => {
                self.refuse(format!("{task} is done; there is nothing to skip"))
            }
            _ => {
                self.take(Decision::Skip {
                    task: task.clone(),
                    reason: SkipReason::ByPerson,
                });
                self.skip_dependents(task);
            }
        }
    }

    fn on_answer(&mut self, task: &TaskId, text: &str) {
        let Some(at) = self.state.plan().find(task) else {
            return self.refuse(format!("there is no task {task} in this run"));
        };
        let (task, text) = (task.clone(), text.to_owned());
        match self.state.task(at).phase {
            Phase::Question { .. } => self.take(Decision::Answer { task, text }),
            _ => self.refuse(format!("{task} has no open question")),
        }
    }

    fn on_retry_request(&mut self, task: &TaskId, with_dependents: bool) {
        let Some(at) = self.state.plan().find(task) else {
            return self.refuse(format!("there is no task {task} in this run"));
        };
        match &self.state.task(at).phase {
            Phase::Active(_) => {
                return self.refuse(format!("{task} is running; stop or skip it first"));
            }
            Phase::Waiting | Phase::Pausing { .. } => {
                return self.refuse(format!("{task} is waiting to run anyway"));
            }
            Phase::ClosedElsewhere { sign } => {
                return self.refuse(format!(
                    "{task} was closed by somebody else ({sign}); open it again where it comes from, or take it as done with \
                     `mesh resume --trust-outside`"
                ));
            }
            Phase::Satisfied { commit: None } => {
                return self.refuse(format!(
                    "{task} was not done by mesh; open it again where it comes from"
                ));
            }
            _ => {}
        }
        let dependents = self.state.plan().graph().all_dependents(at);
        let first = self.first_started_dependent(at);
        if let Some(first) = first.filter(|_| !with_dependents) {
            let first = &self.state.plan().task(first).id;
            let reason = format!(
                "{first} was built on {task}; retry with --with-dependents to do both again"
            );
            return self.refuse(reason);
        }
        let mut queued = self.state.landings.iter();
        if let Some(&queued) = queued.find(|one| **one == at || dependents.contains(one)) {
            let queued = &self.state.plan().task(queued).id;
            return self.refuse(format!(
                "{queued} is about to be landed; retry {task} when that is over"
            ));
        }
        for &dependent in &dependents {
            let id = self.state.plan().task(dependent).id.clone();
            self.stop_task(&id, StopCause::Superseded);
        }
        let waits = |at: &Ix| match &self.state.task(*at).phase {
            Phase::Skipped(SkipReason::NeedFailed(_)) => true,
            Phase::Skipped(_) | Phase::Satisfied { .. } => false,
            _ => self.state.task(*at).attempts > 0,
        };
        let dependents: Vec<TaskId> = dependents
            .iter()
            .filter(|at| waits(at))
            .map(|at| self.state.plan().task(*at).id.clone())
            .collect();
        self.take(Decision::Reset {
            task: task.clone(),
            dependents,
        });
    }

    /// The first of what was built on `at`, if anything was.
    pub(super) fn first_started_dependent(&self, at: Ix) -> Option<Ix> {
        let started = |at: &Ix| {
            self.state.task(*at).attempts > 0
                && !matches!(self.state.task(*at).phase, Phase::Skipped(_))
        };
        let dependents = self.state.plan().graph().all_dependents(at);
        dependents.into_iter().find(started)
    }

    pub(super) fn refuse(&mut self, reason: String) {
        self.take(Decision::Refuse { reason });
    }
}

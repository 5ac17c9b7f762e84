//! Landings: what a decision about one changes.

use std::sync::Arc;

use crate::decision::{Action, Outcome};
use crate::event::Delivery;
use crate::evidence::Failure;
use crate::graph::Ix;
use crate::id::AttemptId;
use crate::landing::{Candidate, Landing, LandingStage};
use crate::state::{Admission, Phase, RunEnd, State};
use crate::time::Millis;

use super::STOP_PATIENCE;

impl State {
    pub(crate) fn is_landing(&self, attempt: &AttemptId) -> bool {
        self.landing.as_ref().is_some_and(|landing| {
            landing.attempt == attempt.number && self.plan.task(landing.at).id == attempt.task
        })
    }

    pub(crate) fn note_candidate(
        &mut self,
        attempt: &AttemptId,
        number: u32,
        candidate: &Candidate,
    ) {
        if self.is_landing(attempt)
            && let Some(landing) = &mut self.landing
            && landing.number == number
            && matches!(landing.stage, LandingStage::Integrating { .. })
        {
            landing.stage = LandingStage::Integrated(candidate.clone());
        }
    }

    pub(super) fn begin_landing(&mut self, now: Millis, attempt: &AttemptId) -> Vec<Action> {
        let Some(at) = self.plan.find(&attempt.task) else {
            return Vec::new();
        };
        let before = self.landing.take();
        let round = before.as_ref().map_or(1, |landing| landing.round + 1);
        let replaces = before.and_then(|landing| landing.stage.candidate().cloned());
        self.landing_count += 1;
        self.landing = Some(Landing {
            at,
            number: self.landing_count,
            attempt: attempt.number,
            round,
            since: now,
            stage: LandingStage::Integrating { replaces },
            stopping: None,
        });
        self.landing_action().into_iter().collect()
    }

    pub(super) fn landing_stage(
        &mut self,
        now: Millis,
        attempt: &AttemptId,
        stage: fn(Candidate) -> LandingStage,
    ) -> Vec<Action> {
        if !self.is_landing(attempt) {
            return Vec::new();
        }
        if let Some(landing) = &mut self.landing
            && let Some(candidate) = landing.stage.candidate().cloned()
        {
            landing.stage = stage(candidate);
            landing.since = now;
        }
        self.landing_action().into_iter().collect()
    }

    /// What is to be done for the landing under way.
    pub(crate) fn landing_action(&self) -> Option<Action> {
        let landing = self.landing.as_ref()?;
        let attempt = self.attempt_id(landing.at, landing.attempt);
        let number = landing.number;
        let onto = self.policy.land.clone()?;
        let Phase::Verified { commit, proof, .. } = &self.task(landing.at).phase else {
            return None;
        };
        Some(match &landing.stage {
            LandingStage::Integrating { replaces } => Action::Integrate {
                attempt,
                landing: number,
                commit: commit.clone(),
                onto,
                replaces: replaces.clone(),
            },
            LandingStage::Integrated(_) | LandingStage::Withdrawing => return None,
            LandingStage::Proving(candidate) => Action::ProveLanding {
                attempt,
                landing: number,
                command: proof.clone()?,
                candidate: candidate.clone(),
            },
            LandingStage::Publishing(candidate) => Action::Publish {
                attempt,
                landing: number,
                onto,
                candidate: candidate.clone(),
            },
        })
    }

    pub(super) fn stop_landing(&mut self, now: Millis, attempt: &AttemptId) -> Vec<Action> {
        if !self.is_landing(attempt) {
            return Vec::new();
        }
        if let Some(landing) = &mut self.landing {
            landing.stopping = Some(now.after(STOP_PATIENCE));
        }
        vec![Action::Stop {
            attempt: attempt.clone(),
        }]
    }

    pub(super) fn end_landing(&mut self, attempt: &AttemptId, ended: &Delivery) -> Vec<Action> {
        let Some(at) = self.plan.find(&attempt.task) else {
            return Vec::new();
        };
        let withdraw = self.leave_queue(attempt, at, matches!(ended, Delivery::Landed { .. }));
        let Phase::Verified {
            commit,
            self_checked,
            delivery,
            ..
        } = &mut self.tasks.get_mut(at).phase
        else {
            return Vec::new();
        };
        delivery.clone_from(ended);
        let outcome = Outcome::Verified {
            commit: commit.clone(),
            self_checked: *self_checked,
        };
        self.tasks.get_mut(at).rebase = false;
        self.finalize(at, attempt.number, outcome, ended.clone(), withdraw)
    }

    /// What needs the task waits again with it; nothing of that has been started.
    pub(super) fn give_back(&mut self, attempt: &AttemptId, failure: &Failure) -> Vec<Action> {
        let Some(at) = self.plan.find(&attempt.task) else {
            return Vec::new();
        };
        let withdraw = self.leave_queue(attempt, at, false);
        let task = self.tasks.get_mut(at);
        task.retries += 1;
        task.rebase = true;
        task.last_failure = Some(Arc::new(failure.clone()));
        task.phase = Phase::Waiting;
        self.reindex();
        self.catch_up(&[&attempt.task]);
        let outcome = Outcome::Retried(failure.clone());
        self.finalize(at, attempt.number, outcome, Delivery::Kept, withdraw)
    }

    /// A run that had ended goes on for its landings; nothing else of it is admitted by that.
    pub(super) fn queue_landings(&mut self, attempts: &[AttemptId], onto: &str) -> Vec<Action> {
        Arc::make_mut(&mut self.policy).land = Some(onto.to_owned());
        if self.ending == RunEnd::Concluded {
            self.ending = RunEnd::Open;
            self.admission = Admission::Stopped;
        }
        for attempt in attempts {
            if let Some(at) = self.plan.find(&attempt.task)
                && let Phase::Verified { delivery, .. } = &mut self.tasks.get_mut(at).phase
            {
                *delivery = Delivery::Queued;
                self.landings.push(at);
            }
        }
        Vec::new()
    }

    /// Takes the result out of the queue, and says what is to be dropped of its landing.
    fn leave_queue(&mut self, attempt: &AttemptId, at: Ix, landed: bool) -> Option<Candidate> {
        self.landings.retain(|one| *one != at);
        if !self.is_landing(attempt) {
            return None;
        }
        let landing = self.landing.take()?;
        let withdraw = landing.stage.candidate().filter(|_| !landed).cloned();
        if withdraw.is_some() {
            let stage = LandingStage::Withdrawing;
            self.landing = Some(Landing { stage, ..landing });
        }
        withdraw
    }

    /// What a landing made is gone; the next one may begin.
    pub(crate) fn withdrawn(&mut self, attempt: &AttemptId) {
        let stage = self.landing.as_ref().map(|landing| &landing.stage);
        if stage == Some(&LandingStage::Withdrawing) && self.is_landing(attempt) {
            self.landing = None;
        }
    }
}

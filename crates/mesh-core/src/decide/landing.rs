//! Which result is landed next, and what follows from what became of it.

use crate::decision::Decision;
use crate::event::Delivery;
use crate::evidence::{Ending, Failure, FailureClass, ProofEnd, brief, quoting};
use crate::graph::Ix;
use crate::id::{AttemptId, TaskId};
use crate::landing::{Integration, Landing, LandingStage, Publication};
use crate::planted::{Bug, is_planted};
use crate::state::{Admission, Phase, RunEnd};
use crate::task::Eligibility;

use super::Decider;

/// How often a landing is tried when somebody else moves the target meanwhile.
const ROUNDS: u32 = 3;

impl Decider<'_> {
    /// Takes up the next landing. What needs a result that did not land is not landed either.
    pub(super) fn land_next(&mut self) {
        while self.state.run_end() == RunEnd::Open && self.state.landing.is_none() {
            let Some(&at) = self.state.landings.first() else {
                return;
            };
            // One that was verified before it was to be landed is still being written down.
            let is_over = self.state.task(at).finalizing.is_empty();
            let Some(attempt) = self.verified_attempt(at).filter(|_| is_over) else {
                return;
            };
            match self.state.need_not_landed(at) {
                Some(need) => {
                    let need = &self.state.plan().task(need).id;
                    let reason = format!("{need}, which it needs, is not landed");
                    self.not_landed(&attempt, reason);
                }
                None => self.take(Decision::Land { attempt }),
            }
        }
    }

    fn verified_attempt(&self, at: Ix) -> Option<AttemptId> {
        match &self.state.task(at).phase {
            Phase::Verified { attempt, .. } => Some(self.state.attempt_id(at, *attempt)),
            _ => None,
        }
    }

    fn not_landed(&mut self, attempt: &AttemptId, reason: impl Into<String>) {
        self.take(Decision::EndLanding {
            attempt: attempt.clone(),
            delivery: Delivery::NotLanded {
                reason: reason.into(),
            },
        });
    }

    fn landed(&mut self, attempt: &AttemptId, commit: &crate::task::Commit) {
        self.take(Decision::EndLanding {
            attempt: attempt.clone(),
            delivery: Delivery::Landed {
                commit: commit.clone(),
            },
        });
    }

    /// The landing of `attempt`, unless the report is late or double.
    fn landing_of(&self, attempt: &AttemptId, number: u32) -> Option<Landing> {
        let landing = self.state.landing.as_ref()?;
        let is_it = landing.number == number && self.state.is_landing(attempt);
        is_it.then(|| landing.clone())
    }

    fn onto(&self) -> String {
        self.state.policy().land.clone().unwrap_or_default()
    }

    pub(super) fn on_integrated(
        &mut self,
        attempt: &AttemptId,
        number: u32,
        integration: &Integration,
    ) {
        let Some(landing) = self.landing_of(attempt, number) else {
            return;
        };
        match (integration, &landing.stage) {
            (Integration::Candidate(_), LandingStage::Integrated(_)) => {
                if landing.stopping.is_some() {
                    return self.not_landed(attempt, STOPPED);
                }
                let phase = &self.state.task(landing.at).phase;
                let attempt = attempt.clone();
                self.take(match phase {
                    Phase::Verified { proof: Some(_), .. }
                        if !is_planted(Bug::LandingWithoutProof) =>
                    {
                        Decision::ProveLanding { attempt }
                    }
                    // The run accepts results without a proof.
                    _ => Decision::Publish { attempt },
                });
            }
            (Integration::AlreadyThere { commit }, LandingStage::Integrating { .. }) => {
                self.landed(attempt, commit);
            }
            (Integration::Conflict { paths }, LandingStage::Integrating { .. }) => {
                let detail = format!("conflicts with {} in {}", self.onto(), paths.join(", "));
                self.landing_failed(landing.at, attempt, FailureClass::Conflict, detail);
            }
            (Integration::Refused { reason }, LandingStage::Integrating { .. }) => {
                self.not_landed(attempt, reason.clone());
            }
            _ => {}
        }
    }

    pub(super) fn on_landing_proved(&mut self, attempt: &AttemptId, number: u32, proof: &ProofEnd) {
        let Some(landing) = self.landing_of(attempt, number) else {
            return;
        };
        if !matches!(landing.stage, LandingStage::Proving(_)) {
            return;
        }
        match &proof.ending {
            Ending::Exited(0) => self.take(Decision::Publish {
                attempt: attempt.clone(),
            }),
            _ if landing.stopping.is_some() => self.not_landed(attempt, STOPPED),
            // Nothing was proved, so nothing is known of the result.
            ending @ (Ending::CouldNotStart(_) | Ending::NoReport | Ending::Stopped) => {
                let reason = format!("the proof on the integrated tree {ending}");
                self.not_landed(attempt, brief(&quoting(reason, &proof.tail)));
            }
            ending => {
                let what = format!(
                    "the proof fails on the tree integrated with {}: it {ending}",
                    self.onto()
                );
                let detail = quoting(what, &proof.tail);
                self.landing_failed(landing.at, attempt, FailureClass::VerifyFailed, detail);
            }
        }
    }

    pub(super) fn on_published(
        &mut self,
        attempt: &AttemptId,
        number: u32,
        publication: &Publication,
    ) {
        let Some(landing) = self.landing_of(attempt, number) else {
            return;
        };
        if !matches!(landing.stage, LandingStage::Publishing(_)) {
            return;
        }
        match publication {
            Publication::Moved { commit } => self.landed(attempt, commit),
            Publication::Refused { reason } => self.not_landed(attempt, reason.clone()),
            Publication::TargetMoved if landing.stopping.is_some() => {
                self.not_landed(attempt, STOPPED);
            }
            Publication::TargetMoved if landing.round < ROUNDS => self.take(Decision::Land {
                attempt: attempt.clone(),
            }),
            Publication::TargetMoved => {
                let onto = self.onto();
                let reason = format!("{onto} was moved by somebody else {ROUNDS} times in a row");
                self.not_landed(attempt, reason);
            }
        }
    }

    /// The result cannot be landed as it is. Its task gets another attempt, which stands on the target, as long as nothing was
    /// built on the result.
    fn landing_failed(&mut self, at: Ix, attempt: &AttemptId, class: FailureClass, detail: String) {
        let (task, policy) = (self.state.task(at), self.state.policy());
        let is_open = self.state.plan().task(at).eligibility == Eligibility::Open;
        let again = is_open
            && task.claimed
            && task.retries < policy.retries
            && *self.state.admission() == Admission::Open
            && self.first_started_dependent(at).is_none();
        if again {
            self.take(Decision::GiveBack {
                attempt: attempt.clone(),
                failure: Failure::new(class, detail),
            });
        } else {
            self.not_landed(attempt, brief(&detail));
        }
    }

    pub(super) fn on_landing_deadline(&mut self) {
        let Some((at, limit)) = self.state.landing_deadline() else {
            return;
        };
        let Some(landing) = self.state.landing.clone().filter(|_| at <= self.now) else {
            return;
        };
        let attempt = self.state.attempt_id(landing.at, landing.attempt);
        if matches!(landing.stage, LandingStage::Publishing(_)) {
            // The call that moves the target may still do so.
            let onto = self.onto();
            let reason = format!(
                "moving {onto} takes longer than {limit}, and whether it was moved is not known: look where {onto} is before you land it again"
            );
            self.not_landed(&attempt, reason);
        } else if landing.stopping.is_some() {
            self.not_landed(&attempt, STOPPED);
        } else {
            self.not_landed(&attempt, format!("it takes longer than {limit}"));
        }
    }

    /// The run is stopped at once: nothing more is landed. What is being published is not torn.
    pub(super) fn stop_landings(&mut self) {
        if let Some(landing) = &self.state.landing
            && landing.stopping.is_none()
            // One that is being withdrawn has nothing left to stop.
            && !matches!(landing.stage, LandingStage::Withdrawing)
        {
            let attempt = self.state.attempt_id(landing.at, landing.attempt);
            self.take(Decision::StopLanding { attempt });
        }
        let under_way = self.state.landing.as_ref().map(|landing| landing.at);
        for at in self.state.landings.clone() {
            if let Some(attempt) = self.verified_attempt(at).filter(|_| Some(at) != under_way) {
                self.not_landed(&attempt, STOPPED);
            }
        }
    }

    pub(super) fn on_land_request(&mut self, tasks: &[TaskId], onto: &str) {
        if let Some(other) = self.state.policy().land.as_deref()
            && other != onto
            && self.state.has_landings()
        {
            return self.refuse(format!("results are being landed on {other}"));
        }
        let plan = self.state.plan();
        let mut wanted: Vec<bool> = plan.all().map(|_| tasks.is_empty()).collect();
        for task in tasks {
            let Some(at) = plan.find(task) else {
                return self.refuse(format!("there is no task {task} in this run"));
            };
            if self.verified_attempt(at).is_none() {
                let word = self.state.state_word(at);
                return self.refuse(format!(
                    "{task} has no verified result of this run: it is {word}"
                ));
            }
            wanted[at.index()] = true;
            for need in self.state.stands_on(at) {
                wanted[need.index()] = true;
            }
        }
        let can_land = |at: &Ix| {
            let phase = &self.state.task(*at).phase;
            wanted[at.index()]
                && matches!(phase, Phase::Verified { delivery, .. }
                    if matches!(delivery, Delivery::Kept | Delivery::NotLanded { .. }))
        };
        // What a result stands on was verified before it, whatever the source says of needs by now.
        let mut order: Vec<_> = plan.all().filter(can_land).collect();
        order.sort_by_key(|at| self.state.task(*at).verified_as);
        let order = order.into_iter();
        let attempts: Vec<AttemptId> = order.filter_map(|at| self.verified_attempt(at)).collect();
        if attempts.is_empty() {
            return self.refuse("there is nothing to land".to_owned());
        }
        self.take(Decision::QueueLandings {
            attempts,
            onto: onto.to_owned(),
        });
    }
}

const STOPPED: &str = "the run was stopped before it was landed";

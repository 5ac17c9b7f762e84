//! Decisions in their stored form.

use mesh_core::decision::{Decision, SkipReason, StopCause};
use mesh_core::id::SlotId;
use mesh_core::task::Commit;
use serde::{Deserialize, Serialize};

use super::event::DeliveryWire;
use super::names::{AttemptWire, FailureWire, task_id, task_ids, texts_of};
use super::{WireError, is_false};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum DecisionWire {
    Start {
        attempt: AttemptWire,
        slot: u16,
    },
    Reserve {
        task: String,
    },
    Look {
        attempt: AttemptWire,
    },
    Slow {
        attempt: AttemptWire,
    },
    Stop {
        attempt: AttemptWire,
        cause: StopCauseWire,
    },
    Kill {
        attempt: AttemptWire,
    },
    Examine {
        attempt: AttemptWire,
    },
    Prove {
        attempt: AttemptWire,
        command: String,
        #[serde(default, skip_serializing_if = "is_false")]
        self_checked: bool,
        commit: String,
    },
    Accept {
        attempt: AttemptWire,
        commit: String,
        #[serde(default, skip_serializing_if = "is_false")]
        self_checked: bool,
    },
    Land {
        attempt: AttemptWire,
    },
    ProveLanding {
        attempt: AttemptWire,
    },
    Publish {
        attempt: AttemptWire,
    },
    StopLanding {
        attempt: AttemptWire,
    },
    EndLanding {
        attempt: AttemptWire,
        delivery: DeliveryWire,
    },
    GiveBack {
        attempt: AttemptWire,
        failure: FailureWire,
    },
    QueueLandings {
        attempts: Vec<AttemptWire>,
        onto: String,
    },
    RecordingFailed {
        attempt: AttemptWire,
        failure: FailureWire,
        #[serde(default, skip_serializing_if = "is_false")]
        again: bool,
    },
    Retry {
        attempt: AttemptWire,
        failure: FailureWire,
        /// Stored only when it uses up no retry: all did once.
        #[serde(default, skip_serializing_if = "is_false")]
        excused: bool,
    },
    Fail {
        attempt: AttemptWire,
        failure: FailureWire,
    },
    Question {
        attempt: AttemptWire,
        text: String,
    },
    Interrupt {
        attempt: AttemptWire,
    },
    Skip {
        task: String,
        reason: SkipReasonWire,
    },
    Redo {
        task: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dependents: Vec<String>,
    },
    Refuse {
        reason: String,
    },
    Width {
        to: u16,
    },
    Pause {
        cause: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        excused: Vec<AttemptWire>,
    },
    TrustOutside,
    Drain,
    Refresh,
    Conclude,
    GoOn,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopCauseWire {
    Hung,
    Overdue,
    RunStopped,
    Taken,
    Skipped,
    ClaimLost,
    Superseded,
}

impl From<StopCause> for StopCauseWire {
    fn from(cause: StopCause) -> Self {
        match cause {
            StopCause::Hung => StopCauseWire::Hung,
            StopCause::Overdue => StopCauseWire::Overdue,
            StopCause::RunStopped => StopCauseWire::RunStopped,
            StopCause::Taken => StopCauseWire::Taken,
            StopCause::Skipped => StopCauseWire::Skipped,
            StopCause::ClaimLost => StopCauseWire::ClaimLost,
            StopCause::Superseded => StopCauseWire::Superseded,
        }
    }
}

impl From<StopCauseWire> for StopCause {
    fn from(wire: StopCauseWire) -> Self {
        match wire {
            StopCauseWire::Hung => StopCause::Hung,
            StopCauseWire::Overdue => StopCause::Overdue,
            StopCauseWire::RunStopped => StopCause::RunStopped,
            StopCauseWire::Taken => StopCause::Taken,
            StopCauseWire::Skipped => StopCause::Skipped,
            StopCauseWire::ClaimLost => StopCause::ClaimLost,
            StopCauseWire::Superseded => StopCause::Superseded,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum SkipReasonWire {
    ByPerson,
    Taken { sign: String },
    NeedFailed { need: String },
}

impl From<&SkipReason> for SkipReasonWire {
    fn from(reason: &SkipReason) -> Self {
        match reason {
            SkipReason::ByPerson => SkipReasonWire::ByPerson,
            SkipReason::Taken(sign) => SkipReasonWire::Taken { sign: sign.clone() },
            SkipReason::NeedFailed(need) => SkipReasonWire::NeedFailed {
                need: need.to_string(),
            },
        }
    }
}

impl TryFrom<SkipReasonWire> for SkipReason {
    type Error = WireError;
    fn try_from(wire: SkipReasonWire) -> Result<Self, WireError> {
        Ok(match wire {
            SkipReasonWire::ByPerson => SkipReason::ByPerson,
            SkipReasonWire::Taken { sign } => SkipReason::Taken(sign),
            SkipReasonWire::NeedFailed { need } => {
                SkipReason::NeedFailed(task_id(need, "reason.need")?)
            }
        })
    }
}

impl From<&Decision> for DecisionWire {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Start { attempt, slot } => DecisionWire::Start {
                attempt: attempt.into(),
                slot: slot.0,
            },
            Decision::Reserve { task } => DecisionWire::Reserve {
                task: task.to_string(),
            },
            Decision::Probe { attempt } => DecisionWire::Look {
                attempt: attempt.into(),
            },
            Decision::SoftLimitExceeded { attempt } => DecisionWire::Slow {
                attempt: attempt.into(),
            },
            Decision::Stop { attempt, cause } => DecisionWire::Stop {
                attempt: attempt.into(),
                cause: (*cause).into(),
            },
            Decision::Kill { attempt } => DecisionWire::Kill {
                attempt: attempt.into(),
            },
            Decision::Inspect { attempt } => DecisionWire::Examine {
                attempt: attempt.into(),
            },
            Decision::Prove {
                attempt,
                command,
                self_checked,
                commit,
            } => DecisionWire::Prove {
                attempt: attempt.into(),
                command: command.clone(),
                self_checked: *self_checked,
                commit: commit.0.clone(),
            },
            Decision::Accept {
                attempt,
                commit,
                self_checked,
            } => DecisionWire::Accept {
                attempt: attempt.into(),
                commit: commit.0.clone(),
                self_checked: *self_checked,
            },
            Decision::Land { attempt } => DecisionWire::Land {
                attempt: attempt.into(),
            },
            Decision::ProveLanding { attempt } => DecisionWire::ProveLanding {
                attempt: attempt.into(),
            },
            Decision::Publish { attempt } => DecisionWire::Publish {
                attempt: attempt.into(),
            },
            Decision::StopLanding { attempt } => DecisionWire::StopLanding {
                attempt: attempt.into(),
            },
            Decision::EndLanding { attempt, delivery } => DecisionWire::EndLanding {
                attempt: attempt.into(),
                delivery: delivery.into(),
            },
            Decision::GiveBack { attempt, failure } => DecisionWire::GiveBack {
                attempt: attempt.into(),
                failure: failure.into(),
            },
            Decision::QueueLandings { attempts, onto } => DecisionWire::QueueLandings {
                attempts: attempts.iter().map(Into::into).collect(),
                onto: onto.clone(),
            },
            Decision::RecordingFailed {
                attempt,
                failure,
                again,
            } => DecisionWire::RecordingFailed {
                attempt: attempt.into(),
                failure: failure.into(),
                again: *again,
            },
            Decision::Retry {
                attempt,
                failure,
                counts,
            } => DecisionWire::Retry {
                attempt: attempt.into(),
                failure: failure.into(),
                excused: !counts,
            },
            Decision::Fail { attempt, failure } => DecisionWire::Fail {
                attempt: attempt.into(),
                failure: failure.into(),
            },
            Decision::Question { attempt, text } => DecisionWire::Question {
                attempt: attempt.into(),
                text: text.clone(),
            },
            Decision::Interrupt { attempt } => DecisionWire::Interrupt {
                attempt: attempt.into(),
            },
            Decision::Skip { task, reason } => DecisionWire::Skip {
                task: task.to_string(),
                reason: reason.into(),
            },
            Decision::Reset { task, dependents } => DecisionWire::Redo {
                task: task.to_string(),
                dependents: texts_of(dependents),
            },
            Decision::Refuse { reason } => DecisionWire::Refuse {
                reason: reason.clone(),
            },
            Decision::SetConcurrency { to } => DecisionWire::Width { to: *to },
            Decision::Pause { cause, excused } => DecisionWire::Pause {
                cause: cause.clone(),
                excused: excused.iter().map(Into::into).collect(),
            },
            Decision::TrustOutside => DecisionWire::TrustOutside,
            Decision::Drain => DecisionWire::Drain,
            Decision::Refresh => DecisionWire::Refresh,
            Decision::Conclude => DecisionWire::Conclude,
            Decision::Continue => DecisionWire::GoOn,
        }
    }
}

impl TryFrom<DecisionWire> for Decision {
    type Error = WireError;
    fn try_from(wire: DecisionWire) -> Result<Self, WireError> {
        Ok(match wire {
            DecisionWire::Start { attempt, slot } => {
                // A slot is a place in a table that grows to it: 0 is none.
                if slot == 0 {
                    return Err(WireError::value("slot", "slots are numbered from 1"));
                }
                Decision::Start {
                    attempt: attempt.try_into()?,
                    slot: SlotId(slot),
                }
            }
            DecisionWire::Reserve { task } => Decision::Reserve {
                task: task_id(task, "task")?,
            },
            DecisionWire::Look { attempt } => Decision::Probe {
                attempt: attempt.try_into()?,
            },
            DecisionWire::Slow { attempt } => Decision::SoftLimitExceeded {
                attempt: attempt.try_into()?,
            },
            DecisionWire::Stop { attempt, cause } => Decision::Stop {
                attempt: attempt.try_into()?,
                cause: cause.into(),
            },
            DecisionWire::Kill { attempt } => Decision::Kill {
                attempt: attempt.try_into()?,
            },
            DecisionWire::Examine { attempt } => Decision::Inspect {
                attempt: attempt.try_into()?,
            },
            DecisionWire::Prove {
                attempt,
                command,
                self_checked,
                commit,
            } => Decision::Prove {
                attempt: attempt.try_into()?,
                command,
                self_checked,
                commit: Commit(commit),
            },
            DecisionWire::Accept {
                attempt,
                commit,
                self_checked,
            } => Decision::Accept {
                attempt: attempt.try_into()?,
                commit: Commit(commit),
                self_checked,
            },
            DecisionWire::Land { attempt } => Decision::Land {
                attempt: attempt.try_into()?,
            },
            DecisionWire::ProveLanding { attempt } => Decision::ProveLanding {
                attempt: attempt.try_into()?,
            },
            DecisionWire::Publish { attempt } => Decision::Publish {
                attempt: attempt.try_into()?,
            },
            DecisionWire::StopLanding { attempt } => Decision::StopLanding {
                attempt: attempt.try_into()?,
            },
            DecisionWire::EndLanding { attempt, delivery } => Decision::EndLanding {
                attempt: attempt.try_into()?,
                delivery: delivery.into(),
            },
            DecisionWire::GiveBack { attempt, failure } => Decision::GiveBack {
                attempt: attempt.try_into()?,
                failure: failure.try_into()?,
            },
            DecisionWire::QueueLandings { attempts, onto } => Decision::QueueLandings {
                attempts: attempts
                    .into_iter()
                    .map(TryInto::try_into)
                    .collect::<Result<_, _>>()?,
                onto,
            },
            DecisionWire::RecordingFailed {
                attempt,
                failure,
                again,
            } => Decision::RecordingFailed {
                attempt: attempt.try_into()?,
                failure: failure.try_into()?,
                again,
            },
            DecisionWire::Retry {
                attempt,
                failure,
                excused,
            } => Decision::Retry {
                attempt: attempt.try_into()?,
                failure: failure.try_into()?,
                counts: !excused,
            },
            DecisionWire::Fail { attempt, failure } => Decision::Fail {
                attempt: attempt.try_into()?,
                failure: failure.try_into()?,
            },
            DecisionWire::Question { attempt, text } => Decision::Question {
                attempt: attempt.try_into()?,
                text,
            },
            DecisionWire::Interrupt { attempt } => Decision::Interrupt {
                attempt: attempt.try_into()?,
            },
            DecisionWire::Skip { task, reason } => Decision::Skip {
                task: task_id(task, "task")?,
                reason: reason.try_into()?,
            },
            DecisionWire::Redo { task, dependents } => Decision::Reset {
                task: task_id(task, "task")?,
                dependents: task_ids(dependents, "dependents")?,
            },
            DecisionWire::Refuse { reason } => Decision::Refuse { reason },
            DecisionWire::Width { to } => Decision::SetConcurrency { to },
            DecisionWire::Pause { cause, excused } => Decision::Pause {
                cause,
                excused: excused
                    .into_iter()
                    .map(TryInto::try_into)
                    .collect::<Result<_, _>>()?,
            },
            DecisionWire::TrustOutside => Decision::TrustOutside,
            DecisionWire::Drain => Decision::Drain,
            DecisionWire::Refresh => Decision::Refresh,
            DecisionWire::Conclude => Decision::Conclude,
            DecisionWire::GoOn => Decision::Continue,
        })
    }
}

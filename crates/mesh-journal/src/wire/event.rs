//! Events in their stored form.

use mesh_core::event::{Delivery, Event, PlanChange, Request, StartFailure};
use mesh_core::id::TaskId;
use mesh_core::task::Commit;
use mesh_core::time::Millis;
use serde::{Deserialize, Serialize};

use super::findings::{EndingWire, FindingsWire, ProofEndWire};
use super::landing::{IntegrationWire, PublicationWire};
use super::names::{AttemptWire, FailureWire, task_id, task_ids, texts_of};
use super::plan::{PolicyWire, TaskWire, plan_from_wire, tasks_from_wire, tasks_to_wire};
use super::{WireError, is_false};

/// Exactly one of two optional fields is set where the core has a `Result`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum EventWire {
    Begun {
        #[serde(default)]
        tasks: Vec<TaskWire>,
        policy: PolicyWire,
    },
    Reopened,
    Tick,
    Claimed {
        attempt: AttemptWire,
    },
    Started {
        attempt: AttemptWire,
    },
    StartFailed {
        attempt: AttemptWire,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        taken_by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<FailureWire>,
    },
    Looked {
        attempt: AttemptWire,
        last_sign: u64,
    },
    Ended {
        attempt: AttemptWire,
        ending: EndingWire,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        tail: String,
    },
    Examined {
        attempt: AttemptWire,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        findings: Option<Box<FindingsWire>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<FailureWire>,
    },
    Proved {
        attempt: AttemptWire,
        proof: ProofEndWire,
    },
    Integrated {
        attempt: AttemptWire,
        landing: u32,
        integration: IntegrationWire,
    },
    LandingProved {
        attempt: AttemptWire,
        landing: u32,
        proof: ProofEndWire,
    },
    Published {
        attempt: AttemptWire,
        landing: u32,
        publication: PublicationWire,
    },
    Settled {
        attempt: AttemptWire,
        #[serde(default)]
        delivery: DeliveryWire,
    },
    ClaimLost {
        task: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        holder: String,
    },
    Refreshed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<ChangeWire>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    Asked {
        request: RequestWire,
    },
    Noticed {
        #[serde(default)]
        attempts: Vec<AttemptWire>,
        #[serde(default)]
        changes: Vec<String>,
    },
    Concluded,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ChangeWire {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<TaskWire>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    taken: Vec<TakenWire>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    closed: Vec<TakenWire>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TakenWire {
    task: String,
    sign: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum DeliveryWire {
    #[default]
    Kept,
    Queued,
    Landed {
        commit: String,
    },
    NotLanded {
        reason: String,
    },
}

impl From<&Delivery> for DeliveryWire {
    fn from(delivery: &Delivery) -> Self {
        match delivery {
            Delivery::Kept => DeliveryWire::Kept,
            Delivery::Queued => DeliveryWire::Queued,
            Delivery::Landed { commit } => DeliveryWire::Landed {
                commit: commit.0.clone(),
            },
            Delivery::NotLanded { reason } => DeliveryWire::NotLanded {
                reason: reason.clone(),
            },
        }
    }
}

impl From<DeliveryWire> for Delivery {
    fn from(wire: DeliveryWire) -> Self {
        match wire {
            DeliveryWire::Kept => Delivery::Kept,
            DeliveryWire::Queued => Delivery::Queued,
            DeliveryWire::Landed { commit } => Delivery::Landed {
                commit: Commit(commit),
            },
            DeliveryWire::NotLanded { reason } => Delivery::NotLanded { reason },
        }
    }
}

/// What a person asks for; also what a control file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum RequestWire {
    Stop {
        #[serde(default, skip_serializing_if = "is_false")]
        now: bool,
    },
    Retry {
        task: String,
        #[serde(default, skip_serializing_if = "is_false")]
        with_dependents: bool,
    },
    Skip {
        task: String,
    },
    Land {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<String>,
        onto: String,
    },
    TrustOutside,
}

impl From<&Request> for RequestWire {
    fn from(request: &Request) -> Self {
        match request {
            Request::Stop { now } => RequestWire::Stop { now: *now },
            Request::Retry {
                task,
                with_dependents,
            } => RequestWire::Retry {
                task: task.to_string(),
                with_dependents: *with_dependents,
            },
            Request::Skip { task } => RequestWire::Skip {
                task: task.to_string(),
            },
            Request::Land { tasks, onto } => RequestWire::Land {
                tasks: texts_of(tasks),
                onto: onto.clone(),
            },
            Request::TrustOutside => RequestWire::TrustOutside,
        }
    }
}

impl TryFrom<RequestWire> for Request {
    type Error = WireError;
    fn try_from(wire: RequestWire) -> Result<Self, WireError> {
        Ok(match wire {
            RequestWire::Stop { now } => Request::Stop { now },
            RequestWire::Retry {
                task,
                with_dependents,
            } => Request::Retry {
                task: task_id(task, "request.task")?,
                with_dependents,
            },
            RequestWire::Skip { task } => Request::Skip {
                task: task_id(task, "request.task")?,
            },
            RequestWire::Land { tasks, onto } => Request::Land {
                tasks: task_ids(tasks, "request.tasks")?,
                onto,
            },
            RequestWire::TrustOutside => Request::TrustOutside,
        })
    }
}

impl From<&PlanChange> for ChangeWire {
    fn from(change: &PlanChange) -> Self {
        ChangeWire {
            tasks: tasks_to_wire(&change.tasks),
            removed: texts_of(&change.removed),
            taken: signs_to_wire(&change.taken),
            closed: signs_to_wire(&change.closed),
        }
    }
}

impl TryFrom<ChangeWire> for PlanChange {
    type Error = WireError;
    fn try_from(wire: ChangeWire) -> Result<Self, WireError> {
        Ok(PlanChange {
            tasks: tasks_from_wire(wire.tasks).map_err(|error| error.within("change"))?,
            removed: task_ids(wire.removed, "change.removed")?,
            taken: signs_from_wire(wire.taken, "change.taken.task")?,
            closed: signs_from_wire(wire.closed, "change.closed.task")?,
        })
    }
}

fn signs_to_wire(signs: &[(TaskId, String)]) -> Vec<TakenWire> {
    let wire = |(task, sign): &(TaskId, String)| TakenWire {
        task: task.to_string(),
        sign: sign.clone(),
    };
    signs.iter().map(wire).collect()
}

fn signs_from_wire(wire: Vec<TakenWire>, field: &str) -> Result<Vec<(TaskId, String)>, WireError> {
    let sign = |taken: TakenWire| Ok((task_id(taken.task, field)?, taken.sign));
    wire.into_iter().map(sign).collect()
}

impl From<&Event> for EventWire {
    fn from(event: &Event) -> Self {
        match event {
            Event::RunStarted { plan, policy } => EventWire::Begun {
                // As they were given: building them again finds the same faults.
                tasks: tasks_to_wire(&plan.given_tasks()),
                policy: policy.into(),
            },
            Event::Reopened => EventWire::Reopened,
            Event::Tick => EventWire::Tick,
            Event::Claimed { attempt } => EventWire::Claimed {
                attempt: attempt.into(),
            },
            Event::Started { attempt } => EventWire::Started {
                attempt: attempt.into(),
            },
            Event::StartFailed { attempt, cause } => {
                let (taken_by, failure) = match cause {
                    StartFailure::Taken { holder } => (Some(holder.clone()), None),
                    StartFailure::Failed(failure) => (None, Some(failure.into())),
                };
                EventWire::StartFailed {
                    attempt: attempt.into(),
                    taken_by,
                    failure,
                }
            }
            Event::Probed { attempt, last_sign } => EventWire::Looked {
                attempt: attempt.into(),
                last_sign: last_sign.0,
            },
            Event::Ended {
                attempt,
                ending,
                tail,
            } => EventWire::Ended {
                attempt: attempt.into(),
                ending: ending.into(),
                tail: tail.clone(),
            },
            Event::Inspected { attempt, evidence } => EventWire::Examined {
                attempt: attempt.into(),
                findings: evidence
                    .as_ref()
                    .ok()
                    .map(|evidence| Box::new(evidence.into())),
                failure: evidence.as_ref().err().map(Into::into),
            },
            Event::Proved { attempt, proof } => EventWire::Proved {
                attempt: attempt.into(),
                proof: proof.into(),
            },
            Event::Integrated {
                attempt,
                landing,
                integration,
            } => EventWire::Integrated {
                attempt: attempt.into(),
                landing: *landing,
                integration: integration.into(),
            },
            Event::LandingProved {
                attempt,
                landing,
                proof,
            } => EventWire::LandingProved {
                attempt: attempt.into(),
                landing: *landing,
                proof: proof.into(),
            },
            Event::Published {
                attempt,
                landing,
                publication,
            } => EventWire::Published {
                attempt: attempt.into(),
                landing: *landing,
                publication: publication.into(),
            },
            Event::Finalized { attempt, delivery } => EventWire::Settled {
                attempt: attempt.into(),
                delivery: delivery.into(),
            },
            Event::ClaimLost { task, holder } => EventWire::ClaimLost {
                task: task.to_string(),
                holder: holder.clone(),
            },
            Event::Refreshed { change } => EventWire::Refreshed {
                change: change.as_ref().ok().map(Into::into),
                problem: change.as_ref().err().cloned(),
            },
            Event::Requested { request } => EventWire::Asked {
                request: request.into(),
            },
            Event::Noticed { attempts, changes } => EventWire::Noticed {
                attempts: attempts.iter().map(Into::into).collect(),
                changes: changes.clone(),
            },
            Event::Concluded => EventWire::Concluded,
        }
    }
}

impl TryFrom<EventWire> for Event {
    type Error = WireError;
    fn try_from(wire: EventWire) -> Result<Self, WireError> {
        Ok(match wire {
            EventWire::Begun { tasks, policy } => Event::RunStarted {
                plan: plan_from_wire(tasks)?,
                policy: policy
                    .try_into()
                    .map_err(|error: WireError| error.within("policy"))?,
            },
            EventWire::Reopened => Event::Reopened,
            EventWire::Tick => Event::Tick,
            EventWire::Claimed { attempt } => Event::Claimed {
                attempt: attempt.try_into()?,
            },
            EventWire::Started { attempt } => Event::Started {
                attempt: attempt.try_into()?,
            },
            EventWire::StartFailed {
                attempt,
                taken_by,
                failure,
            } => Event::StartFailed {
                attempt: attempt.try_into()?,
                cause: match one_of(taken_by, failure, "taken_by or failure")? {
                    Ok(holder) => StartFailure::Taken { holder },
                    Err(failure) => StartFailure::Failed(failure.try_into()?),
                },
            },
            EventWire::Looked { attempt, last_sign } => Event::Probed {
                attempt: attempt.try_into()?,
                last_sign: Millis(last_sign),
            },
            EventWire::Ended {
                attempt,
                ending,
                tail,
            } => Event::Ended {
                attempt: attempt.try_into()?,
                ending: ending.into(),
                tail,
            },
            EventWire::Examined {
                attempt,
                findings,
                failure,
            } => Event::Inspected {
                attempt: attempt.try_into()?,
                evidence: match one_of(findings, failure, "findings or failure")? {
                    Ok(findings) => Ok((*findings)
                        .try_into()
                        .map_err(|error: WireError| error.within("findings"))?),
                    Err(failure) => Err(failure.try_into()?),
                },
            },
            EventWire::Proved { attempt, proof } => Event::Proved {
                attempt: attempt.try_into()?,
                proof: proof.into(),
            },
            EventWire::Integrated {
                attempt,
                landing,
                integration,
            } => Event::Integrated {
                attempt: attempt.try_into()?,
                landing,
                integration: integration.into(),
            },
            EventWire::LandingProved {
                attempt,
                landing,
                proof,
            } => Event::LandingProved {
                attempt: attempt.try_into()?,
                landing,
                proof: proof.into(),
            },
            EventWire::Published {
                attempt,
                landing,
                publication,
            } => Event::Published {
                attempt: attempt.try_into()?,
                landing,
                publication: publication.into(),
            },
            EventWire::Settled { attempt, delivery } => Event::Finalized {
                attempt: attempt.try_into()?,
                delivery: delivery.into(),
            },
            EventWire::ClaimLost { task, holder } => Event::ClaimLost {
                task: task_id(task, "task")?,
                holder,
            },
            EventWire::Refreshed { change, problem } => Event::Refreshed {
                change: match one_of(change, problem, "change or problem")? {
                    Ok(change) => Ok(change.try_into()?),
                    Err(problem) => Err(problem),
                },
            },
            EventWire::Asked { request } => Event::Requested {
                request: request.try_into()?,
            },
            EventWire::Noticed { attempts, changes } => Event::Noticed {
                attempts: attempts
                    .into_iter()
                    .map(TryInto::try_into)
                    .collect::<Result<_, _>>()?,
                changes,
            },
            EventWire::Concluded => Event::Concluded,
        })
    }
}

fn one_of<A, B>(
    first: Option<A>,
    second: Option<B>,
    field: &str,
) -> Result<Result<A, B>, WireError> {
    match (first, second) {
        (Some(first), None) => Ok(Ok(first)),
        (None, Some(second)) => Ok(Err(second)),
        _ => Err(WireError::value(field, "exactly one of them must be there")),
    }
}

//! How events are stored.

use std::borrow::Cow;

use mesh_core::event::{Delivery, Event, PlanChange, Request, StartFailure};
use mesh_core::evidence::{Ending, Evidence, Failure, ProofEnd};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::landing::{Integration, Publication};
use mesh_core::metered::Metered;
use mesh_core::plan::Plan;
use mesh_core::policy::Policy;
use mesh_core::task::Task;
use mesh_core::time::Millis;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tagged;

tagged! {
    Event = "Event" {
        #[serde(rename = "begun")]
        RunStarted {
            #[serde(rename = "tasks", default = "plan::empty", with = "plan")]
            plan: Plan,
            policy: Policy,
        },
        Reopened {},
        Tick {},
        Claimed {
            attempt: AttemptId,
        },
        Started {
            attempt: AttemptId,
        },
        #[serde(with = "start_failed")]
        StartFailed {
            attempt: AttemptId,
            cause: StartFailure,
        },
        #[serde(rename = "looked")]
        Probed {
            attempt: AttemptId,
            last_sign: Millis,
        },
        Ended {
            attempt: AttemptId,
            ending: Ending,
            #[serde(default, skip_serializing_if = "String::is_empty")]
            tail: String,
        },
        Metered {
            attempt: AttemptId,
            metered: Metered,
        },
        Progressed {
            attempt: AttemptId,
        },
        #[serde(rename = "examined", with = "examined")]
        Inspected {
            attempt: AttemptId,
            evidence: Result<Evidence, Failure>,
        },
        Proved {
            attempt: AttemptId,
            proof: ProofEnd,
        },
        Integrated {
            attempt: AttemptId,
            landing: u32,
            integration: Integration,
        },
        LandingProved {
            attempt: AttemptId,
            landing: u32,
            proof: ProofEnd,
        },
        Published {
            attempt: AttemptId,
            landing: u32,
            publication: Publication,
        },
        #[serde(rename = "settled")]
        Finalized {
            attempt: AttemptId,
            #[serde(default)]
            delivery: Delivery,
        },
        WaveFinalized {
            wave: u32,
        },
        ClaimLost {
            task: TaskId,
            #[serde(default, skip_serializing_if = "String::is_empty")]
            holder: String,
        },
        #[serde(with = "refreshed")]
        Refreshed {
            change: Result<PlanChange, String>,
        },
        #[serde(rename = "asked")]
        Requested {
            request: Request,
        },
        Noticed {
            #[serde(default)]
            attempts: Vec<AttemptId>,
            #[serde(default)]
            changes: Vec<String>,
        },
        Unwritten {
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            tasks: Vec<(TaskId, String)>,
        },
        Concluded {},
    }
}

/// A plan is stored as its tasks, as they were given: building it again finds the same faults and gives an equal plan.
mod plan {
    use super::*;

    pub(super) fn empty() -> Plan {
        Plan::build_tolerant(Vec::new()).0
    }

    pub(super) fn serialize<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
        plan.given_tasks().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Plan, D::Error> {
        Ok(Plan::build_tolerant(Vec::<Task>::deserialize(from)?).0)
    }
}

/// A `Result` is stored as exactly one of two fields, beside what else the event holds.
macro_rules! one_of_two {
    ($module:ident($($beside:ident: $other:ty)?), $good:ident: $value:ty, $bad:ident: $problem:ty) => {
        mod $module {
            use super::*;

            #[derive(Serialize, Deserialize)]
            struct Stored<'a> {
                $($beside: Cow<'a, $other>,)?
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $good: Option<Cow<'a, $value>>,
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $bad: Option<Cow<'a, $problem>>,
            }

            pub(super) fn serialize<S: Serializer>(
                $($beside: &$other,)?
                result: &Result<$value, $problem>,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                Stored {
                    $($beside: Cow::Borrowed($beside),)?
                    $good: result.as_ref().ok().map(Cow::Borrowed),
                    $bad: result.as_ref().err().map(Cow::Borrowed),
                }
                .serialize(to)
            }

            #[allow(unused_parens)]
            pub(super) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<($($other,)? Result<$value, $problem>), D::Error> {
                let stored = Stored::deserialize(from)?;
                let result = match (stored.$good, stored.$bad) {
                    (Some(value), None) => Ok(value.into_owned()),
                    (None, Some(problem)) => Err(problem.into_owned()),
                    _ => return Err(D::Error::custom(concat!(
                        "exactly one of `", stringify!($good), "` and `", stringify!($bad), "` must be there"
                    ))),
                };
                Ok(($(stored.$beside.into_owned(),)? result))
            }
        }
    };
}

one_of_two!(taken_or_failed(attempt: AttemptId), taken_by: String, failure: Failure);
one_of_two!(examined(attempt: AttemptId), findings: Evidence, failure: Failure);
one_of_two!(refreshed(), change: PlanChange, problem: String);

mod start_failed {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        attempt: &AttemptId,
        cause: &StartFailure,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let taken_by = match cause.clone() {
            StartFailure::Taken { holder } => Ok(holder),
            StartFailure::Failed(failure) => Err(failure),
        };
        taken_or_failed::serialize(attempt, &taken_by, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<(AttemptId, StartFailure), D::Error> {
        let (attempt, taken_by) = taken_or_failed::deserialize(from)?;
        let cause = match taken_by {
            Ok(holder) => StartFailure::Taken { holder },
            Err(failure) => StartFailure::Failed(failure),
        };
        Ok((attempt, cause))
    }
}

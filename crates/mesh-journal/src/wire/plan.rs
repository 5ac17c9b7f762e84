//! Plans, tasks and policies in their stored form. A plan is stored as its tasks: building it again gives an equal plan.

use std::collections::BTreeMap;

use mesh_core::plan::Plan;
use mesh_core::policy::{Policy, Rank, Unlabelled};
use mesh_core::task::{Commit, Eligibility, Locks, Task};
use mesh_core::time::Span;
use serde::{Deserialize, Serialize};

use super::names::{lock_group, task_id, task_ids, texts_of};
use super::{WireError, is_false};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TaskWire {
    id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    title: String,
    standing: StandingWire,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outside: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    locks: Vec<String>,
    priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    estimate_minutes: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    checkpoint: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    tie: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum StandingWire {
    Open,
    Satisfied {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    Container,
    NotOurs {
        reason: String,
    },
    Faulty {
        reason: String,
    },
}

impl From<&Eligibility> for StandingWire {
    fn from(eligibility: &Eligibility) -> Self {
        match eligibility {
            Eligibility::Open => StandingWire::Open,
            Eligibility::Satisfied { commit } => StandingWire::Satisfied {
                commit: commit.as_ref().map(|commit| commit.0.clone()),
            },
            Eligibility::Container => StandingWire::Container,
            Eligibility::NotOurs { reason } => StandingWire::NotOurs {
                reason: reason.clone(),
            },
            Eligibility::Faulty { reason } => StandingWire::Faulty {
                reason: reason.clone(),
            },
        }
    }
}

impl From<StandingWire> for Eligibility {
    fn from(wire: StandingWire) -> Self {
        match wire {
            StandingWire::Open => Eligibility::Open,
            StandingWire::Satisfied { commit } => Eligibility::Satisfied {
                commit: commit.map(Commit),
            },
            StandingWire::Container => Eligibility::Container,
            StandingWire::NotOurs { reason } => Eligibility::NotOurs { reason },
            StandingWire::Faulty { reason } => Eligibility::Faulty { reason },
        }
    }
}

impl From<&Task> for TaskWire {
    fn from(task: &Task) -> Self {
        TaskWire {
            id: task.id.to_string(),
            title: task.title.clone(),
            standing: (&task.eligibility).into(),
            needs: texts_of(&task.needs),
            outside: texts_of(&task.outside),
            locks: task.locks.texts().collect(),
            priority: task.priority,
            estimate_minutes: task.estimate_minutes,
            checkpoint: task.checkpoint,
            tie: task.tie,
        }
    }
}

impl TryFrom<TaskWire> for Task {
    type Error = WireError;
    fn try_from(wire: TaskWire) -> Result<Self, WireError> {
        Ok(Task {
            id: task_id(wire.id, "id")?,
            title: wire.title,
            eligibility: wire.standing.into(),
            needs: task_ids(wire.needs, "needs")?,
            outside: task_ids(wire.outside, "outside")?,
            locks: locks_from_wire(wire.locks)?,
            priority: wire.priority,
            estimate_minutes: wire.estimate_minutes,
            checkpoint: wire.checkpoint,
            tie: wire.tie,
        })
    }
}

fn locks_from_wire(texts: Vec<String>) -> Result<Locks, WireError> {
    let mut locks = Locks::default();
    for text in texts {
        let (group, units) =
            Locks::parse(&text).map_err(|problem| WireError::value("locks", problem))?;
        locks.insert_units(group, units);
    }
    Ok(locks)
}

pub(super) fn tasks_to_wire(tasks: &[Task]) -> Vec<TaskWire> {
    tasks.iter().map(Into::into).collect()
}

pub(super) fn tasks_from_wire(tasks: Vec<TaskWire>) -> Result<Vec<Task>, WireError> {
    let read = |(at, task): (usize, TaskWire)| {
        Task::try_from(task).map_err(|error| error.within(&format!("tasks[{at}]")))
    };
    tasks.into_iter().enumerate().map(read).collect()
}

/// Problems of the tasks were marked in them when the plan was built first; the same tasks give the same plan.
pub(super) fn plan_from_wire(tasks: Vec<TaskWire>) -> Result<Plan, WireError> {
    Ok(Plan::build_tolerant(tasks_from_wire(tasks)?).0)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PolicyWire {
    concurrency: u16,
    rank: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    picks: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    capacity: BTreeMap<String, u32>,
    lock_patience: u32,
    unlabelled: UnlabelledWire,
    retries: u32,
    start_retries: u32,
    start_pause_ms: u64,
    silence_limit_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_limit_ms: Option<u64>,
    /// Limits that journals of before do not have; the usual ones hold for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preparation_limit_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recording_limit_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof_limit_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quick_limit_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    soft_limit_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_false")]
    refresh: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    trust_outside: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    land: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    allow_no_validation: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UnlabelledWire {
    Free,
    Alone,
}

impl From<&Policy> for PolicyWire {
    fn from(policy: &Policy) -> Self {
        PolicyWire {
            concurrency: policy.concurrency,
            rank: policy.rank.as_str().to_owned(),
            picks: texts_of(&policy.picks),
            capacity: policy
                .capacity
                .iter()
                .map(|(group, units)| (group.to_string(), *units))
                .collect(),
            lock_patience: policy.lock_patience,
            unlabelled: match policy.unlabelled {
                Unlabelled::Free => UnlabelledWire::Free,
                Unlabelled::Alone => UnlabelledWire::Alone,
            },
            retries: policy.retries,
            start_retries: policy.start_retries,
            start_pause_ms: policy.start_pause.0,
            silence_limit_ms: policy.silence_limit.0,
            start_limit_ms: policy.start_limit.map(|limit| limit.0),
            preparation_limit_ms: Some(policy.preparation_limit.0),
            recording_limit_ms: Some(policy.recording_limit.0),
            proof_limit_ms: Some(policy.proof_limit.0),
            quick_limit_ms: Some(policy.quick_limit.0),
            trust_outside: policy.trust_outside,
            land: policy.land.clone(),
            soft_limit_ms: policy.soft_limit.map(|limit| limit.0),
            refresh: policy.refresh,
            allow_no_validation: policy.allow_no_validation,
        }
    }
}

impl TryFrom<PolicyWire> for Policy {
    type Error = WireError;
    fn try_from(wire: PolicyWire) -> Result<Self, WireError> {
        let rank = Rank::from_word(&wire.rank)
            .ok_or_else(|| WireError::value("rank", format!("unknown rank `{}`", wire.rank)))?;
        let usual = Policy::with_concurrency(wire.concurrency);
        let limit = |stored: Option<u64>, usual: Span| stored.map_or(usual, Span);
        Ok(Policy {
            start_limit: wire.start_limit_ms.map(Span),
            preparation_limit: limit(wire.preparation_limit_ms, usual.preparation_limit),
            recording_limit: limit(wire.recording_limit_ms, usual.recording_limit),
            proof_limit: limit(wire.proof_limit_ms, usual.proof_limit),
            quick_limit: limit(wire.quick_limit_ms, usual.quick_limit),
            trust_outside: wire.trust_outside,
            land: wire.land,
            concurrency: wire.concurrency,
            rank,
            picks: task_ids(wire.picks, "picks")?,
            capacity: wire
                .capacity
                .into_iter()
                .map(|(name, units)| Ok((lock_group(name, "capacity")?, units)))
                .collect::<Result<_, WireError>>()?,
            lock_patience: wire.lock_patience,
            unlabelled: match wire.unlabelled {
                UnlabelledWire::Free => Unlabelled::Free,
                UnlabelledWire::Alone => Unlabelled::Alone,
            },
            retries: wire.retries,
            start_retries: wire.start_retries,
            start_pause: Span(wire.start_pause_ms),
            silence_limit: Span(wire.silence_limit_ms),
            soft_limit: wire.soft_limit_ms.map(Span),
            refresh: wire.refresh,
            allow_no_validation: wire.allow_no_validation,
        })
    }
}

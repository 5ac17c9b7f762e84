//! Ids and small values in their stored form.

use mesh_core::decision::NeedCommit;
use mesh_core::evidence::{Failure, FailureClass};
use mesh_core::id::{AttemptId, LockGroup, TaskId};
use mesh_core::task::Commit;
use serde::{Deserialize, Serialize};

use super::WireError;

pub(crate) fn task_id(text: String, field: &str) -> Result<TaskId, WireError> {
    TaskId::new(text).map_err(|problem| WireError::value(field, problem))
}

pub(super) fn task_ids(texts: Vec<String>, field: &str) -> Result<Vec<TaskId>, WireError> {
    texts.into_iter().map(|text| task_id(text, field)).collect()
}

pub(super) fn texts_of(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

pub(super) fn lock_group(text: String, field: &str) -> Result<LockGroup, WireError> {
    LockGroup::new(text).map_err(|problem| WireError::value(field, problem))
}

pub(super) fn commits(texts: Vec<String>) -> Vec<Commit> {
    texts.into_iter().map(Commit).collect()
}

pub(super) fn texts_of_commits(commits: &[Commit]) -> Vec<String> {
    commits.iter().map(|commit| commit.0.clone()).collect()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AttemptWire {
    task: String,
    number: u32,
}

impl From<&AttemptId> for AttemptWire {
    fn from(id: &AttemptId) -> Self {
        AttemptWire {
            task: id.task.to_string(),
            number: id.number,
        }
    }
}

impl TryFrom<AttemptWire> for AttemptId {
    type Error = WireError;
    fn try_from(wire: AttemptWire) -> Result<Self, WireError> {
        Ok(AttemptId {
            task: task_id(wire.task, "attempt.task")?,
            number: wire.number,
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FailureWire {
    class: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl From<&Failure> for FailureWire {
    fn from(failure: &Failure) -> Self {
        FailureWire {
            class: failure.class.as_str().to_owned(),
            detail: failure.detail.clone(),
        }
    }
}

impl TryFrom<FailureWire> for Failure {
    type Error = WireError;
    fn try_from(wire: FailureWire) -> Result<Self, WireError> {
        let class = FailureClass::from_word(&wire.class).ok_or_else(|| {
            WireError::value(
                "failure.class",
                format!("unknown failure class `{}`", wire.class),
            )
        })?;
        Ok(Failure {
            class,
            detail: wire.detail,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NeedWire {
    task: String,
    commit: String,
}

impl From<&NeedCommit> for NeedWire {
    fn from(need: &NeedCommit) -> Self {
        NeedWire {
            task: need.task.to_string(),
            commit: need.commit.0.clone(),
        }
    }
}

impl TryFrom<NeedWire> for NeedCommit {
    type Error = WireError;
    fn try_from(wire: NeedWire) -> Result<Self, WireError> {
        Ok(NeedCommit {
            task: task_id(wire.task, "task")?,
            commit: Commit(wire.commit),
        })
    }
}

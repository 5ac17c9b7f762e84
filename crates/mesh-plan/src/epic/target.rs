//! Which epic a person means by the words they gave.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{Issue, IssueKind, IssueStatus};
use thiserror::Error;

use super::hierarchy::Hierarchy;
use crate::nearest;

/// What is to be worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A whole epic.
    Epic(TaskId),
    /// Some beads of an epic, and all they need.
    Members {
        /// The innermost epic that holds them all.
        epic: TaskId,
        /// The beads, as they were given.
        ids: Vec<TaskId>,
    },
    /// A bead without epic; it is wrapped into one before the run (never for a mere look at the plan).
    Wrap {
        /// The bead.
        bead: TaskId,
    },
}

impl Target {
    /// The epic, or the bead that has none.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        match self {
            Target::Epic(id) | Target::Members { epic: id, .. } | Target::Wrap { bead: id } => id,
        }
    }
}

/// Why the words name no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetProblem {
    /// No words, and nobody is at anything.
    #[error("no bead is in progress; give an epic or bead ids")]
    NothingInProgress,
    /// No words, and more than one bead is in progress.
    #[error("several beads are in progress ({}); give the epic or bead that is meant", list(.0))]
    SeveralInProgress(Vec<TaskId>),
    /// Words that are no ids of the tracker.
    #[error("{}", unknown(.0))]
    Unknown(Vec<(String, Option<String>)>),
    /// Beads that no epic holds together.
    #[error("{} have no epic in common; give one epic, or put them under one", list(.0))]
    NoCommonEpic(Vec<TaskId>),
    /// Beads that several epics hold together, neither inside the other.
    #[error("{} belong to several epics ({}); give the one that is meant", list(.ids), list(.epics))]
    SeveralEpics {
        /// The beads.
        ids: Vec<TaskId>,
        /// The epics.
        epics: Vec<TaskId>,
    },
    /// The tracker's own bookkeeping was named.
    #[error("{id} is a {kind}, which is not worked; give an epic or beads")]
    NotWork {
        /// The id.
        id: TaskId,
        /// The tracker's word for its kind.
        kind: String,
    },
}

fn list(ids: &[TaskId]) -> String {
    ids.iter()
        .map(TaskId::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn unknown(words: &[(String, Option<String>)]) -> String {
    let each = words.iter().map(|(word, near)| match near {
        Some(near) => format!("{word} (did you mean {near}?)"),
        None => word.clone(),
    });
    format!(
        "the tracker has no issue {}",
        each.collect::<Vec<_>>().join(", ")
    )
}

/// Finds the target. No words: the bead in progress, that is its epic. One epic: it. Beads: their innermost common epic,
/// restricted to them. One bead without epic: to be wrapped.
///
/// # Errors
/// When the words name nothing, or not one thing.
pub fn resolve_target(
    words: &[String],
    issues: &BTreeMap<TaskId, Issue>,
) -> Result<Target, TargetProblem> {
    let hierarchy = Hierarchy::new(issues);
    if words.is_empty() {
        return in_progress(issues, &hierarchy);
    }
    let ids = known_ids(words, issues)?;
    for id in &ids {
        if let Some(IssueKind::Bookkeeping(kind)) = issues.get(id).map(|issue| &issue.kind) {
            return Err(TargetProblem::NotWork {
                id: id.clone(),
                kind: kind.clone(),
            });
        }
    }
    match ids.as_slice() {
        [only] if hierarchy.is_epic(only) => Ok(Target::Epic(only.clone())),
        _ => match common_epic(&ids, &hierarchy)? {
            Some(epic) => Ok(Target::Members { epic, ids }),
            None => match <[TaskId; 1]>::try_from(ids) {
                Ok([bead]) => Ok(Target::Wrap { bead }),
                Err(ids) => Err(TargetProblem::NoCommonEpic(ids)),
            },
        },
    }
}

fn in_progress(
    issues: &BTreeMap<TaskId, Issue>,
    hierarchy: &Hierarchy<'_>,
) -> Result<Target, TargetProblem> {
    let begun: Vec<TaskId> = issues
        .values()
        .filter(|issue| {
            issue.status == IssueStatus::InProgress && matches!(issue.kind, IssueKind::Work(_))
        })
        .map(|issue| issue.id.clone())
        .collect();
    match begun.as_slice() {
        [] => Err(TargetProblem::NothingInProgress),
        [bead] => match common_epic(&begun, hierarchy)? {
            Some(epic) => Ok(Target::Epic(epic)),
            None => Ok(Target::Wrap { bead: bead.clone() }),
        },
        _ => Err(TargetProblem::SeveralInProgress(begun)),
    }
}

fn known_ids(
    words: &[String],
    issues: &BTreeMap<TaskId, Issue>,
) -> Result<Vec<TaskId>, TargetProblem> {
    let mut ids: Vec<TaskId> = Vec::new();
    let mut strangers = Vec::new();
    for word in words {
        match TaskId::new(word.trim()) {
            Ok(id) if issues.contains_key(&id) => {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            Ok(_) | Err(_) => {
                let near = nearest::nearest(word, issues.keys().map(TaskId::as_str));
                strangers.push((word.clone(), near.map(str::to_owned)));
            }
        }
    }
    if strangers.is_empty() {
        Ok(ids)
    } else {
        Err(TargetProblem::Unknown(strangers))
    }
}

/// The innermost epic above all of `ids`. An epic that was only made to wrap a bead gives way to any other.
fn common_epic(ids: &[TaskId], hierarchy: &Hierarchy<'_>) -> Result<Option<TaskId>, TargetProblem> {
    let mut above = ids.iter().map(|id| hierarchy.epics_above(id));
    let mut common: BTreeSet<&TaskId> = above.next().unwrap_or_default();
    for epics in above {
        common.retain(|epic| epics.contains(epic));
    }
    if common.iter().any(|epic| !hierarchy.is_wrapper(epic)) {
        common.retain(|epic| !hierarchy.is_wrapper(epic));
    }
    match hierarchy.innermost(&common).as_slice() {
        [] => Ok(None),
        [epic] => Ok(Some((*epic).clone())),
        several => Err(TargetProblem::SeveralEpics {
            ids: ids.to_vec(),
            epics: several.iter().map(|epic| (*epic).clone()).collect(),
        }),
    }
}

#[cfg(test)]
#[path = "target_test.rs"]
mod tests;

//! The difference between two listings of one source, as the core takes it. Pure.

use std::collections::BTreeMap;

use mesh_core::id::TaskId;
use mesh_core::task::{Eligibility, Task};

use crate::details::TaskDetails;
use crate::source_snapshot::SourceSnapshot;

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingDiff {
    /// Tasks that were not there before.
    pub added: Vec<(Task, TaskDetails)>,
    /// Tasks that the scheduler must see again: needs, blockers outside, locks, priority, estimate, eligibility.
    pub changed: Vec<(Task, TaskDetails)>,
    /// Tasks that are gone: deleted, or moved out of the epic.
    pub removed: Vec<TaskId>,
    /// Tasks that a person laid hands on, with what they did as a fragment: `its title was changed`. A task may be here and in
    /// `changed` too.
    pub taken: Vec<(TaskId, String)>,
    /// Tasks that somebody else closed or completed, with how that shows as a fragment: `its status became closed`. They are in
    /// `changed` too.
    pub closed: Vec<(TaskId, String)>,
}

impl ListingDiff {
    /// Nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && self.taken.is_empty()
            && self.closed.is_empty()
    }
}

/// Compares two listings. `wrote` says whether a task's status and assignee, as the new details show them, are what mesh itself
/// wrote; then they are no sign of a person, and the eligibility that follows from them is not reported either.
#[must_use]
pub fn changes(
    before: &SourceSnapshot,
    after: &SourceSnapshot,
    wrote: &dyn Fn(&TaskDetails) -> bool,
) -> ListingDiff {
    let old: BTreeMap<&TaskId, &Task> = before.tasks.iter().map(|task| (&task.id, task)).collect();
    let mut diff = ListingDiff::default();
    for task in &after.tasks {
        let Some(details) = after.details.get(&task.id) else {
            continue;
        };
        let (Some(was), Some(was_sheet)) = (old.get(&task.id), before.details.get(&task.id)) else {
            diff.added.push((task.clone(), details.clone()));
            continue;
        };
        let stood =
            (&was_sheet.status, &was_sheet.assignee) != (&details.status, &details.assignee);
        let ours = stood && wrote(details);
        if must_see_again(was, task, ours) {
            diff.changed.push((task.clone(), details.clone()));
        }
        let closed = details.member
            && !ours
            && was.eligibility != task.eligibility
            && is_done_without_result(task);
        if closed {
            diff.closed.push((task.id.clone(), closing(details)));
        }
        // Who closes a task may be named its assignee by that; the closing is what counts.
        if details.member
            && let Some(reason) = taken(was_sheet, details, ours || closed)
        {
            diff.taken.push((task.id.clone(), reason));
        }
    }
    let gone = |task: &&Task| !after.details.contains_key(&task.id);
    diff.removed = before
        .tasks
        .iter()
        .filter(gone)
        .map(|task| task.id.clone())
        .collect();
    diff
}

/// Done, and mesh has no result of it.
fn is_done_without_result(task: &Task) -> bool {
    task.eligibility == Eligibility::Satisfied { commit: None }
}

/// Trackers do not say who closed a task; who had it is the nearest that they name.
fn closing(details: &TaskDetails) -> String {
    match &details.assignee {
        Some(name) => format!("its status became {} while {name} had it", details.status),
        None => format!("its status became {}", details.status),
    }
}

fn must_see_again(was: &Task, is: &Task, ours: bool) -> bool {
    was.needs != is.needs
        || was.outside != is.outside
        || was.locks != is.locks
        || was.priority != is.priority
        || was.estimate_minutes != is.estimate_minutes
        || was.checkpoint != is.checkpoint
        || was.agents != is.agents
        || (!ours && was.eligibility != is.eligibility)
}

fn taken(was: &TaskDetails, is: &TaskDetails, ours: bool) -> Option<String> {
    let texts = [
        ("title", &was.title, &is.title),
        ("description", &was.description, &is.description),
        ("acceptance criteria", &was.acceptance, &is.acceptance),
        ("design", &was.design, &is.design),
    ];
    let mut done: Vec<String> = texts
        .into_iter()
        .filter(|(_, was, is)| was != is)
        .map(|(what, ..)| format!("its {what} was changed"))
        .collect();
    if !ours && was.status != is.status {
        done.push(format!(
            "its status was changed from {} to {}",
            was.status, is.status
        ));
    }
    if !ours && was.assignee != is.assignee {
        done.push(match &is.assignee {
            Some(name) => format!("it was given to {name}"),
            None => "its assignee was taken off".to_owned(),
        });
    }
    if was.parents != is.parents {
        done.push("its parent was changed".to_owned());
    }
    (!done.is_empty()).then(|| done.join(", "))
}

#[cfg(test)]
#[path = "diff_test.rs"]
mod tests;

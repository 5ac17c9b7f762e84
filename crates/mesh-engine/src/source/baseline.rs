//! The listing a run last saw, and the difference to a new one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mesh_core::event::PlanChange;
use mesh_core::id::TaskId;
use mesh_plan::details::TaskDetails;
use mesh_plan::diff::changes;
use mesh_plan::source_snapshot::SourceSnapshot;

use crate::context::lock;

/// Takes the new listing for the old one and says what is different. `known` gets the texts of what is new or changed.
pub(crate) fn advance(
    known: &Mutex<BTreeMap<TaskId, TaskDetails>>,
    baseline: &mut SourceSnapshot,
    after: SourceSnapshot,
    wrote: &dyn Fn(&TaskDetails) -> bool,
) -> PlanChange {
    let diff = changes(baseline, &after, wrote);
    let mut known = lock(known);
    let mut tasks = Vec::with_capacity(diff.added.len() + diff.changed.len());
    for (task, details) in diff.added.into_iter().chain(diff.changed) {
        known.insert(details.id.clone(), details);
        tasks.push(task);
    }
    *baseline = after;
    PlanChange {
        tasks,
        removed: diff.removed,
        taken: diff.taken,
        closed: diff.closed,
    }
}

/// A listing that can be compared. One with errors (the epic is gone, the file is half written) would make every task look
/// removed, so the run goes on with what it knows.
pub(crate) fn validate(loaded: SourceSnapshot) -> Result<SourceSnapshot, String> {
    match loaded
        .diagnostics
        .iter()
        .find(|diagnostic| diagnostic.is_error())
    {
        Some(problem) => Err(problem.in_input(&loaded.source.id)),
        None => Ok(loaded),
    }
}

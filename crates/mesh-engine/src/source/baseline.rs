//! The listing a run last saw, and the difference to a new one.

use mesh_core::event::PlanChange;
use mesh_plan::diff::changes;
use mesh_plan::loaded::Loaded;
use mesh_plan::sheet::Sheet;

use crate::host::{Host, lock};

/// Takes the new listing for the old one and says what is different, texts included.
pub(crate) fn advance(
    host: &Host,
    baseline: &mut Loaded,
    after: Loaded,
    wrote: &dyn Fn(&Sheet) -> bool,
) -> PlanChange {
    let diff = changes(baseline, &after, wrote);
    let mut sheets = lock(&host.sheets);
    let mut tasks = Vec::with_capacity(diff.added.len() + diff.changed.len());
    for (task, sheet) in diff.added.into_iter().chain(diff.changed) {
        sheets.insert(sheet.id.clone(), sheet);
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
pub(crate) fn sound(loaded: Loaded) -> Result<Loaded, String> {
    match loaded
        .diagnostics
        .iter()
        .find(|diagnostic| diagnostic.is_error())
    {
        Some(problem) => Err(problem.in_input(&loaded.source.id)),
        None => Ok(loaded),
    }
}

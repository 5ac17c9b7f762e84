//! Opening the source of a run, and reading it anew for a run that is taken up.

use std::collections::BTreeSet;
use std::sync::Arc;

use mesh_bd::Queue;
use mesh_bd::view::{self, Views};
use mesh_core::event::PlanChange;
use mesh_core::id::TaskId;
use mesh_core::state::{Phase, State};
use mesh_journal::RunId;
use mesh_journal::call_log::CallLog;
use mesh_journal::layout::MeshDir;
use mesh_journal::results;
use mesh_plan::diagnostic;
use mesh_plan::diff::changes;
use mesh_plan::epic::Target;
use mesh_plan::file::{self, Progress};
use mesh_plan::source_snapshot::SourceSnapshot;
use mesh_proc::env::Env;
use mesh_vcs::Backend;

use super::OpenTracker;
use super::calls::logged;
use crate::error::EngineError;
use crate::prior_results;
use crate::setup::{BdSetup, RunSetup, SourceSetup, TrackerView};
use crate::source::Source;
use crate::source::bd::claimant::is_ours;
use crate::source::bd::{BdSource, SourceContext};
use crate::source::file::FileSource;

pub(super) fn open_source(
    context: SourceContext,
    loaded: SourceSnapshot,
    tracker: Option<OpenTracker>,
    log: &Arc<CallLog>,
) -> Result<(Arc<dyn Source>, Option<serde_json::Value>), EngineError> {
    match (&context.setup.source, tracker) {
        (SourceSetup::File(file), _) => {
            let source = FileSource::new(file.clone(), loaded, context.run, context.details);
            Ok((Arc::new(source), None))
        }
        (SourceSetup::Bd(_), Some(opened)) => {
            let OpenTracker {
                mut tracker,
                target,
                listing,
            } = opened;
            let about = tracker.about().clone();
            let facts = serde_json::json!({
                "dialect": about.dialect.to_string(),
                "version": about.version,
            });
            *tracker.runner() = logged(log);
            let queue = Arc::new(Queue::start(tracker)?);
            let views = match context.setup.view {
                TrackerView::Live => None,
                TrackerView::Copy { limit_bytes } => {
                    let options =
                        view::Options::new(about.beads_dir, context.run_dir.view(), limit_bytes);
                    let take = view::on_turns_of(Arc::clone(&queue));
                    Some(Views::start(options, take).map_err(EngineError::folder)?)
                }
            };
            let source = BdSource::new(queue, target, &listing, loaded, views, context);
            Ok((source, Some(facts)))
        }
        (SourceSetup::Bd(bd), None) => Err(EngineError::NoTracker {
            epic: bd.epic.clone(),
        }),
    }
}

fn task_ids(ids: &[String]) -> Vec<TaskId> {
    ids.iter()
        .filter_map(|id| TaskId::new(id.clone()).ok())
        .collect()
}

/// Reads the source as it is now, for a run that is taken up.
pub(super) fn read_source(
    setup: &RunSetup,
    run: &RunId,
    ours: &Env,
    mesh_dir: &MeshDir,
    vcs: &Backend,
) -> Result<(SourceSnapshot, Option<OpenTracker>), EngineError> {
    let (mut loaded, tracker) = match &setup.source {
        SourceSetup::File(file) => {
            let loaded = file.load().map_err(|problems| EngineError::Source {
                problem: diagnostic::in_one_line(&problems, &file.name()),
            })?;
            (loaded, None)
        }
        SourceSetup::Bd(BdSetup {
            epic,
            ids,
            beads_dir,
            allow_untested,
            ..
        }) => {
            let program = setup
                .programs
                .bd
                .clone()
                .ok_or(EngineError::NoTracker { epic: epic.clone() })?;
            let mut open = mesh_bd::Setup::new(program, setup.repository.clone(), ours.clone());
            open.beads_dir = Some(beads_dir.clone());
            open.run = Some(run.to_string());
            open.allow_untested = *allow_untested;
            open.limits = setup.tracker_limits.of_calls();
            let tracker = mesh_bd::open(&open)?;
            let epic = TaskId::new(epic.clone()).map_err(|problem| EngineError::Source {
                problem: problem.to_string(),
            })?;
            let target = match task_ids(ids) {
                ids if ids.is_empty() => Target::Epic(epic),
                ids => Target::Members { epic, ids },
            };
            let listing = tracker.listing()?;
            let loaded = mesh_plan::epic::load(&target, &listing.issues, &is_ours(mesh_dir, run));
            {
                let opened = OpenTracker {
                    tracker,
                    target,
                    listing: Arc::new(listing),
                };
                (loaded, Some(opened))
            }
        }
    };
    let known = results::read(&mesh_dir.results())?;
    // What is lost is said when a task needs it; a run that goes on is not refused for it.
    prior_results::apply_results(
        &mut loaded,
        &known,
        &prior_results::source_key(&setup.source),
        vcs,
        true,
    )?;
    Ok((loaded, tracker))
}

/// What is different between the plan of the journal and the source as it is now. `marked` are the items whose last word is of an
/// attempt of this run.
pub(super) fn difference(
    state: &State,
    loaded: &SourceSnapshot,
    marked: &BTreeSet<TaskId>,
) -> PlanChange {
    // Texts of the time before are not kept, so only what the scheduler sees is compared.
    let before = SourceSnapshot {
        tasks: state.plan().tasks().to_vec(),
        ..loaded.clone()
    };
    // A plan file says `blocked` of a task that failed or asks because mesh wrote so; whoever asks for a retry means it all the same,
    // and a pause may have excused the failure.
    let format = file::format(loaded.source.kind);
    let failed = format.map(|format| format.status(Progress::Failed));
    let mut after = loaded.clone();
    for task in &mut after.tasks {
        let Some(at) = state.plan().find(&task.id) else {
            continue;
        };
        let details = loaded.details.get(&task.id);
        let status = details.map(|details| details.status.as_str());
        if failed.is_some()
            && status == failed
            && (marked.contains(&task.id)
                || matches!(
                    state.task(at).phase,
                    Phase::Failed { .. } | Phase::Question { .. }
                ))
        {
            task.eligibility = state.plan().task(at).eligibility.clone();
        }
    }
    let diff = changes(&before, &after, &|_| false);
    let tasks = diff
        .added
        .into_iter()
        .chain(diff.changed)
        .map(|(task, _)| task)
        .collect();
    PlanChange {
        tasks,
        removed: diff.removed,
        taken: diff.taken,
        closed: diff.closed,
    }
}

//! Task lists in documents: which one is meant, what is wrong with it, and what a run's end prints of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use mesh_core::state::{Phase, State};
use mesh_core::text::shortened;
use mesh_engine::{ListSelection, RunSetup, SourceSetup};
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::list::TaskList;
use mesh_plan::source_snapshot::SourceSnapshot;

use crate::error::{CommandError, Kind};
use crate::scope::ScopeArgs;

/// Reads the list of the document `path` that is meant.
///
/// # Errors
/// There is none, or it is not clear which; with what is to be said.
pub(crate) fn read(
    args: &ScopeArgs,
    path: PathBuf,
    ids: &[TaskId],
) -> Result<(SourceSnapshot, SourceSetup), CommandError> {
    let mut selection = ListSelection {
        path,
        ids: ids.to_vec(),
        pick: None,
    };
    let mut loaded = selection.load();
    // A number is that of a list only where it is no task.
    let is_task =
        |list: &TaskList, word: &String| list.snapshot.details.keys().any(|id| id.as_str() == word);
    if let [only] = args.pick.as_slice()
        && !loaded.as_ref().is_ok_and(|list| is_task(list, only))
        && let Ok(number) = only.parse()
    {
        selection.pick = Some(number);
        loaded = selection.load();
    }
    let list = loaded.map_err(|problems| {
        let name = selection.path.display().to_string();
        let mut error = CommandError::new(
            Kind::PlanInvalid,
            format!("there is no task list in {name} that could be run"),
        );
        error.hints = shown(problems.iter(), &name, Some(&selection.path));
        error
    })?;
    let source = SourceSetup::List {
        path: selection.path,
        ids: args.ids.clone(),
        pick: selection.pick,
        write: args.write,
    };
    Ok((list.snapshot, source))
}

/// Whether `--pick` is the number of a list.
pub(crate) fn is_picked(args: &ScopeArgs, source: &SourceSetup) -> bool {
    matches!(source, SourceSetup::List { pick: Some(_), .. }) && args.pick.len() == 1
}

/// Each problem, and under it the line of `file` that it is about.
pub(crate) fn shown<'a>(
    problems: impl IntoIterator<Item = &'a Diagnostic>,
    name: &str,
    file: Option<&Path>,
) -> Vec<String> {
    let text = file.and_then(|file| fs_err::read(file).ok());
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = Vec::new();
    for problem in problems {
        shown.push(problem.in_input(name));
        let number = problem.line.and_then(|line| usize::try_from(line).ok());
        let line = number.and_then(|number| lines.get(number.checked_sub(1)?));
        if let (Some(number), Some(line)) = (number, line) {
            shown.push(format!("{number:>6} | {}", shortened(line, 100)));
        }
    }
    shown
}

/// The list, when it is not written by the run itself and something in it has changed.
pub(crate) fn updated(setup: &RunSetup, state: &State) -> Option<String> {
    let SourceSetup::List {
        path,
        pick,
        write: false,
        ..
    } = &setup.source
    else {
        return None;
    };
    let selection = ListSelection {
        path: path.clone(),
        ids: Vec::new(),
        pick: *pick,
    };
    let list = selection.load().ok()?;
    let text = fs_err::read_to_string(path).ok()?;
    let statuses: BTreeMap<TaskId, &str> = state
        .plan()
        .all()
        .filter_map(|at| {
            let status = match state.task(at).phase {
                Phase::Verified { .. } => "done",
                Phase::Failed { .. } | Phase::Question { .. } => "blocked",
                _ => return None,
            };
            Some((state.plan().task(at).id.clone(), status))
        })
        .collect();
    let updated = list.with_statuses(&text, &statuses);
    (!statuses.is_empty()).then(|| format!("Updated task list\n\n{}", updated.trim_end()))
}

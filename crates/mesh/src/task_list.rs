//! Task lists in documents: which one is meant, what is wrong with it, and what a run's end prints of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use mesh_core::text::shortened;
use mesh_engine::{FileSetup, RunSetup, SourceSetup};
use mesh_journal::summary::Summary;
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::file::{FileFormat, Selection};
use mesh_plan::list;
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};

use crate::error::{CommandError, Kind};
use crate::scope::ScopeArgs;

/// Reads the tasks of the plan file `path` that are meant.
///
/// # Errors
/// There are none, or it is not clear which; with what is to be said.
pub(crate) fn read(
    args: &ScopeArgs,
    format: &'static dyn FileFormat,
    path: PathBuf,
    folder: &Path,
) -> Result<(SourceSnapshot, FileSetup), CommandError> {
    let mut file = FileSetup {
        format,
        path,
        selection: Selection {
            ids: args.ids.clone(),
            write: args.write,
            ..Selection::default()
        },
    };
    args.csv.select(&mut file, folder)?;
    let mut loaded = file.load();
    // A number is that of a list only where it is no task.
    let is_task = |loaded: &SourceSnapshot, word: &String| {
        loaded.details.keys().any(|id| id.as_str() == word)
    };
    if let [only] = args.pick.as_slice()
        && format.kind() == SourceKind::List
        && !loaded.as_ref().is_ok_and(|loaded| is_task(loaded, only))
        && let Ok(number) = only.parse()
    {
        file.selection.pick = Some(number);
        loaded = file.load();
    }
    let loaded = loaded.map_err(|problems| {
        let name = file.name();
        let mut error = CommandError::new(
            Kind::PlanInvalid,
            format!("there are no tasks in {name} that could be run"),
        );
        error.hints = shown(problems.iter(), &name, Some(&file.path));
        error
    })?;
    Ok((loaded, file))
}

/// Whether `--pick` is the number of a list.
pub(crate) fn is_picked(source: &SourceSetup) -> bool {
    matches!(source, SourceSetup::File(file) if file.selection.pick.is_some())
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
pub(crate) fn updated(setup: &RunSetup, summary: &Summary) -> Option<String> {
    let SourceSetup::File(file) = &setup.source else {
        return None;
    };
    if file.format.kind() != SourceKind::List || file.selection.write {
        return None;
    }
    // The whole list, also where only some of its tasks were meant.
    let selection = Selection {
        ids: Vec::new(),
        ..file.selection.clone()
    };
    let text = fs_err::read_to_string(&file.path).ok()?;
    let list = list::open(&file.name(), text.as_bytes(), &selection).ok()?;
    let statuses: BTreeMap<TaskId, &str> = summary
        .tasks
        .iter()
        .filter_map(|task| {
            let status = match task.state {
                "verified" | "landed" => "done",
                "failed" | "question" => "blocked",
                _ => return None,
            };
            Some((TaskId::new(task.id.clone()).ok()?, status))
        })
        .collect();
    let updated = list.with_statuses(&text, &statuses);
    (!statuses.is_empty()).then(|| format!("Updated task list\n\n{}", updated.trim_end()))
}

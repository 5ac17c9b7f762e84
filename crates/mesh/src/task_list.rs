//! Task lists in documents: which one is meant, what is wrong with it, and what a run's end prints of it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use mesh_core::text::shortened;
use mesh_engine::{FileSetup, RunSetup, SourceSetup};
use mesh_journal::RunId;
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::summary::Summary;
use mesh_plan::diagnostic::{self, Diagnostic};
use mesh_plan::file::{FileFormat, Selection};
use mesh_plan::list;
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};

use crate::error::{CommandError, Kind};
use crate::scope::ScopeArgs;

/// The source that is standard input.
pub(crate) const INPUT: &str = "-";

/// The most that is read from standard input, in bytes.
const MOST_INPUT: u64 = 16 << 20;

/// A task list that came in on standard input, in the folder of the run that needs it later. It goes again unless that run begins.
pub(crate) struct Input {
    /// The file that it is in now.
    pub path: PathBuf,
    run: RunDir,
}

impl Drop for Input {
    fn drop(&mut self) {
        if !self.run.journal().exists() {
            // What cannot be removed lies in a folder that no command shows.
            let _ = fs_err::remove_file(&self.path);
            let _ = fs_err::remove_dir(self.run.path());
        }
    }
}

/// Reads standard input and keeps it.
///
/// # Errors
/// It is to be written to, cannot be read, or is too much.
pub(crate) fn keep_input(
    args: &ScopeArgs,
    root: &Path,
    run: &RunId,
) -> Result<Input, CommandError> {
    if args.write {
        return Err(CommandError::usage("standard input cannot be written to")
            .hint("leave out --write: the updated list is printed at the end; or put the list into a file"));
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(MOST_INPUT + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| {
        CommandError::new(
            Kind::PlanInvalid,
            format!("standard input cannot be read: {error}"),
        )
    })?;
    if bytes.len() as u64 > MOST_INPUT {
        return Err(CommandError::new(
            Kind::PlanInvalid,
            "standard input has more than 16 MiB, which is no task list",
        ));
    }
    let mesh_dir = MeshDir::of(root);
    mesh_dir.create()?;
    let run = mesh_dir.run(run);
    fs_err::create_dir_all(run.path())?;
    let is_yaml = args
        .format
        .as_deref()
        .map_or_else(|| list::is_yaml(&bytes), |format| format == "yaml");
    let input = Input {
        path: run
            .path()
            .join(if is_yaml { "tasks.yaml" } else { "tasks.md" }),
        run,
    };
    fs_err::write(&input.path, bytes)?;
    Ok(input)
}

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
        error.hints.extend(draft_instead(&file));
        error
    })?;
    Ok((loaded, file))
}

/// The draft of a document that has a list, and no task list.
fn draft_instead(file: &FileSetup) -> Vec<String> {
    let text = match file.format.kind() {
        SourceKind::List => fs_err::read_to_string(&file.path).unwrap_or_default(),
        _ => return Vec::new(),
    };
    let document = list::read("", text.as_bytes(), list::Format::Markdown);
    let draft = list::draft(&text).filter(|_| document.lists.is_empty());
    let lines = |draft: String| draft.lines().map(str::to_owned).collect();
    draft.map_or_else(Vec::new, lines)
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
    let gone = |reason: &dyn std::fmt::Display| {
        Some(format!(
            "the updated task list cannot be shown, because the list is no longer what it was: {reason}"
        ))
    };
    let text = match fs_err::read_to_string(&file.path) {
        Ok(text) => text,
        Err(error) => return gone(&error),
    };
    let list = match list::open(&file.name(), text.as_bytes(), &selection) {
        Ok(list) => list,
        Err(problems) => return gone(&diagnostic::in_one_line(&problems, &file.name())),
    };
    let statuses: BTreeMap<TaskId, &str> = summary
        .tasks
        .iter()
        .filter_map(|task| {
            let status = match task.state {
                "verified" | "landed" | "satisfied" => "done",
                "failed" | "question" => "blocked",
                _ => return None,
            };
            Some((TaskId::new(task.id.clone()).ok()?, status))
        })
        .collect();
    let updated = list.with_statuses(&text, &statuses);
    (updated != text).then(|| format!("Updated task list\n\n{}", updated.trim_end()))
}

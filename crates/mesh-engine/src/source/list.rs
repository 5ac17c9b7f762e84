//! A task list in a file: read only, unless a person wants the status of each task written into it.
//!
//! Nothing keeps others from the file, so it is read again before each word that is written; only the word of a task's status is
//! replaced, and every other byte stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::PlanChange;
use mesh_core::id::TaskId;
use mesh_plan::list::{self, Choice, Format, TaskList};
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};

use super::{AttemptReport, ClaimRefusal, FinalReport, Source};
use crate::context::lock;

/// Which list of a file, and which of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSelection {
    /// The file.
    pub path: PathBuf,
    /// Only these tasks and what they need; all when empty.
    pub ids: Vec<TaskId>,
    /// The list's number where the file has several, 1 for the last.
    pub pick: Option<usize>,
}

impl ListSelection {
    /// Reads the list as it is now.
    ///
    /// # Errors
    /// The file cannot be read, or it is not clear which list is meant.
    pub fn load(&self) -> Result<TaskList, Vec<mesh_plan::diagnostic::Diagnostic>> {
        let name = self.path.display().to_string();
        let error = |text: String| vec![mesh_plan::diagnostic::Diagnostic::error(text)];
        let bytes = fs_err::read(&self.path).map_err(|problem| error(problem.to_string()))?;
        let document = list::read(&name, &bytes, format_of(&self.path));
        let choice = Choice {
            pick: self.pick,
            ids: &self.ids,
        };
        let mut chosen = list::choose(document, choice)?;
        if !self.ids.is_empty()
            && let Err(problems) = chosen.snapshot.restrict(&self.ids)
        {
            chosen.snapshot.diagnostics.extend(problems);
        }
        Ok(chosen)
    }
}

/// How a file is written, by its name.
#[must_use]
pub fn format_of(path: &Path) -> Format {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => Format::Yaml,
        _ => Format::Markdown,
    }
}

/// The status that mesh wrote last, by task.
type Statuses = BTreeMap<TaskId, &'static str>;

/// A list in use.
pub(crate) struct ListSource {
    selection: ListSelection,
    /// Whether the status of each task is written into the file.
    write: bool,
    loaded: SourceSnapshot,
    /// The status that mesh wrote last, by task. Held from reading the file to writing it: two threads that both write back what they
    /// read would lose a status.
    wrote: Mutex<Statuses>,
}

impl ListSource {
    pub fn new(selection: ListSelection, write: bool, loaded: SourceSnapshot) -> ListSource {
        ListSource {
            selection,
            write,
            loaded,
            wrote: Mutex::new(BTreeMap::new()),
        }
    }

    fn load(&self) -> Result<TaskList, String> {
        self.selection.load().map_err(|problems| {
            let first = problems.first();
            first.map_or_else(String::new, |problem| {
                problem.in_input(&self.selection.path.display().to_string())
            })
        })
    }

    /// Takes the task, if it still stands where the run last saw it.
    fn take(&self, task: &TaskId) -> Result<(), ClaimRefusal> {
        let mut wrote = lock(&self.wrote);
        let now = self.load().map_err(ClaimRefusal::Failed)?;
        let Some(details) = now.snapshot.details.get(task) else {
            let gone = format!("it is no longer in {}", self.selection.path.display());
            return Err(ClaimRefusal::Taken(gone));
        };
        let known = wrote.get(task).map(|word| (*word).to_owned());
        let listed = || Some(self.loaded.details.get(task)?.status.clone());
        match known.or_else(listed) {
            Some(known) if known != details.status => Err(ClaimRefusal::Taken(format!(
                "its status was changed from {known} to {}",
                details.status
            ))),
            _ => self
                .set(&mut wrote, task, "doing")
                .map_err(ClaimRefusal::Failed),
        }
    }

    /// Writes the status of a task, where that is wanted. What somebody else wrote meanwhile stays.
    fn set(&self, wrote: &mut Statuses, task: &TaskId, status: &'static str) -> Result<(), String> {
        if !self.write {
            return Ok(());
        }
        let path = &self.selection.path;
        let list = self.load()?;
        let place = list.statuses.iter().find(|(id, _)| id == task);
        let (Some((_, place)), Some(details)) = (place, list.snapshot.details.get(task)) else {
            return Err(format!(
                "{task} is no longer in {}: what became of it was not written there",
                path.display()
            ));
        };
        let ours = wrote.get(task).copied();
        let is_free = matches!(details.status.as_str(), "todo" | "doing");
        if !is_free && ours != Some(details.status.as_str()) {
            return Ok(());
        }
        let mut text = fs_err::read_to_string(path).map_err(|error| error.to_string())?;
        if text.get(place.clone()).is_none_or(str::is_empty) {
            return Err(format!(
                "{}: the status of {task} is not written as one word",
                path.display()
            ));
        }
        text.replace_range(place.clone(), status);
        wrote.insert(task.clone(), status);
        write_in_place(path, text.as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Source for ListSource {
    fn kind(&self) -> SourceKind {
        SourceKind::List
    }

    fn claim(&self, order: &StartOrder) -> Receiver<Result<(), ClaimRefusal>> {
        let (answer, receiver) = channel();
        // The receiver waits in the same worker; if it is gone, so is the attempt.
        let _ = answer.send(self.take(&order.attempt.task));
        receiver
    }

    fn finalize(&self, report: &AttemptReport<'_>) -> Vec<String> {
        let status = match report.outcome {
            Outcome::Verified { .. } => "done",
            Outcome::Failed(_) | Outcome::Question(_) => "blocked",
            Outcome::Retried(_) => return Vec::new(),
            Outcome::Interrupted | Outcome::Skipped(_) => "todo",
        };
        self.set(&mut lock(&self.wrote), &report.attempt.task, status)
            .err()
            .into_iter()
            .collect()
    }

    /// Never asked for: the lock groups of a list follow from all its tasks, and are fixed with the run. Claims look into the file.
    fn refresh(&self) -> Result<PlanChange, String> {
        Ok(PlanChange::default())
    }

    fn conclude(&self, summary: &FinalReport) -> Vec<String> {
        let mut wrote = lock(&self.wrote);
        let mut refused = Vec::new();
        for task in &summary.claimed {
            if wrote.get(task) == Some(&"doing") {
                refused.extend(self.set(&mut wrote, task, "todo").err());
            }
        }
        refused
    }
}

/// The file stays the one that is locked, so that nobody else takes it for a list that nobody works on.
fn write_in_place(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let file = fs_err::OpenOptions::new().write(true).open(path)?;
    std::os::unix::fs::FileExt::write_all_at(file.file(), bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_data()
}

#[cfg(test)]
#[path = "list_test.rs"]
mod tests;

//! A plan file of any format: progress is recorded in the file itself, as far as its format does that.
//!
//! Who else writes the file cannot be kept out, except where its format has a lock, so it is read again before each change; what
//! somebody else gave a task meanwhile stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::{Delivery, PlanChange};
use mesh_core::evidence::FailureClass;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::task::{Eligibility, Task};
use mesh_plan::comment::marker_of_attempt;
use mesh_plan::details::TaskDetails;
use mesh_plan::diagnostic::{self, Diagnostic};
use mesh_plan::file::{Edit, Progress, Record};
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};

use super::{AttemptReport, ClaimRefusal, FinalReport, Source, VerifiedTask, baseline};
use crate::clock::{unix_ms, utc_seconds};
use crate::context::{Details, lock};
use crate::setup::FileSetup;

/// A plan file in use.
pub(crate) struct FileSource {
    file: FileSetup,
    run: String,
    details: Details,
    baseline: Mutex<SourceSnapshot>,
    statuses: Mutex<Statuses>,
}

/// What is known of the statuses in the file. Held from reading the file to writing it: two threads that both write back what they
/// read would lose a status.
#[derive(Default)]
struct Statuses {
    /// The status that mesh wrote last, by task.
    wrote: BTreeMap<TaskId, &'static str>,
    /// What a person closed or put aside since the run began, with its status. A start may have been decided just before that was
    /// seen, and must not write over it.
    withdrawn: BTreeMap<TaskId, String>,
}

impl Source for FileSource {
    fn kind(&self) -> SourceKind {
        self.file.format.kind()
    }

    fn claim(&self, order: &StartOrder) -> Receiver<Result<(), ClaimRefusal>> {
        let (answer, receiver) = channel();
        // The receiver waits in the same worker; if it is gone, so is the attempt.
        let _ = answer.send(self.take(&order.attempt));
        receiver
    }

    fn finalize(&self, report: &AttemptReport<'_>) -> Vec<String> {
        let (progress, detail) = match report.outcome {
            Outcome::Verified { .. } => (Progress::Verified, verified_text(report)),
            Outcome::Failed(failure) => (Progress::Failed, failure.to_string()),
            Outcome::Question(text) => (Progress::Question, text.clone()),
            Outcome::Retried(_) => return Vec::new(),
            Outcome::Interrupted => (Progress::Released, "the run was stopped".to_owned()),
            Outcome::Skipped(reason) => (Progress::Released, reason.to_string()),
        };
        let detail = match report.learnings.as_slice() {
            [] => detail,
            ids => {
                // What was quoted of an output comes behind it.
                let (what, quoted) = detail.split_at(detail.find('\n').unwrap_or(detail.len()));
                format!("{what}; learned: {}{quoted}", ids.join(", "))
            }
        };
        let notes = report.strategy_notes.iter();
        let notes: String = notes.map(|note| format!("\n{note}")).collect();
        let detail = format!("{detail}{notes}");
        let marker = marker_of_attempt(&self.run, report.attempt);
        let proof = report.proof.as_ref();
        let validation = proof.map(|(command, end)| format!("`{command}` {}", end.ending));
        let said = Said {
            detail: Some(&detail),
            reason: match report.outcome {
                Outcome::Failed(failure) => Some(reason(failure.class)),
                _ => None,
            },
            validation: validation.as_deref(),
            metadata: report.metadata.as_deref(),
            marker: &marker,
        };
        self.write(&report.attempt.task, progress, said)
            .err()
            .into_iter()
            .collect()
    }

    fn refresh(&self) -> Result<PlanChange, String> {
        let mut statuses = lock(&self.statuses);
        let loaded = self
            .file
            .load()
            .map_err(|problems| one_line(&problems, &self.file))?;
        let mut after = baseline::validate(loaded)?;
        let mut listed = lock(&self.baseline);
        crate::prior_results::keep_known_results(&mut after, &listed);
        let is_open = |task: &&Task| task.eligibility == Eligibility::Open;
        let was_open = listed.tasks.iter().filter(is_open);
        let was_open: BTreeSet<TaskId> = was_open.map(|task| task.id.clone()).collect();
        let ours = |details: &TaskDetails| {
            statuses.wrote.get(&details.id).copied() == Some(details.status.as_str())
        };
        let change = baseline::advance(&self.details, &mut listed, after, &ours);
        for task in &change.tasks {
            if task.eligibility == Eligibility::Open {
                statuses.withdrawn.remove(&task.id);
            } else if was_open.contains(&task.id) {
                let status = listed.details[&task.id].status.clone();
                statuses.withdrawn.insert(task.id.clone(), status);
            }
        }
        Ok(change)
    }

    /// What was verified before the run began counts too: the file may not say so yet.
    fn write_missing(&self, verified: &[VerifiedTask]) -> Vec<(TaskId, String)> {
        let mut missing = self.known_results();
        missing.extend(verified.iter().map(|task| {
            let marker = marker_of_attempt(&self.run, &task.attempt);
            (task.attempt.task.clone(), marker, task.commit.to_string())
        }));
        missing
            .into_iter()
            .filter_map(|(task, marker, commit)| {
                let detail = format!("verified, commit {commit}");
                let said = Said {
                    detail: Some(&detail),
                    marker: &marker,
                    ..Said::default()
                };
                let error = self.write_if_open(&task, said).err()?;
                Some((task, error))
            })
            .collect()
    }

    /// A task that failed or asks keeps its status; only what is still in progress is given back.
    fn conclude(&self, summary: &FinalReport) -> Vec<String> {
        if summary.claimed.is_empty() {
            return Vec::new();
        }
        let loaded = match self.file.load() {
            Ok(loaded) => loaded,
            Err(problems) => return vec![one_line(&problems, &self.file)],
        };
        let begun = self.file.format.status(Progress::Started);
        let is_held = |task: &&TaskId| {
            let details = loaded.details.get(*task);
            details.is_some_and(|details| details.status == begun)
        };
        let held = summary.claimed.iter().filter(is_held);
        held.filter_map(|task| self.write(task, Progress::Released, Said::default()).err())
            .collect()
    }
}

/// What is said of a task beside its status.
#[derive(Default)]
struct Said<'a> {
    detail: Option<&'a str>,
    reason: Option<&'a str>,
    validation: Option<&'a str>,
    metadata: Option<&'a str>,
    marker: &'a str,
}

impl FileSource {
    pub fn new(
        file: FileSetup,
        loaded: SourceSnapshot,
        run: String,
        details: Details,
    ) -> FileSource {
        FileSource {
            file,
            run,
            details,
            baseline: Mutex::new(loaded),
            statuses: Mutex::default(),
        }
    }

    /// Takes the task, if it still stands where the run last saw it.
    fn take(&self, attempt: &AttemptId) -> Result<(), ClaimRefusal> {
        let task = &attempt.task;
        let mut statuses = lock(&self.statuses);
        if let Some(status) = statuses.withdrawn.get(task) {
            let changed = format!("its status was changed to {status}");
            return Err(ClaimRefusal::Taken(changed));
        }
        let known = statuses.wrote.get(task).map(|word| (*word).to_owned());
        let known = known.or_else(|| {
            let baseline = lock(&self.baseline);
            let details = baseline.details.get(task);
            details.map(|details| details.status.clone())
        });
        let file = self.open().map_err(ClaimRefusal::Failed)?;
        let Some(status) = file.status(task) else {
            let gone = format!("it is no longer in {}", self.file.path.display());
            return Err(ClaimRefusal::Taken(gone));
        };
        match known {
            Some(known) if known != status || self.file.format.is_given_up(status) => Err(
                ClaimRefusal::Taken(format!("its status was changed from {known} to {status}")),
            ),
            _ => self
                .record(
                    &mut statuses,
                    &file,
                    task,
                    Progress::Started,
                    true,
                    Said::default(),
                )
                .map_err(ClaimRefusal::Failed),
        }
    }

    /// Records what happened to a task. A status that somebody else gave it is not written over.
    fn write(&self, task: &TaskId, progress: Progress, said: Said<'_>) -> Result<(), String> {
        let mut statuses = lock(&self.statuses);
        let file = self.open()?;
        let Some(status) = file.status(task) else {
            return Err(format!(
                "{task} is no longer in {}: what became of it was not written there",
                self.file.path.display()
            ));
        };
        let format = self.file.format;
        // What is in progress may have been begun by a coordinator before this one, and what is released has no word of anybody.
        let is_free = [Progress::Started, Progress::Released]
            .map(|progress| format.status(progress))
            .contains(&status);
        let sets_status = is_free || statuses.wrote.get(task).copied() == Some(status);
        self.record(&mut statuses, &file, task, progress, sets_status, said)
    }

    /// Tasks that are done by a result of an earlier run, which they had as the run began.
    fn known_results(&self) -> Vec<(TaskId, String, String)> {
        if !self.file.selection.write {
            return Vec::new();
        }
        let listed = lock(&self.baseline);
        let results = listed
            .tasks
            .iter()
            .filter_map(|task| match &task.eligibility {
                Eligibility::Satisfied {
                    commit: Some(commit),
                } => Some((task.id.clone(), String::new(), commit.to_string())),
                _ => None,
            });
        results.collect()
    }

    /// Records that a task is verified where its status is one that mesh gave it, or none that anybody did.
    fn write_if_open(&self, task: &TaskId, said: Said<'_>) -> Result<(), String> {
        let done = self.file.format.status(Progress::Verified);
        if self.open()?.status(task) == Some(done) {
            return Ok(());
        }
        self.write(task, Progress::Verified, said)
    }

    fn record(
        &self,
        statuses: &mut Statuses,
        file: &Opened,
        task: &TaskId,
        progress: Progress,
        sets_status: bool,
        said: Said<'_>,
    ) -> Result<(), String> {
        let format = self.file.format;
        let stamp = utc_seconds(unix_ms());
        let record = Record {
            task,
            progress,
            sets_status,
            detail: said.detail,
            reason: said.reason,
            validation: said.validation,
            metadata: said.metadata,
            marker: said.marker,
            time: &stamp,
        };
        let in_file = |error: String| format!("{}: {error}", self.file.path.display());
        let name = self.file.name();
        let edit = format
            .record(&name, &file.bytes, &self.file.selection, &record)
            .map_err(in_file)?;
        let Some(edit) = edit else {
            return Ok(());
        };
        if sets_status {
            statuses.wrote.insert(task.clone(), format.status(progress));
        }
        apply(&self.file.path, file.bytes.len() as u64, &edit)
            .map_err(|error| in_file(error.to_string()))
    }

    fn open(&self) -> Result<Opened, String> {
        let lock = match self.file.format.has_lock_file() {
            true => Some(lock_file(&self.file.path)?),
            false => None,
        };
        let bytes = fs_err::read(&self.file.path).map_err(|error| error.to_string())?;
        let (name, selection) = (self.file.name(), &self.file.selection);
        let loaded = self.file.format.load(&name, &bytes, selection);
        Ok(Opened {
            snapshot: loaded.map_err(|problems| one_line(&problems, &self.file))?,
            bytes,
            _lock: lock,
        })
    }
}

/// The file as it is, while nobody else who keeps its lock writes it.
struct Opened {
    snapshot: SourceSnapshot,
    bytes: Vec<u8>,
    _lock: Option<File>,
}

impl Opened {
    fn status(&self, task: &TaskId) -> Option<&str> {
        let details = self.snapshot.details.get(task);
        details.map(|details| details.status.as_str())
    }
}

/// Why a task is blocked, in the word that the plans of `st` have for it.
fn reason(class: FailureClass) -> &'static str {
    match class {
        FailureClass::VerifyFailed => "validation_failed",
        FailureClass::MissingProof => "missing_validation",
        FailureClass::CouldNotStart
        | FailureClass::Setup
        | FailureClass::NoResult
        | FailureClass::Hung
        | FailureClass::Flood
        | FailureClass::Crashed
        | FailureClass::NoChange
        | FailureClass::Limit
        | FailureClass::Budget => "no_response",
        FailureClass::Scope
        | FailureClass::NotRecorded
        | FailureClass::NotRecordable
        | FailureClass::StrayCommits
        | FailureClass::Conflict
        | FailureClass::ClaimLost
        | FailureClass::Secret => "ambiguous_integration",
    }
}

fn verified_text(report: &AttemptReport<'_>) -> String {
    let commit = report
        .commit
        .as_ref()
        .map(|commit| format!(", commit {commit}"))
        .unwrap_or_default();
    let delivery = match report.delivery {
        Delivery::Kept | Delivery::Queued => String::new(),
        Delivery::Landed { commit } => format!(", landed as {commit}"),
        Delivery::NotLanded { reason } => format!(", not landed: {reason}"),
    };
    match &report.no_change_reason {
        Some(reason) => format!("verified without a change ({reason}){commit}{delivery}"),
        None => format!("verified{commit}{delivery}"),
    }
}

/// Writes into a file that a person keeps as a document what earlier runs did of it, where nothing is left to be run; the tasks of
/// which that could not be written, and why.
#[must_use]
pub fn record_known_results(file: &FileSetup, loaded: SourceSnapshot) -> Vec<(TaskId, String)> {
    FileSource::new(file.clone(), loaded, String::new(), Details::default()).write_missing(&[])
}

/// The tasks whose last word in the file is of an attempt of `run`.
pub(crate) fn marked_by(file: &FileSetup, run: &str) -> BTreeSet<TaskId> {
    fs_err::read(&file.path)
        .map(|bytes| file.format.marked_by(&bytes, run))
        .unwrap_or_default()
}

fn one_line(problems: &[Diagnostic], file: &FileSetup) -> String {
    diagnostic::in_one_line(problems, &file.name())
}

/// The lock beside the plan, waited for: its holders keep it for one line.
fn lock_file(path: &Path) -> Result<File, String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = fs_err::OpenOptions::new()
        .create(true)
        .append(true)
        .open(PathBuf::from(name));
    let file = file.map_err(|error| error.to_string())?.into_parts().0;
    file.lock()
        .map_err(|error| format!("cannot lock {}: {error}", path.display()))?;
    Ok(file)
}

/// Changes the file, of which `read` bytes were there. It stays the one that is locked, so that nobody else takes it for a file that
/// no run works on.
fn apply(path: &Path, read: u64, edit: &Edit) -> std::io::Result<()> {
    match edit {
        Edit::None => Ok(()),
        // A program that does not keep the lock may have added a line since the file was read.
        Edit::Append { sound_bytes, bytes } => {
            let mut file = fs_err::OpenOptions::new().append(true).open(path)?;
            if *sound_bytes < read && file.metadata()?.len() == read {
                file.set_len(*sound_bytes)?;
            }
            file.write_all(bytes)?;
            file.sync_data()
        }
        Edit::Replace(bytes) => {
            let file = fs_err::OpenOptions::new().write(true).open(path)?;
            std::os::unix::fs::FileExt::write_all_at(file.file(), bytes, 0)?;
            file.set_len(bytes.len() as u64)?;
            file.sync_data()
        }
    }
}

#[cfg(test)]
#[path = "file_test.rs"]
mod tests;

//! The JSONL plan: progress is appended to the file itself, under its lock.
//!
//! One writer at a time: `<file>.lock` is held while a line is added, and what another writer added meanwhile is read first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::{Delivery, PlanChange};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::task::Eligibility;
use mesh_plan::comment::marker_of_attempt;
use mesh_plan::details::TaskDetails;
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};
use mesh_plan::st::{
    self, ItemStatus, Progress, StEvent, StPlan, comment_text, event_line, progress_events,
};

use super::{AttemptReport, ClaimRefusal, FinalReport, Source, baseline};
use crate::clock::unix_ms;
use crate::context::{Details, lock};

/// Who writes, in comments.
const AUTHOR: &str = "mesh";

/// A plan file in use.
pub(crate) struct StSource {
    path: PathBuf,
    ids: Vec<TaskId>,
    run: String,
    details: Details,
    baseline: Mutex<SourceSnapshot>,
    /// The status that mesh wrote last, by task.
    wrote: Mutex<BTreeMap<TaskId, &'static str>>,
    /// What a person closed or put aside since the run began, with its status. A start may have been decided just before that was
    /// seen, and must not write over it.
    withdrawn: Mutex<BTreeMap<TaskId, String>>,
}

impl Source for StSource {
    fn kind(&self) -> SourceKind {
        SourceKind::St
    }

    fn claim(&self, order: &StartOrder) -> Receiver<Result<(), ClaimRefusal>> {
        let (answer, receiver) = channel();
        // The receiver waits in the same worker; if it is gone, so is the attempt.
        let _ = answer.send(self.take(&order.attempt));
        receiver
    }

    fn finalize(&self, report: &AttemptReport<'_>) -> Vec<String> {
        self.write_end(report).err().into_iter().collect()
    }

    fn refresh(&self) -> Result<PlanChange, String> {
        let mut after = baseline::validate(load(&self.path, &self.ids)?)?;
        crate::prior_results::keep_known_results(&mut after, &lock(&self.baseline));
        let wrote = lock(&self.wrote).clone();
        let ours = |details: &TaskDetails| {
            wrote
                .get(&details.id)
                .is_some_and(|status| *status == details.status)
        };
        let mut listed = lock(&self.baseline);
        let was_open: BTreeSet<TaskId> = listed
            .tasks
            .iter()
            .filter(|task| task.eligibility == Eligibility::Open)
            .map(|task| task.id.clone())
            .collect();
        let change = baseline::advance(&self.details, &mut listed, after, &ours);
        let mut withdrawn = lock(&self.withdrawn);
        for task in &change.tasks {
            if task.eligibility == Eligibility::Open {
                withdrawn.remove(&task.id);
            } else if was_open.contains(&task.id) {
                let status = listed.details[&task.id].status.clone();
                withdrawn.insert(task.id.clone(), status);
            }
        }
        Ok(change)
    }

    fn conclude(&self, run_summary: &FinalReport) -> Vec<String> {
        let plan = match fs_err::read(&self.path) {
            Ok(bytes) => st::read(&bytes).0,
            Err(error) => return vec![error.to_string()],
        };
        // A task that failed or asks stays `blocked` with its reason; only what is still in progress is given back.
        let held = |task: &&TaskId| {
            plan.item(task)
                .is_some_and(|item| item.status == ItemStatus::InProgress)
        };
        let release = |task: &TaskId| {
            let events = progress_events(task, Progress::Released, AUTHOR, None);
            self.append(task, events).err()
        };
        run_summary
            .claimed
            .iter()
            .filter(held)
            .filter_map(release)
            .collect()
    }
}

impl StSource {
    pub fn new(
        path: PathBuf,
        ids: Vec<TaskId>,
        loaded: SourceSnapshot,
        run: String,
        details: Details,
    ) -> StSource {
        StSource {
            path,
            ids,
            run,
            details,
            baseline: Mutex::new(loaded),
            wrote: Mutex::new(BTreeMap::new()),
            withdrawn: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes the item for us, if it still stands where the run last saw it.
    fn take(&self, attempt: &AttemptId) -> Result<(), ClaimRefusal> {
        let task = &attempt.task;
        if let Some(status) = lock(&self.withdrawn).get(task) {
            let changed = format!("its status was changed to {status}");
            return Err(ClaimRefusal::Taken(changed));
        }
        let known = lock(&self.wrote).get(task).map(|word| (*word).to_owned());
        let known = known.or_else(|| {
            let baseline = lock(&self.baseline);
            baseline
                .details
                .get(task)
                .map(|details| details.status.clone())
        });
        let file = self.lock().map_err(ClaimRefusal::Failed)?;
        let Some(item) = file.plan.item(task) else {
            let gone = format!("it is no longer in {}", self.path.display());
            return Err(ClaimRefusal::Taken(gone));
        };
        match known {
            Some(known) if known != item.status.as_str() || is_given_up(item.status) => {
                Err(ClaimRefusal::Taken(format!(
                    "its status was changed from {known} to {}",
                    item.status.as_str()
                )))
            }
            _ => {
                let events = progress_events(task, Progress::Started, AUTHOR, None);
                self.add(&file, task, &events).map_err(ClaimRefusal::Failed)
            }
        }
    }

    fn write_end(&self, report: &AttemptReport<'_>) -> Result<(), String> {
        let (progress, detail) = match report.outcome {
            Outcome::Verified { .. } => (Progress::Verified, verified_text(report)),
            Outcome::Failed(failure) => (Progress::Failed, failure.to_string()),
            Outcome::Question(text) => (Progress::Question, text.clone()),
            Outcome::Retried(_) => return Ok(()),
            Outcome::Interrupted => (Progress::Released, "the run was stopped".to_owned()),
            Outcome::Skipped(reason) => (Progress::Released, reason.to_string()),
        };
        self.note(report.attempt, progress, Some(&detail))
    }

    fn note(
        &self,
        attempt: &AttemptId,
        progress: Progress,
        detail: Option<&str>,
    ) -> Result<(), String> {
        let marker = marker_of_attempt(&self.run, attempt);
        let comment = detail.map(|detail| comment_text(progress, detail, &marker));
        let events = progress_events(&attempt.task, progress, AUTHOR, comment.as_deref());
        self.append(&attempt.task, events)
    }

    /// Adds the events. A status that somebody else gave the item is not written over.
    fn append(&self, task: &TaskId, mut events: Vec<StEvent>) -> Result<(), String> {
        let file = self.lock()?;
        let Some(item) = file.plan.item(task) else {
            return Err(format!(
                "{task} is no longer in {}: what became of it was not written there",
                self.path.display()
            ));
        };
        let wrote = lock(&self.wrote).get(task).copied();
        // What is in progress may have been begun by a coordinator before this one, and what is pending has no word of anybody.
        let is_free = matches!(item.status, ItemStatus::InProgress | ItemStatus::Pending);
        if !is_free && wrote != Some(item.status.as_str()) {
            events.retain(|event| !matches!(event, StEvent::SetStatus { .. }));
        }
        self.add(&file, task, &events)
    }

    fn lock(&self) -> Result<Locked, String> {
        let lock = lock_file(&self.path)?;
        let bytes = fs_err::read(&self.path).map_err(|error| error.to_string())?;
        Ok(Locked {
            plan: st::read(&bytes).0,
            bytes: bytes.len() as u64,
            _lock: lock,
        })
    }

    /// Adds the events that the file does not show yet: a coordinator that died may have added them already.
    fn add(&self, file: &Locked, task: &TaskId, events: &[StEvent]) -> Result<(), String> {
        let plan = &file.plan;
        let stamp = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms()).unwrap_or(i64::MAX))
            .map_or_else(
                |_| String::new(),
                |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            );
        let mut text = Vec::new();
        let mut seq = plan.watermark();
        for event in events.iter().filter(|event| !shows(plan, event)) {
            seq += 1;
            text.extend(event_line(seq, &stamp, event));
        }
        for event in events {
            if let StEvent::SetStatus { status, .. } = event {
                lock(&self.wrote).insert(task.clone(), status.as_str());
            }
        }
        write_at_end(&self.path, file, &text)
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// Only a person says so.
fn is_given_up(status: ItemStatus) -> bool {
    matches!(status, ItemStatus::Canceled | ItemStatus::Deferred)
}

/// The file as it is, while nobody else adds to it.
struct Locked {
    plan: StPlan,
    bytes: u64,
    _lock: File,
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

fn shows(plan: &StPlan, event: &StEvent) -> bool {
    match event {
        StEvent::SetStatus { id, status } => {
            plan.item(id).is_some_and(|item| item.status == *status)
        }
        StEvent::AddComment { id, text, .. } => plan
            .item(id)
            .is_some_and(|item| item.comments.iter().any(|comment| comment.text == *text)),
    }
}

/// The items whose last comment is of an attempt of `run`: nobody has said anything since.
pub(crate) fn marked_by(path: &Path, run: &str) -> BTreeSet<TaskId> {
    let Ok(bytes) = fs_err::read(path) else {
        return BTreeSet::new();
    };
    let (plan, _) = st::read(&bytes);
    let marked = |item: &&st::StItem| {
        let marker = format!("(mesh {run} {}#", item.id);
        let last = item.comments.last();
        last.is_some_and(|comment| comment.author == AUTHOR && comment.text.contains(&marker))
    };
    plan.items()
        .filter(marked)
        .map(|item| item.id.clone())
        .collect()
}

/// Reads the plan, restricted to `ids` if there are any.
pub(crate) fn load(path: &Path, ids: &[TaskId]) -> Result<SourceSnapshot, String> {
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    let mut loaded = st::load(&path.display().to_string(), &bytes);
    if !ids.is_empty()
        && let Err(problems) = loaded.restrict(ids)
    {
        loaded.diagnostics.extend(problems);
    }
    Ok(loaded)
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

/// Appends, because a program that does not keep the lock may have added a line since the file was read.
fn write_at_end(path: &Path, read: &Locked, text: &[u8]) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut file = fs_err::OpenOptions::new().append(true).open(path)?;
    let sound = read.plan.sound_bytes();
    // A torn last line is nobody's; the next line must not be glued to it.
    if sound < read.bytes && file.metadata()?.len() == read.bytes {
        file.set_len(sound)?;
    }
    let mut line = Vec::with_capacity(text.len() + 1);
    if read.plan.needs_newline() {
        line.push(b'\n');
    }
    line.extend_from_slice(text);
    file.write_all(&line)?;
    file.sync_data()
}

#[cfg(test)]
#[path = "st_test.rs"]
mod tests;

//! The JSONL plan as a plan file: progress is added as events, and nothing is ever rewritten.

use std::collections::BTreeSet;

use mesh_core::id::TaskId;

use super::meta::completed;
use super::write::{StEvent, comment_text, event_line, progress_events, status};
use super::{ItemStatus, StItem, StPlan};
use crate::diagnostic::Diagnostic;
use crate::file::{Edit, FileFormat, MOST_BYTES, Progress, Record, Selection, TOO_LARGE};
use crate::source_snapshot::{SourceKind, SourceSnapshot};

/// Who writes, in comments.
const AUTHOR: &str = "mesh";

/// The format `st`.
pub(crate) struct StFormat;

impl FileFormat for StFormat {
    fn kind(&self) -> SourceKind {
        SourceKind::St
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["jsonl"]
    }

    fn load(
        &self,
        name: &str,
        bytes: &[u8],
        selection: &Selection,
    ) -> Result<SourceSnapshot, Vec<Diagnostic>> {
        if bytes.len() > MOST_BYTES {
            return Err(vec![Diagnostic::error(TOO_LARGE)]);
        }
        let mut snapshot = super::load(name, bytes);
        selection.restrict(&mut snapshot);
        Ok(snapshot)
    }

    fn status(&self, progress: Progress) -> &'static str {
        status(progress).as_str()
    }

    fn is_given_up(&self, status: &str) -> bool {
        [ItemStatus::Canceled, ItemStatus::Deferred]
            .map(ItemStatus::as_str)
            .contains(&status)
    }

    /// Adds the events that the file does not show yet: a coordinator that died may have added them already.
    fn record(
        &self,
        _name: &str,
        bytes: &[u8],
        _selection: &Selection,
        record: &Record<'_>,
    ) -> Result<Option<Edit>, String> {
        let plan = super::read(bytes).0;
        let comment = record.detail.map(|detail| comment_text(detail, record));
        let item = plan.item(record.task);
        let notes = record
            .metadata
            .filter(|_| record.sets_status)
            .zip(item)
            .and_then(|(block, item)| completed(&item.notes, block));
        let metadata = notes.map(|notes| StEvent::SetNotes {
            id: record.task.clone(),
            notes,
        });
        let events = progress_events(record.task, record.progress, AUTHOR, comment.as_deref());
        let events = metadata.into_iter().chain(events);
        let is_wanted =
            |event: &StEvent| record.sets_status || !matches!(event, StEvent::SetStatus { .. });
        let mut lines = Vec::new();
        let mut seq = plan.watermark();
        for event in events {
            if is_wanted(&event) && !shows(&plan, &event) {
                seq += 1;
                lines.extend(event_line(seq, record.time, &event));
            }
        }
        if lines.is_empty() {
            return Ok(Some(Edit::None));
        }
        // The line before may have been written without an end; the next one must not be glued to it.
        if plan.needs_newline() {
            lines.insert(0, b'\n');
        }
        Ok(Some(Edit::Append {
            sound_bytes: plan.sound_bytes(),
            bytes: lines,
        }))
    }

    fn has_lock_file(&self) -> bool {
        true
    }

    fn refreshes(&self) -> bool {
        true
    }

    fn marked_by(&self, bytes: &[u8], run: &str) -> BTreeSet<TaskId> {
        let plan = super::read(bytes).0;
        let is_marked = |item: &&StItem| {
            let marker = format!("(mesh {run} {}#", item.id);
            let last = item.comments.last();
            last.is_some_and(|said| said.author == AUTHOR && said.text.contains(&marker))
        };
        plan.items()
            .filter(is_marked)
            .map(|item| item.id.clone())
            .collect()
    }
}

fn shows(plan: &StPlan, event: &StEvent) -> bool {
    match event {
        StEvent::SetStatus { id, status } => {
            plan.item(id).is_some_and(|item| item.status == *status)
        }
        StEvent::SetNotes { id, notes } => plan.item(id).is_some_and(|item| item.notes == *notes),
        StEvent::AddComment { id, text, .. } => plan
            .item(id)
            .is_some_and(|item| item.comments.iter().any(|comment| comment.text == *text)),
    }
}

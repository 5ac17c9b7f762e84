//! Bytes to append to a plan file, or to begin one with.

use mesh_core::id::TaskId;
use mesh_core::text::visible;
use serde::Serialize;

use super::{ItemStatus, StItem};
use crate::file::{self, Progress};

/// An event that mesh writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StEvent {
    /// The item stands somewhere else now.
    SetStatus {
        /// The item.
        id: TaskId,
        /// Where it stands.
        status: ItemStatus,
    },
    /// The item's notes are these.
    SetNotes {
        /// The item.
        id: TaskId,
        /// All of them.
        notes: String,
    },
    /// Something was said about the item.
    AddComment {
        /// The item.
        id: TaskId,
        /// Who says it.
        author: String,
        /// What; a comment may not be empty, so nothing becomes `-`.
        text: String,
    },
}

/// Where an item stands after this.
pub(super) fn status(progress: Progress) -> ItemStatus {
    match progress {
        Progress::Started => ItemStatus::InProgress,
        Progress::Verified => ItemStatus::Completed,
        Progress::Failed | Progress::Question => ItemStatus::Blocked,
        Progress::Released => ItemStatus::Pending,
    }
}

/// The events of a progress. The comment goes first, so that a status that is there has its reason there too.
pub(super) fn progress_events(
    id: &TaskId,
    progress: Progress,
    author: &str,
    comment: Option<&str>,
) -> Vec<StEvent> {
    let said = comment.map(|text| StEvent::AddComment {
        id: id.clone(),
        author: author.to_owned(),
        text: text.to_owned(),
    });
    let stands = StEvent::SetStatus {
        id: id.clone(),
        status: status(progress),
    };
    said.into_iter().chain([stands]).collect()
}

/// The text of a comment on an item, after the skill's contract: `[mesh] completed: …` or `[mesh] blocked: …`, the reason in a word,
/// the validation that ran, and the marker line of the attempt.
pub(super) fn comment_text(detail: &str, record: &file::Record<'_>) -> String {
    let outcome = status(record.progress).as_str();
    let mut text = format!("[mesh] {outcome}: {}\n", visible(detail.trim()));
    let more = [("reason", record.reason), ("validation", record.validation)];
    for (name, said) in more {
        if let Some(said) = said {
            text.push_str(&format!("{name}: {}\n", visible(said)));
        }
    }
    text.push_str(record.marker);
    text
}

#[derive(Serialize)]
struct Record<'a, P: Serialize> {
    v: u8,
    ts: &'a str,
    lane: &'static str,
    seq: u64,
    #[serde(flatten)]
    payload: P,
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Payload<'a> {
    Replace { items: Vec<Item<'a>> },
    SetStatus { id: &'a str, status: &'static str },
    SetNotes { id: &'a str, notes: &'a str },
    AddComment { id: &'a str, comment: Comment<'a> },
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    step: &'a str,
    status: &'static str,
    deps: Vec<Dep<'a>>,
    notes: &'a str,
    comments: Vec<Comment<'a>>,
}

#[derive(Serialize)]
struct Dep<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Comment<'a> {
    ts: &'a str,
    author: &'a str,
    text: &'a str,
}

/// One line to append: the event with the number `seq` (one more than [`super::StPlan::watermark`]) and the time `ts` (UTC, whole
/// seconds, `Z`).
pub(super) fn event_line(seq: u64, ts: &str, event: &StEvent) -> Vec<u8> {
    let payload = match event {
        StEvent::SetStatus { id, status } => Payload::SetStatus {
            id: id.as_str(),
            status: status.as_str(),
        },
        StEvent::SetNotes { id, notes } => Payload::SetNotes {
            id: id.as_str(),
            notes,
        },
        StEvent::AddComment { id, author, text } => Payload::AddComment {
            id: id.as_str(),
            comment: Comment {
                ts,
                author: or_dash(author),
                text: or_dash(text),
            },
        },
    };
    line(&Record {
        v: 3,
        ts,
        lane: "event",
        seq,
        payload,
    })
}

/// A whole new file: one `replace` event, which says what a checkpoint would say too.
#[must_use]
pub fn new_plan(ts: &str, items: &[StItem]) -> Vec<u8> {
    let items = items.iter().map(item).collect();
    line(&Record {
        v: 3,
        ts,
        lane: "event",
        seq: 1,
        payload: Payload::Replace { items },
    })
}

fn item(item: &StItem) -> Item<'_> {
    let comments = item.comments.iter();
    Item {
        id: item.id.as_str(),
        step: &item.step,
        status: item.status.as_str(),
        deps: item
            .deps
            .iter()
            .map(|dep| Dep {
                id: dep.id.as_str(),
                kind: &dep.kind,
            })
            .collect(),
        notes: &item.notes,
        comments: comments
            .map(|said| Comment {
                ts: &said.ts,
                author: &said.author,
                text: &said.text,
            })
            .collect(),
    }
}

fn or_dash(text: &str) -> &str {
    if text.trim().is_empty() { "-" } else { text }
}

fn line(record: &impl Serialize) -> Vec<u8> {
    // Texts and numbers under text keys, written to memory: nothing of that can fail.
    let mut bytes = serde_json::to_vec(record).expect("texts and numbers are always JSON");
    bytes.push(b'\n');
    bytes
}

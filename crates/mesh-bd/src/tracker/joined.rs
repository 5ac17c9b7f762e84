//! Ends of several attempts in three calls, whatever their number: one listing, one `import` of the comments, one `batch` of the
//! closes.
//!
//! Measured on bd 1.3.0, in processor time: a comment takes 0.47 s and an `import` of two as long, a close 0.69 s and a `batch` of two
//! 0.63 s. Both joins lack checks that the single commands make, so the listing is read for them, and what it does not vouch for goes alone:
//!
//! * `batch` closes whatever it is told, in one transaction: also what somebody else has, and what is blocked.
//! * `import` of a row with the `updated_at` of the issue leaves all columns as they are and adds the row's comments; a row that is
//!   older is passed over and named. An issue that is gone would come back, so only what the listing shows is handed over.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{EdgeKind, Issue, IssueStatus};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::modern::Modern;
use super::{Tracker, wire};
use crate::error::BdError;
use crate::finalize::{self, Finalization, Finalized, NewComment};
use crate::listing::Listing;
use crate::transport::{Call, CallOutput};

/// In whose name several issues are written to in one call.
const COORDINATOR: &str = "mesh";

/// Which joins this binary has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joins {
    /// `batch` closes several issues in one transaction (1.0.5, 1.3.0).
    closes: bool,
    /// `import` spares issues that are as old as its rows (1.3.0; 1.0.5 overwrites them).
    comments: bool,
}

/// Columns of an issue that a row of `import` repeats as they were listed.
const COLUMNS: [&str; 17] = [
    "id",
    "title",
    "description",
    "design",
    "notes",
    "acceptance_criteria",
    "status",
    "priority",
    "issue_type",
    "assignee",
    "owner",
    "estimated_minutes",
    "created_at",
    "created_by",
    "updated_at",
    "started_at",
    "metadata",
];

impl Modern {
    fn joins(&self) -> Joins {
        *self.joins.get_or_init(|| {
            let help = |command: &str| {
                let call = Call::read(&[command]).words(&["--help"]);
                let text = self.bd.read(&call, |output| Ok(output.all_text()));
                // Without an answer everything goes alone.
                text.unwrap_or_default()
            };
            Joins {
                closes: help("batch").contains("close <id> [reason...]"),
                comments: help("import").contains("--allow-stale"),
            }
        })
    }

    pub(super) fn finalize_joined(
        &self,
        ends: &[Finalization],
    ) -> (Vec<Finalized>, Option<Listing>) {
        let one_by_one = || ends.iter().map(|end| finalize::alone(self, end)).collect();
        if ends.len() < 2 || !self.joins().closes {
            return (one_by_one(), None);
        }
        let read = |output: &CallOutput| {
            let rows: Vec<Map<String, Value>> = output.json("an array of issues")?;
            Ok((wire::listing(output)?, rows))
        };
        let Ok((listing, rows)) = self.bd.read(&self.listing_call(), read) else {
            return (one_by_one(), None);
        };
        let mut commented = self.comment_joined(ends, &rows);
        let closed = self.close_joined(ends, &listing);
        let finalized = ends.iter().map(|end| Finalized {
            comment: match commented.remove(&end.id) {
                Some(written) => written,
                None => finalize::comment(self, end),
            },
            close: match closed.contains(&end.id) {
                true => Ok(()),
                false => finalize::close(self, end),
            },
        });
        (finalized.collect(), Some(listing))
    }

    /// Writes the comments that can go together; what came of each of them.
    fn comment_joined(
        &self,
        ends: &[Finalization],
        rows: &[Map<String, Value>],
    ) -> BTreeMap<TaskId, Result<(), BdError>> {
        #[derive(Deserialize)]
        struct Answer {
            ids: Vec<String>,
            #[serde(default)]
            stale_skipped_ids: Vec<String>,
        }
        let row_of = |id: &TaskId| {
            let is_it = |row: &&Map<String, Value>| row.get("id") == Some(&id.as_str().into());
            rows.iter().find(is_it)
        };
        let mut lines = String::new();
        let mut joined: Vec<(&Finalization, &NewComment)> = Vec::new();
        for end in ends {
            // Of two ends of one issue the second stands behind the first, so each goes alone.
            let is_only = ends.iter().filter(|other| other.id == end.id).count() == 1;
            if let (true, Some(new), Some(row)) = (is_only, &end.comment, row_of(&end.id))
                && !new.may_be_there
                && let Some(line) = row_with_comment(row, &new.author, &new.text)
            {
                lines.push_str(&line);
                joined.push((end, new));
            }
        }
        if joined.len() < 2 || !self.joins().comments {
            return BTreeMap::new();
        }
        let call = Call::write(COORDINATOR, &["import", "-"])
            .json()
            .stdin(lines);
        let answer = self
            .bd
            .once(&call)
            .and_then(|output| output.json::<Answer>("what was imported"));
        let mut written = BTreeMap::new();
        for (end, new) in joined {
            let is_in = |list: &[String]| list.iter().any(|one| one == end.id.as_str());
            match &answer {
                // It was changed meanwhile and stands as it was: the comment goes alone.
                Ok(answer) if is_in(&answer.stale_skipped_ids) || !is_in(&answer.ids) => {}
                Ok(_) => {
                    written.insert(end.id.clone(), Ok(()));
                }
                Err(error) => {
                    tracing::warn!(%error, id = %end.id, "a comment is looked for and written alone");
                    let write = |_| self.comment_once(&end.id, &new.author, &new.text, &new.marker);
                    written.insert(end.id.clone(), finalize::retry_transient(write).map(|_| ()));
                }
            }
        }
        written
    }

    /// Closes what can go together; the issues that are closed.
    fn close_joined(&self, ends: &[Finalization], listing: &Listing) -> BTreeSet<TaskId> {
        let mut closing: BTreeMap<&TaskId, String> = BTreeMap::new();
        for end in ends {
            if let (Some(reason), Some(issue)) = (&end.close, listing.get(&end.id))
                && is_closable(issue, &end.actor, listing, &closing)
            {
                closing.insert(&end.id, reason.clone());
            }
        }
        if closing.len() < 2 {
            return BTreeSet::new();
        }
        let line = |(id, reason): (&&TaskId, &String)| format!("close {id} {}\n", quoted(reason));
        let text: String = closing.iter().map(line).collect();
        let call = Call::write(COORDINATOR, &["batch"]).json().stdin(text);
        let ended = self.bd.once(&call).and_then(|output| {
            let answer: Value = output.json("a summary")?;
            match answer["operations"].as_u64() == u64::try_from(closing.len()).ok() {
                true => Ok(()),
                false => Err(output.unreadable("all that was to be closed")),
            }
        });
        match ended {
            Ok(()) => closing.into_keys().cloned().collect(),
            // All of them or none are closed, and a close of what is closed is no second one.
            Err(error) => {
                tracing::warn!(%error, "issues that were to be closed together are closed one by one");
                BTreeSet::new()
            }
        }
    }
}

/// A line of `import` that adds a comment to the issue of `row`, as it was listed; nothing for a text that bd does not take.
fn row_with_comment(row: &Map<String, Value>, actor: &str, text: &str) -> Option<String> {
    if text.trim().is_empty() || text.contains('\0') || !row.contains_key("updated_at") {
        return None;
    }
    let listed = |column: &&str| Some(((*column).to_owned(), row.get(*column)?.clone()));
    let mut line: Map<String, Value> = COLUMNS.iter().filter_map(listed).collect();
    line.insert(
        "comments".to_owned(),
        json!([{ "author": actor, "text": text }]),
    );
    Some(format!("{}\n", Value::Object(line)))
}

/// Whether bd itself would close the issue for `actor`, as it was listed, when `closing` are closed before it.
fn is_closable(
    issue: &Issue,
    actor: &str,
    listing: &Listing,
    closing: &BTreeMap<&TaskId, String>,
) -> bool {
    let is_ours =
        issue.status == IssueStatus::InProgress && issue.assignee.as_deref() == Some(actor);
    let is_met = |need: &TaskId| {
        closing.contains_key(need)
            || listing
                .get(need)
                .is_none_or(|need| need.status == IssueStatus::Closed)
    };
    let mut needs = issue.edges.iter();
    is_ours && needs.all(|edge| edge.kind != EdgeKind::Gates || is_met(&edge.to))
}

/// A word of `batch`, which takes no line breaks.
fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

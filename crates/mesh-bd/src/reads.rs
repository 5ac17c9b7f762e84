//! Reads. Each answer is parsed in full; an empty answer where there must be one is an error, whatever the exit code.

use std::collections::BTreeSet;

use mesh_core::id::TaskId;
use mesh_core::issue::Issue;

use crate::client::{Client, check_id};
use crate::commands;
use crate::error::BdError;
use crate::exec::{Call, CallOutput};
use crate::listing::Listing;
use crate::marker;
use crate::wire::{self, WireComment};

/// A comment on an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// bd's id of it.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub text: String,
    /// When it was written, in milliseconds since 1970, if bd said so readably.
    pub created_unix_ms: Option<u64>,
}

impl Comment {
    /// Whether it carries this marker line (see [`crate::marker`]).
    #[must_use]
    pub fn has_marker(&self, marker: &str) -> bool {
        marker::has(&self.text, marker)
    }
}

impl Client {
    /// Every issue with its edges, in one call.
    ///
    /// # Errors
    /// When bd fails or its answer cannot be read.
    pub fn listing(&self) -> Result<Listing, BdError> {
        self.read_with(&Call::read(commands::listing()), |output| {
            parsed(output, wire::listing)
        })
    }

    /// The issues `ids`, in that order.
    ///
    /// # Errors
    /// [`BdError::NotFound`] names every id that is missing, even if others were found.
    pub fn show(&self, ids: &[TaskId]) -> Result<Vec<Issue>, BdError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        for id in ids {
            check_id(id, "show")?;
        }
        let found = self.read_with(&Call::read(commands::show(ids)), |output| {
            if output.code != 0 && says_not_found(output) {
                return Ok(Listing::default());
            }
            parsed(output, wire::listing)
        })?;
        let missing: BTreeSet<&TaskId> = ids.iter().filter(|id| found.get(id).is_none()).collect();
        if !missing.is_empty() {
            return Err(BdError::NotFound {
                ids: missing.into_iter().cloned().collect(),
            });
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// One issue in full.
    ///
    /// # Errors
    /// As [`Client::show`].
    pub fn show_one(&self, id: &TaskId) -> Result<Issue, BdError> {
        let missing = || BdError::NotFound {
            ids: vec![id.clone()],
        };
        self.show(std::slice::from_ref(id))?
            .pop()
            .ok_or_else(missing)
    }

    /// The comments of an issue, oldest first.
    ///
    /// # Errors
    /// [`BdError::NotFound`] when there is no such issue.
    pub fn comments(&self, id: &TaskId) -> Result<Vec<Comment>, BdError> {
        check_id(id, "comments")?;
        self.read_with(&Call::read(commands::comments(id)), |output| {
            if output.code != 0 && says_not_found(output) {
                return Err(BdError::NotFound {
                    ids: vec![id.clone()],
                });
            }
            let read = |bytes: &[u8]| {
                wire::read::<Option<Vec<WireComment>>>(bytes, "an array of comments")
            };
            Ok(parsed(output, read)?
                .unwrap_or_default()
                .into_iter()
                .map(Comment::from)
                .collect())
        })
    }
}

/// Reads stdout with `read`. An exit code that is not 0 is a failure whatever stdout holds.
pub(crate) fn parsed<T>(
    output: &CallOutput,
    read: impl Fn(&[u8]) -> Result<T, wire::ParseError>,
) -> Result<T, BdError> {
    if output.code != 0 || wire::error_text(&output.stdout).is_some() {
        return Err(output.failed());
    }
    read(&output.stdout).map_err(|parse_error| output.unreadable(parse_error))
}

/// Whether bd said that an id is unknown.
pub(crate) fn says_not_found(output: &CallOutput) -> bool {
    let text = output.all_text();
    text.contains("no issue found matching") || text.contains("no issues found matching")
}

impl From<WireComment> for Comment {
    fn from(wire: WireComment) -> Comment {
        let id = match wire.id {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let created_unix_ms = wire.created_at.as_deref().and_then(wire::unix_ms);
        Comment {
            id,
            author: wire.author,
            text: wire.text,
            created_unix_ms,
        }
    }
}

//! What is written down of an issue when an attempt at it has ended: a comment and, if the result is to close it, the close.
//!
//! [`Tracker::finalize`] takes several at once, because they come at once: bd pays for each process, and for each commit of its database.
//! Here is the way that every dialect has: one call after the other. No write is repeated blindly.

use mesh_core::id::TaskId;

use crate::error::BdError;
use crate::tracker::Tracker;

/// What is to be written down of one issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalization {
    /// The issue.
    pub id: TaskId,
    /// Who has claimed it, and so may close it.
    pub actor: String,
    /// The comment, if there is to be one.
    pub comment: Option<NewComment>,
    /// Why it is closed, if it is to be closed.
    pub close: Option<String>,
}

/// A comment that is to be there once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewComment {
    /// Who has written it, for those who read it.
    pub author: String,
    /// What it says, the marker's line included.
    pub text: String,
    /// The line by which it is known.
    pub marker: String,
    /// Somebody may have written it already, so that it has to be looked for first.
    pub may_be_there: bool,
}

/// What came of a [`Finalization`]. What was not asked for is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalized {
    /// Of the comment.
    pub comment: Result<(), BdError>,
    /// Of the close.
    pub close: Result<(), BdError>,
}

impl Finalized {
    /// Nothing was done, for one reason.
    pub(crate) fn failed(error: &BdError) -> Finalized {
        Finalized {
            comment: Err(error.clone()),
            close: Err(error.clone()),
        }
    }
}

/// Writes one down by itself.
pub(crate) fn alone<T: Tracker + ?Sized>(tracker: &T, end: &Finalization) -> Finalized {
    Finalized {
        comment: comment(tracker, end),
        close: close(tracker, end),
    }
}

pub(crate) fn comment<T: Tracker + ?Sized>(tracker: &T, end: &Finalization) -> Result<(), BdError> {
    let Some(new) = &end.comment else {
        return Ok(());
    };
    // Only after a doubtful end, one's own or a predecessor's, has to be looked whether it is there.
    let write = |again: bool| match again || new.may_be_there {
        true => tracker.comment_once(&end.id, &new.author, &new.text, &new.marker),
        false => tracker.comment(&end.id, &new.author, &new.text),
    };
    retry_transient(write).map(|_| ())
}

pub(crate) fn close<T: Tracker + ?Sized>(tracker: &T, end: &Finalization) -> Result<(), BdError> {
    match &end.close {
        None => Ok(()),
        Some(reason) => retry_transient(|_| tracker.close(&end.id, &end.actor, reason)),
    }
}

/// A write that the tracker did not take for a moment is made once more, on the same turn of the queue; `write` hears whether it is
/// the second time. What comes then stands.
///
/// # Errors
/// Those of the last time.
pub fn retry_transient<T>(mut write: impl FnMut(bool) -> Result<T, BdError>) -> Result<T, BdError> {
    match write(false) {
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, "a write is made once more");
            write(true)
        }
        answer => answer,
    }
}

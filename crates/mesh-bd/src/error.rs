//! What can go wrong with the tracker, told so that a person knows what to do next. Nothing here acts.

use std::path::PathBuf;

use mesh_core::id::TaskId;
use mesh_core::issue::IssueStatus;

use crate::tracker::version::Unsupported;

/// A failed dealing with the tracker.
///
/// It can be cloned, because several askers may wait for one call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BdError {
    /// The program could not be started at all.
    #[error("cannot start {}: {cause}; install bd or name it in the config", program.display())]
    CouldNotStart {
        /// What was to be started.
        program: PathBuf,
        /// The system's reason.
        cause: String,
    },
    /// No tracker belongs to this repository.
    #[error("no tracker found from {}: {text}; run `bd init` there, or name its `.beads` folder", looked_from.display())]
    NoDatabase {
        /// Where the search began.
        looked_from: PathBuf,
        /// What bd said.
        text: String,
    },
    /// This bd is too old, or of a kind that is not supported.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The tracker has no such issue.
    #[error("the tracker has no issue {id}")]
    NotFound {
        /// The issue.
        id: TaskId,
    },
    /// The tracker said no. Asking again will not help until somebody changes the issue.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else has the database; later it may go.
    #[error("bd {command}: the tracker is busy: {text}")]
    Busy {
        /// The command, without its texts.
        command: String,
        /// What bd said.
        text: String,
    },
    /// The call did not end in time and was killed.
    #[error("bd {command}: no answer within {limit_ms} ms; another program may hold the tracker")]
    TimedOut {
        /// The command, without its texts.
        command: String,
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The call wrote more than it may and was killed.
    #[error("bd {command}: more than {limit_bytes} bytes of output")]
    TooMuchOutput {
        /// The command, without its texts.
        command: String,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The call ended by a signal, or its end could not be seen.
    #[error("bd {command}: it died: {how}")]
    Died {
        /// The command, without its texts.
        command: String,
        /// How it ended.
        how: String,
    },
    /// bd ended well but did not say what it should have said.
    #[error("bd {command}: {looked_for} is not in its answer: {got}")]
    Unreadable {
        /// The command, without its texts.
        command: String,
        /// What was looked for.
        looked_for: String,
        /// The first 200 bytes of what came.
        got: String,
    },
    /// bd failed for a reason that is none of the above.
    #[error("bd {command}: exit {code}: {text}")]
    Failed {
        /// The command, without its texts.
        command: String,
        /// The exit code.
        code: i32,
        /// What bd said, shortened.
        text: String,
    },
    /// A write ended without a readable answer, and so did the look whether it happened. Look again before repeating it.
    #[error("{first}; whether it happened is unknown: {look}")]
    InDoubt {
        /// How the write ended.
        first: String,
        /// How the look ended.
        look: String,
    },
    /// A value that cannot be put on a command line.
    #[error("bd {command}: {what}")]
    BadArgument {
        /// The command, without its texts.
        command: String,
        /// What is wrong with the value.
        what: String,
    },
    /// A file of the tracker could not be read.
    #[error("cannot read a file of the tracker: {text}")]
    File {
        /// What failed, with the file's name.
        text: String,
    },
    /// The system gave no thread for the queue.
    #[error("no thread for the tracker's queue: {cause}")]
    NoThread {
        /// The system's reason.
        cause: String,
    },
    /// The queue was closed before the request's turn came.
    #[error("the tracker's queue was closed before this request's turn")]
    QueueClosed,
    /// The code that made the request panicked; the queue goes on.
    #[error("a tracker request panicked: {0}")]
    Panicked(String),
}

impl BdError {
    /// Whether the same request may succeed a little later with nobody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            BdError::Busy { .. } | BdError::TimedOut { .. } | BdError::Died { .. } => true,
            BdError::Unreadable { .. } | BdError::InDoubt { .. } => true,
            BdError::CouldNotStart { .. }
            | BdError::NoDatabase { .. }
            | BdError::Unsupported(_)
            | BdError::NotFound { .. }
            | BdError::Refused(_)
            | BdError::TooMuchOutput { .. }
            | BdError::Failed { .. }
            | BdError::BadArgument { .. }
            | BdError::File { .. }
            | BdError::NoThread { .. }
            | BdError::QueueClosed
            | BdError::Panicked(_) => false,
        }
    }

    /// Whether a write that ended like this may have happened all the same, so that one has to look.
    #[must_use]
    pub fn leaves_write_in_doubt(&self) -> bool {
        self.is_transient()
            || matches!(self, BdError::TooMuchOutput { .. } | BdError::Failed { .. })
    }
}

/// The tracker's "no" to a write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tracker refuses to {what} {id}: {reason}")]
pub struct Refusal {
    /// What was asked: `claim`, `close`, `release`, `renew`.
    pub what: &'static str,
    /// The issue.
    pub id: TaskId,
    /// Why not.
    pub reason: RefusalReason,
}

/// Why the tracker refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// Somebody else has the issue.
    HeldBy(String),
    /// Nobody has it, though the request was for a holder.
    NotHeld,
    /// The issue's status does not allow it.
    Status(IssueStatus),
    /// Issues that have to be closed first, in bd's words.
    BlockedBy(String),
    /// Another reason, in bd's words.
    Other(String),
}

impl std::fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RefusalReason::HeldBy(holder) => write!(f, "{holder} has it"),
            RefusalReason::NotHeld => f.write_str("nobody has it"),
            RefusalReason::Status(status) => write!(f, "its status is {}", status.as_str()),
            RefusalReason::BlockedBy(text) | RefusalReason::Other(text) => f.write_str(text),
        }
    }
}

/// Longest part of an outside text that goes into a message, in bytes.
const EXCERPT_BYTES: usize = 200;

/// The start of `text` as one line, cut at a character boundary.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let head = &text[..text.len().min(EXCERPT_BYTES)];
    let line = String::from_utf8_lossy(head)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match (line.is_empty(), text.len() > EXCERPT_BYTES) {
        (true, _) => "(nothing)".to_owned(),
        (false, true) => format!("{line} …"),
        (false, false) => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_is_one_short_line() {
        assert_eq!(excerpt(b"  \n"), "(nothing)");
        assert_eq!(excerpt(b"a\n  b\n"), "a b");
        let long = excerpt(&[b'x'; 500]);
        assert_eq!(long, format!("{} …", "x".repeat(200)));
        let cut_in_a_character = "é".repeat(150);
        assert!(excerpt(&cut_in_a_character.as_bytes()[1..]).chars().count() < 110);
    }

    #[test]
    fn a_refusal_is_not_transient_and_a_timeout_is_in_doubt() {
        let id = TaskId::new("t-1").expect("a plain id");
        let refused = BdError::Refused(Refusal {
            what: "claim",
            id,
            reason: RefusalReason::HeldBy("mesh-2".into()),
        });
        assert!(!refused.is_transient() && !refused.leaves_write_in_doubt());
        assert_eq!(
            refused.to_string(),
            "the tracker refuses to claim t-1: mesh-2 has it"
        );
        let late = BdError::TimedOut {
            command: "close".into(),
            limit_ms: 10,
        };
        assert!(late.is_transient() && late.leaves_write_in_doubt());
    }
}

//! The transcript: what has happened, in order. One entry is one line of JSON on disk, written before [`crate::next`] is asked again.

use serde::{Deserialize, Serialize};

use crate::step::TurnId;

/// One thing that has happened.
///
/// What the limit of a provider ended is no entry: the driver ends the attempt, and the next one starts the turn again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A turn has ended. Of several entries of one turn the first counts.
    Turn {
        /// Which.
        turn: TurnId,
        /// How.
        end: End,
    },
    /// The task's soft limit has passed, counted from the first turn's start.
    SoftLimit,
    /// The task's hard limit has passed: no turn is started any more, and none is waited for.
    HardLimit,
    /// [`crate::step::Act::Persist`] was done.
    Persisted {
        /// Whose answer had the metadata.
        turn: TurnId,
    },
    /// [`crate::step::Act::Apply`] was done, or could not be.
    Apply {
        /// Whose patch it was.
        turn: TurnId,
        /// Whether the workspace holds it now.
        result: Applied,
    },
    /// [`crate::step::Act::Prove`] has ended.
    Proof {
        /// Whose patch was proved.
        turn: TurnId,
        /// The exit code; `None` if a signal or a limit ended it.
        exit_code: Option<i32>,
        /// The last lines of its output.
        excerpt: String,
    },
}

impl Entry {
    /// Whether it is still true in another workspace. An attempt that goes on with the transcript of one before takes these entries
    /// alone: patches are put into its own workspace again, and proved there.
    ///
    /// The next attempt goes on with a transcript only if that one had no [`crate::step::Act::Finish`] yet; otherwise it begins with
    /// an empty one.
    #[must_use]
    pub fn is_carried_over(&self) -> bool {
        match self {
            Entry::Turn { .. } | Entry::Persisted { .. } => true,
            Entry::SoftLimit | Entry::HardLimit | Entry::Apply { .. } | Entry::Proof { .. } => {
                false
            }
        }
    }
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// With an answer: the agent's last message.
    Answer {
        /// The message, as it came.
        text: String,
    },
    /// Without an answer: it crashed, or ended without a word.
    NoAnswer {
        /// What was seen.
        why: String,
    },
    /// Its own time limit ended it.
    TimedOut,
    /// It could not be started.
    NotStarted {
        /// Why.
        why: String,
    },
    /// It was running, and no longer among the turns that should run.
    Superseded,
}

/// What became of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Applied {
    /// The workspace holds it, and nothing else that is new.
    Applied,
    /// It does not apply; the workspace is as it was before.
    Refused {
        /// What `git apply` says, for the role that is asked again.
        why: String,
    },
}

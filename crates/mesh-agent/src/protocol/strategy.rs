//! The stream of a compound agent: a strategy's driver says in it what each turn of a role came to, and at its end its last message or
//! why it gave up. Driver and readers share these types; each is one JSON object a line.

use super::transcript::{StreamEnd, Transcript, each_event};
use mesh_core::metered::{Refusal, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::Path;

/// One line of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// Something has begun or was done.
    Step {
        /// One line, in the present: `skeptic votes`.
        text: String,
    },
    /// A turn of a role is over.
    Turn(Turn),
    /// The strategy is through.
    End {
        /// Its last message, with the final block at its end.
        message: String,
    },
    /// The strategy gave up.
    Failed {
        /// Why, as a fragment.
        reason: String,
        /// The refusal of a role's provider, where that is the reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusal: Option<Refusal>,
    },
}

/// A turn of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Which turn: its folder below `roles/` of the attempt.
    pub turn: String,
    /// The role.
    pub role: String,
    /// The role's agent, with its model where one was chosen.
    pub agent: String,
    /// What came of it, in a few words: `answered`, `vote: agree`, or why there is no answer.
    pub outcome: String,
    /// It answered.
    pub is_answered: bool,
    /// What its agent says that it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// Reads the stream in the file `stdout`.
///
/// # Errors
/// When the file cannot be read.
pub fn read(stdout: &Path) -> io::Result<Transcript> {
    let mut read = Transcript::default();
    each_line(stdout, |line| match line {
        Line::Step { .. } => {}
        Line::Turn(turn) => {
            if let Some(usage) = &turn.usage {
                let sum = read.metered.usage.get_or_insert_default();
                sum.add(usage);
            }
        }
        Line::End { message } => {
            read.message = Some(message);
            read.end = StreamEnd::Complete;
        }
        Line::Failed { reason, refusal } => {
            read.end = StreamEnd::Failed(reason);
            read.metered.refusal = refusal;
        }
    })?;
    Ok(read)
}

/// All turns in the stream in the file `stdout`, in the order of their ends.
///
/// # Errors
/// When the file cannot be read.
pub fn turns(stdout: &Path) -> io::Result<Vec<Turn>> {
    let mut turns = Vec::new();
    each_line(stdout, |line| {
        if let Line::Turn(turn) = line {
            turns.push(turn);
        }
    })?;
    Ok(turns)
}

fn each_line(stdout: &Path, mut take: impl FnMut(Line)) -> io::Result<()> {
    each_event(stdout, |event| {
        if let Ok(line) = Line::deserialize(event) {
            take(line);
        }
    })
}

/// What an event says that the strategy does, and whether a role has answered.
pub(super) fn activity(event: &Value) -> Option<(String, bool)> {
    match Line::deserialize(event).ok()? {
        Line::Step { text } => Some((text, false)),
        Line::Turn(turn) => Some((format!("{}: {}", turn.role, turn.outcome), turn.is_answered)),
        Line::End { .. } | Line::Failed { .. } => None,
    }
}

#[cfg(test)]
#[path = "strategy_test.rs"]
mod tests;

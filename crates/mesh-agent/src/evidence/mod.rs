//! What was observed about an attempt, as the file `evidence.json` in its folder.
//!
//! It holds the core's types in the form in which they are journaled. It is for people and their programs: mesh itself never reads
//! it, because all that is in it is in the journal.

use mesh_core::evidence::{BlockReading, ChangeSet, Ending, Failure, ProofChoice, ProofEnd};
use serde::Serialize;
use std::io;
use std::path::Path;

use crate::ownership::ScopeReport;

/// The version that this program writes.
pub const VERSION: u32 = 2;

/// The name of the file in the attempt's folder.
pub const FILE_NAME: &str = "evidence.json";

/// Everything observed about one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceRecord {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The run's id.
    pub run: String,
    /// The task's id.
    pub task: String,
    /// The attempt's number.
    pub attempt: u32,
    /// The agent profile's name.
    pub profile: String,
    /// When the agent was started and its tree was dead, in milliseconds since 1970.
    pub times: Times,
    /// How the agent's process tree ended; absent when it never executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The agent's final block; absent when the ending alone decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockReading>,
    /// What was left in version control; absent when nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangeSet>,
    /// Changed paths against held groups; absent when nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeReport>,
    /// The proof; absent when none was chosen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofRecord>,
    /// Why it is not done; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Moments in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Times {
    /// The agent's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_unix_ms: Option<u64>,
    /// The end of the agent's process tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_unix_ms: Option<u64>,
    /// The proof's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_started_unix_ms: Option<u64>,
    /// The end of the proof's process tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_ended_unix_ms: Option<u64>,
}

/// The proof that was chosen, and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofRecord {
    /// The command, and who named it.
    pub choice: ProofChoice,
    /// How it ended; absent when it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<ProofEnd>,
}

impl EvidenceRecord {
    /// Writes the record to [`FILE_NAME`] in `folder`, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let target = folder.join(FILE_NAME);
        let scratch = folder.join(format!(".{FILE_NAME}.new"));
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        // Not synced: the facts are in the journal.
        fs_err::write(&scratch, text)?;
        fs_err::rename(&scratch, &target)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "evidence_test.rs"]
mod tests;

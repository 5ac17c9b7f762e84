//! What was observed about an attempt, as the file `evidence.json` in its folder.
//!
//! It holds the core's types in the form in which they are journaled. It is written when the attempt was inspected and again with
//! the end of its proof, and read by people and for the report to the tracker; nothing is decided from it.

mod version_1;

use mesh_core::evidence::{BlockReading, ChangeSet, Ending, Failure, ProofChoice, ProofEnd};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use thiserror::Error;

use crate::scope::ScopeReport;

/// The version that this program writes. A reader takes this one and every older one.
pub const VERSION: u32 = 2;

/// The name of the file in the attempt's folder.
pub const FILE_NAME: &str = "evidence.json";

/// Everything observed about one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How the agent's process tree ended.
    pub ending: Ending,
    /// The agent's final block; absent when the ending alone decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockReading>,
    /// What was left in version control; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangeSet>,
    /// Changed paths against held groups; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeReport>,
    /// The proof; absent when none was chosen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofRecord>,
    /// Why it is not done; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Moments in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Times {
    /// The agent's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_unix_ms: Option<u64>,
    /// The end of the agent's process tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_unix_ms: Option<u64>,
    /// The proof's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_started_unix_ms: Option<u64>,
    /// The end of the proof's process tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_ended_unix_ms: Option<u64>,
}

/// The proof that was chosen, and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRecord {
    /// The command, and who named it.
    pub choice: ProofChoice,
    /// How it ended; absent when it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ProofEnd>,
}

/// Why stored evidence cannot be used.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what we write.
    #[error("{path} is not readable as evidence: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the parser says.
        problem: serde_json::Error,
    },
    /// A newer mesh wrote it.
    #[error("{path} has version {version}, and this mesh reads up to {VERSION}: use the newer one")]
    TooNew {
        /// The file.
        path: String,
        /// Its version.
        version: u32,
    },
}

impl EvidenceRecord {
    /// Writes the record to [`FILE_NAME`] in `folder`, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<(), EvidenceError> {
        let target = folder.join(FILE_NAME);
        let scratch = folder.join(format!(".{FILE_NAME}.new"));
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        text.push(b'\n');
        // Not synced: the facts are in the journal, and an attempt's dependents would wait for the disk twice.
        fs_err::write(&scratch, text)?;
        fs_err::rename(&scratch, &target)?;
        Ok(())
    }

    /// Reads the record in `folder`; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read, or a newer mesh wrote it.
    pub fn read(folder: &Path) -> Result<Option<EvidenceRecord>, EvidenceError> {
        #[derive(Deserialize)]
        struct OnlyVersion {
            version: u32,
        }
        let file = folder.join(FILE_NAME);
        let bytes = match fs_err::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let path = file.display().to_string();
        let unreadable = |problem| EvidenceError::Unreadable {
            path: path.clone(),
            problem,
        };
        let OnlyVersion { version } = serde_json::from_slice(&bytes).map_err(unreadable)?;
        if version > VERSION {
            return Err(EvidenceError::TooNew { path, version });
        }
        let record = if version == 1 {
            serde_json::from_slice(&bytes).and_then(version_1::read)
        } else {
            serde_json::from_slice(&bytes)
        };
        record.map(Some).map_err(unreadable)
    }
}

#[cfg(test)]
#[path = "evidence_test.rs"]
mod tests;

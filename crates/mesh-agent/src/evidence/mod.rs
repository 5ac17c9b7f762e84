//! What was observed about an attempt, as the file `evidence.json` in its folder.
//!
//! The record has types of its own, so that the core's may change without changing a stored format. It is written once, when the
//! verdict is known, and read by people and by `report`; nothing is decided from it.

mod convert;

use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::Path;
use thiserror::Error;

/// The version that this program writes. A reader takes this one and every older one.
pub const VERSION: u32 = 1;

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
    pub ending: EndingRecord,
    /// The agent's final block; absent when the ending alone decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockRecord>,
    /// What was left in version control; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesRecord>,
    /// Changed paths against held groups; absent when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeRecord>,
    /// The proof; absent when none was chosen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofRecord>,
    /// Why it is not done; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureRecord>,
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

/// Mirror of [`mesh_core::evidence::Ending`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum EndingRecord {
    /// By itself.
    Exited {
        /// Its code.
        code: i32,
    },
    /// By a signal that mesh did not send.
    Signaled {
        /// Its number.
        signal: i32,
    },
    /// Never ran.
    CouldNotStart {
        /// Why.
        cause: String,
    },
    /// Killed at the hard limit.
    HardLimit,
    /// Killed at the output limit.
    Flood,
    /// Told to stop.
    Stopped,
    /// Its shim left no report.
    NoReport,
}

/// Mirror of [`mesh_core::evidence::BlockReading`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum BlockRecord {
    /// None, or none that can be read.
    Missing {
        /// Why.
        why: String,
    },
    /// The block.
    Read {
        /// `PR:`
        pr: Option<String>,
        /// `Verify:`
        verify: Option<String>,
        /// `Changed:` as paths.
        changed: Vec<String>,
        /// `Changed: NO_DIFF:` and its reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_diff: Option<String>,
        /// `Blockers:`
        blockers: Option<String>,
    },
}

/// Mirror of [`mesh_core::evidence::ChangeSet`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangesRecord {
    /// The recorded result.
    pub commit: String,
    /// Changed paths.
    pub paths: Vec<String>,
    /// Paths with an unresolved conflict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicted: Vec<String>,
    /// Heads beside the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<String>,
    /// Needs that are no longer under the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_needs: Vec<String>,
}

/// Mirror of [`crate::scope::ScopeReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ScopeRecord {
    /// There is no map of groups: nothing was compared.
    Off,
    /// Every path was compared.
    Checked {
        /// Paths in groups that were not held.
        breaches: Vec<BreachRecord>,
        /// Paths in no group.
        unmapped: Vec<String>,
    },
}

/// A path in a group that was not held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachRecord {
    /// The path.
    pub path: String,
    /// The group.
    pub group: String,
}

/// The proof and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRecord {
    /// Who named it, and whether it counts.
    pub choice: ProofChoiceRecord,
    /// The command; absent when nobody named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Only the agent named it.
    pub self_checked: bool,
    /// How it ended; absent when it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<EndingRecord>,
    /// Its exit code, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The last lines of its output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// Mirror of [`mesh_core::evidence::ProofChoice`] without the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofChoiceRecord {
    /// The task or the configuration names it.
    Named,
    /// Only the agent names it.
    SelfChecked,
    /// It would prove nothing.
    Refused,
    /// Nobody names one.
    Nothing,
    /// A person set it aside for this attempt.
    Waived,
}

/// Why an attempt is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The class, by its word.
    pub class: String,
    /// What was seen.
    pub detail: String,
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
        let mut file = fs_err::File::create(&scratch)?;
        file.write_all(&text)?;
        file.sync_all()?;
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
        serde_json::from_slice(&bytes).map(Some).map_err(unreadable)
    }
}

#[cfg(test)]
#[path = "evidence_test.rs"]
mod tests;

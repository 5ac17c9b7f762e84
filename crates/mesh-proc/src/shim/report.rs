//! What a shim says: who it is while it lives, and how everything ended.

use super::spec::{SCHEMA, ShimSpec};
use crate::atomic;
use crate::sandbox::Enforced;
use crate::tree::Identity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The shim's child.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChildRecord {
    /// Number and start time.
    pub identity: Identity,
    /// When it was started, in Unix milliseconds.
    pub started_at_unix_ms: u64,
}

/// Who a shim is. Written twice: before the child is started, and right after.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShimRecord {
    /// Version of this format.
    pub schema: u32,
    /// The shim's number and start time.
    pub identity: Identity,
    /// The boot in which these numbers mean something.
    pub boot_id: String,
    /// The control group that the child is started in, where there could be one.
    #[serde(
        with = "crate::os_string_serde::optional_path",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub group: Option<PathBuf>,
    /// The child, once it is started.
    pub child: Option<ChildRecord>,
    /// The sandbox that the child is in, once it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Enforced>,
}

/// How the child ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum ChildEnd {
    /// It returned a code.
    Exited {
        /// The code, 0 to 255.
        code: i32,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// There never was a child.
    CouldNotStart {
        /// What the system said, for the user.
        reason: String,
    },
}

/// Why it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// By itself.
    Ended,
    /// Its time was over.
    HardLimit,
    /// It wrote more than its limit, noticed while it ran or only at its end.
    Flood,
    /// The shim was asked to stop it.
    Stopped,
}

/// A process that was still there after the child, or that had to be killed with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Killed {
    /// Its number.
    pub pid: u32,
    /// Its command line, for a person to read.
    pub command: String,
}

/// How everything ended. When it exists, nothing that descended from the child is left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExitReport {
    /// Version of this format.
    pub schema: u32,
    /// When the shim started, in Unix milliseconds.
    pub started_at_unix_ms: u64,
    /// When the child was started, in Unix milliseconds; absent when there was none.
    pub child_started_at_unix_ms: Option<u64>,
    /// When the last process of the tree was gone, in Unix milliseconds.
    pub ended_at_unix_ms: u64,
    /// How the child ended.
    pub ending: ChildEnd,
    /// Why it ended.
    pub cause: Cause,
    /// What had to be killed beside the child, at most [`ExitReport::LONGEST_LIST`].
    pub killed: Vec<Killed>,
    /// How many more were killed than `killed` lists.
    pub killed_more: u64,
    /// How much the child and its tree wrote to stdout.
    pub stdout_bytes: u64,
    /// How much they wrote to stderr; 0 when both streams are one file.
    pub stderr_bytes: u64,
}

impl ExitReport {
    /// Most entries of `killed`: a tree that forks without end must not fill the disk with its obituary.
    pub const LONGEST_LIST: usize = 200;
}

/// A file of a shim that cannot be used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system would not give it to us.
    #[error("{source}")]
    Io {
        /// What the system said, with the file named.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} does not hold what a shim writes: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where reading failed.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("{} has format {found}, this version reads up to {SCHEMA}: use the newer version", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version found in it.
        found: u32,
    },
}

/// The exit report at `path`; `None` when there is none (yet).
///
/// # Errors
/// [`ReadError`]. A report is renamed into its place, so half of one is never seen.
pub fn read_report(path: &Path) -> Result<Option<ExitReport>, ReadError> {
    read(path)
}

/// The spec at `path`; `None` when there is none.
///
/// # Errors
/// [`ReadError`].
pub fn read_spec(path: &Path) -> Result<Option<ShimSpec>, ReadError> {
    read(path)
}

/// The record at `path`; `None` when there is none (yet).
///
/// # Errors
/// [`ReadError`].
pub fn read_record(path: &Path) -> Result<Option<ShimRecord>, ReadError> {
    read(path)
}

/// Reads any of the versioned files of this module.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let bytes = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ReadError::Io { source }),
    };
    let unreadable = |error: serde_json::Error| ReadError::Unreadable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    };
    let version: Version = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if version.schema > SCHEMA {
        return Err(ReadError::Newer {
            path: path.to_path_buf(),
            found: version.schema,
        });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(unreadable)
}

/// Writes any of them.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    atomic::write(path, &bytes)
}

/// Now, in Unix milliseconds; 0 on a clock before 1970.
pub(super) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ExitReport {
        ExitReport {
            schema: SCHEMA,
            started_at_unix_ms: 1,
            child_started_at_unix_ms: Some(2),
            ended_at_unix_ms: 3,
            ending: ChildEnd::Exited { code: 7 },
            cause: Cause::Ended,
            killed: vec![Killed {
                pid: 9,
                command: "sleep 100".into(),
            }],
            killed_more: 0,
            stdout_bytes: 10,
            stderr_bytes: 0,
        }
    }

    #[test]
    fn a_report_comes_back_and_its_absence_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exit.json");
        assert_eq!(read_report(&path).unwrap(), None);
        for ending in [
            ChildEnd::Exited { code: 7 },
            ChildEnd::Signaled { signal: 9 },
            ChildEnd::CouldNotStart {
                reason: "no such program".into(),
            },
        ] {
            let written = ExitReport { ending, ..report() };
            write(&path, &written).unwrap();
            assert_eq!(read_report(&path).unwrap(), Some(written));
        }
    }

    #[test]
    fn what_is_no_report_is_said_and_a_newer_one_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exit.json");
        for text in ["", "{", "[]", "{\"schema\":1}", "\0\0\0\0"] {
            fs_err::write(&path, text).unwrap();
            assert!(
                matches!(read_report(&path), Err(ReadError::Unreadable { .. })),
                "{text:?}"
            );
        }
        fs_err::write(&path, "{\"schema\":2,\"other\":true}").unwrap();
        assert!(matches!(
            read_report(&path),
            Err(ReadError::Newer { found: 2, .. })
        ));
        assert!(matches!(
            read_report(folder.path()),
            Err(ReadError::Io { .. })
        ));
    }

    #[test]
    fn reports_of_format_1_stay_readable() {
        let json = r#"{"schema":1,"started_at_unix_ms":1,"child_started_at_unix_ms":2,"ended_at_unix_ms":3,
            "ending":{"how":"exited","code":7},"cause":"ended","killed":[{"pid":9,"command":"sleep 100"}],"killed_more":0,
            "stdout_bytes":10,"stderr_bytes":0}"#;
        assert_eq!(serde_json::from_str::<ExitReport>(json).unwrap(), report());
    }
}

//! `.mesh/results.jsonl`: every verified commit, so that later runs know what is done and where its work lies.
//!
//! One file for all runs, one JSON line each; a later line about a task replaces an earlier one. It must never lose a line that
//! was durable, whoever dies while writing.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions};
use mesh_core::decision::NeedCommit;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::task::Commit;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::append::{RawLines, sync_folder};
use crate::locks;
use crate::run_id::RunId;
use crate::timestamp::Timestamp;
use crate::wire::{WireError, from_line, is_false, to_line};

/// Which source a task belongs to: ids of two sources have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceKey {
    /// `bd`, `st`, `list` or `csv`.
    pub kind: String,
    /// What its ids are unique in: the tracker, or the plan file.
    pub id: String,
}

/// A verified result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ResultWire", into = "ResultWire")]
pub struct ResultRecord {
    /// The run that verified it.
    pub run: RunId,
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// The result.
    pub commit: Commit,
    /// What it stands on.
    pub needs: Vec<NeedCommit>,
    /// Where the task comes from.
    pub source: SourceKey,
    /// Only the agent named the proof, or there was none.
    pub self_checked: bool,
    /// Of the task's text at that time: a task whose text is another one is to be done again.
    pub text_fingerprint: String,
    /// When it was verified.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ResultWire {
    run: RunId,
    task: TaskId,
    attempt: u32,
    commit: Commit,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<NeedCommit>,
    source: SourceKey,
    #[serde(default, skip_serializing_if = "is_false")]
    self_checked: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text_fingerprint: String,
    at: Timestamp,
}

impl From<ResultRecord> for ResultWire {
    fn from(record: ResultRecord) -> ResultWire {
        ResultWire {
            run: record.run,
            task: record.attempt.task,
            attempt: record.attempt.number,
            commit: record.commit,
            needs: record.needs,
            source: record.source,
            self_checked: record.self_checked,
            text_fingerprint: record.text_fingerprint,
            at: record.at,
        }
    }
}

impl From<ResultWire> for ResultRecord {
    fn from(wire: ResultWire) -> ResultRecord {
        ResultRecord {
            run: wire.run,
            attempt: AttemptId {
                task: wire.task,
                number: wire.attempt,
            },
            commit: wire.commit,
            needs: wire.needs,
            source: wire.source,
            self_checked: wire.self_checked,
            text_fingerprint: wire.text_fingerprint,
            at: wire.at,
        }
    }
}

/// What keeps results from being written or read.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// The file system.
    #[error("cannot use the results in {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody has the file locked and does not let go.
    #[error("the results in {} stay locked by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
}

/// Appends a result. When this returns, it is durable.
///
/// # Errors
/// When the file cannot be locked within ten seconds or written; then it is as it was.
pub fn append(path: &Path, record: &ResultRecord) -> Result<(), ResultsError> {
    let disk = |source| ResultsError::Disk {
        path: path.to_owned(),
        source,
    };
    let new = !path.exists();
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let mut file = open.map_err(disk)?;
    lock(&file, path)?;
    let appended = append_locked(&mut file, path, record, new);
    // A child that another thread is just starting has a copy of the file: closing alone would not let go.
    let _ = file.file().unlock();
    appended
}

fn append_locked(
    file: &mut File,
    path: &Path,
    record: &ResultRecord,
    new: bool,
) -> Result<(), ResultsError> {
    let disk = |source| ResultsError::Disk {
        path: path.to_owned(),
        source,
    };
    let end = end_of_whole_lines(file).map_err(disk)?;
    let mut line = to_line(record);
    line.push('\n');
    // Half a line of somebody who died is overwritten; ours, if it fails, is taken back.
    let write = |file: &mut File| {
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    };
    if let Err(source) = write(file) {
        let _ = file.set_len(end);
        return Err(disk(source));
    }
    if let Some(folder) = path.parent().filter(|_| new) {
        sync_folder(folder).map_err(disk)?;
    }
    Ok(())
}

/// The lock is the kernel's and ends with the file.
fn lock(file: &File, path: &Path) -> Result<(), ResultsError> {
    match locks::lock_for_a_write(file.file()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ResultsError::Locked {
            path: path.to_owned(),
        }),
        Err(source) => Err(ResultsError::Disk {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Where the last whole line ends. Looks at the end of the file only.
fn end_of_whole_lines(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 4096;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(at).unwrap_or(u64::MAX) + 1);
        }
        end = start;
    }
    Ok(0)
}

/// All results of a repository.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    /// Those that could be read, oldest first.
    pub records: Vec<ResultRecord>,
    /// Lines that could not, with what is wrong; to be told to people. A torn last line is none of them.
    pub skipped: Vec<(usize, WireError)>,
}

/// Reads all results; none when there is no file yet.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(path: &Path) -> Result<Results, ResultsError> {
    let disk = |source| ResultsError::Disk {
        path: path.to_owned(),
        source,
    };
    let mut results = Results::default();
    let mut lines = match RawLines::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(results),
        lines => lines.map_err(disk)?,
    };
    while let Some(line) = lines.next_line().map_err(disk)? {
        if !line.ended {
            break;
        }
        match from_line(&line.bytes) {
            Ok(record) => results.records.push(record),
            Err(problem) => results.skipped.push((line.number, problem)),
        }
    }
    Ok(results)
}

impl Results {
    /// The newest result of `task` in `source`.
    #[must_use]
    pub fn latest_for(&self, source: &SourceKey, task: &TaskId) -> Option<&ResultRecord> {
        self.records
            .iter()
            .rev()
            .find(|record| record.source == *source && record.attempt.task == *task)
    }
}

#[cfg(test)]
#[path = "results_test.rs"]
mod tests;

//! Signs of life of an attempt.
//!
//! A write to a log is one, and costs two looks; work of its processes, which the caller looks at, is another. Only when both are old
//! is the workspace walked, with a bound on the number of entries. What counts is the time of the last status change, which every write, rename and unpacked archive sets and which no
//! program can set back or forward, unlike the time of the last modification.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most entries of a workspace that one walk looks at.
pub const MAX_ENTRIES: usize = 20_000;

/// Version control's own folders: the coordinator writes there too.
const SKIPPED: [&str; 2] = [".git", ".jj"];

/// Folders that hold many files; they come last, so that they cannot use up the bound before the sources are seen.
const LAST: [&str; 6] = ["node_modules", "target", ".venv", "venv", "build", "dist"];

/// Where the last sign of life was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// In one of the logs.
    Logs,
    /// In its processes.
    Processes,
    /// In the workspace.
    Workspace,
}

/// The last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// When, in milliseconds since 1970 by the system clock.
    pub unix_ms: u64,
    /// Where.
    pub sign: Sign,
}

/// The last sign of life in `logs`, in the processes (`processes_unix_ms`) or, if those are older than `fresh_after_unix_ms`, in
/// `workspace`. A walk ends at the first sign that is fresh: newer ones would change nothing. `None` when there is none at all.
#[must_use]
pub fn last_sign(
    logs: &[&Path],
    processes_unix_ms: Option<u64>,
    workspace: &Path,
    fresh_after_unix_ms: u64,
) -> Option<Activity> {
    let in_logs = logs
        .iter()
        .filter_map(|log| changed_at(&fs_err::symlink_metadata(log).ok()?))
        .max();
    let sign = |unix_ms: Option<u64>, sign| unix_ms.map(|unix_ms| Activity { unix_ms, sign });
    let near = [
        sign(in_logs, Sign::Logs),
        sign(processes_unix_ms, Sign::Processes),
    ];
    let near = near
        .into_iter()
        .flatten()
        .max_by_key(|activity| activity.unix_ms);
    if near.is_some_and(|near| near.unix_ms >= fresh_after_unix_ms) {
        return near;
    }
    let walked = sign(
        newest_in(workspace, fresh_after_unix_ms, MAX_ENTRIES),
        Sign::Workspace,
    );
    near.into_iter()
        .chain(walked)
        .max_by_key(|activity| activity.unix_ms)
}

/// The newest change below `root`, at most `most` entries looked at, no symbolic link followed.
fn newest_in(root: &Path, fresh_after_unix_ms: u64, most: usize) -> Option<u64> {
    let mut folders = VecDeque::from([root.to_path_buf()]);
    let mut large_folders = VecDeque::new();
    let mut newest = None;
    let mut looked_at = 0;
    while let Some(folder) = folders.pop_front().or_else(|| large_folders.pop_front()) {
        // A folder that vanishes while we look is a sign of life elsewhere; what cannot be read says nothing.
        let Ok(entries) = entries_of(&folder, most - looked_at) else {
            continue;
        };
        for (path, metadata) in entries {
            looked_at += 1;
            newest = newest.max(changed_at(&metadata));
            if newest.is_some_and(|newest| newest >= fresh_after_unix_ms) {
                return newest;
            }
            if metadata.is_dir() {
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                let is_large = LAST.contains(&name);
                if is_large {
                    &mut large_folders
                } else {
                    &mut folders
                }
                .push_back(path);
            }
        }
        if looked_at >= most {
            break;
        }
    }
    newest
}

fn entries_of(folder: &Path, most: usize) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let entries = fs_err::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(|entry| !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
    Ok(entries.take(most).collect())
}

fn changed_at(metadata: &Metadata) -> Option<u64> {
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let ms = u64::try_from(metadata.ctime_nsec()).ok()? / 1_000_000;
    Some(seconds.saturating_mul(1000).saturating_add(ms))
}

#[cfg(test)]
#[path = "activity_test.rs"]
mod tests;

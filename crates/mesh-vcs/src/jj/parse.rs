//! Parsers of what jj writes: bytes in, data or the reason why not.

use crate::model::{ChangeKind, Changed, CommitId, Listed};
use serde::Deserialize;
use std::path::PathBuf;

/// One commit as [`super::argv::STATES`] shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CommitState {
    pub commit: CommitId,
    pub parents: Vec<CommitId>,
    pub empty: bool,
    pub conflict: bool,
    pub described: bool,
    pub conflicted: Vec<PathBuf>,
}

/// One operation of the operation log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Operation {
    pub id: String,
    pub parents: Vec<String>,
    pub description: String,
    /// Name of the workspace that the command ran in; older operations have none.
    #[serde(default)]
    pub workspace_name: Option<String>,
}

/// A commit that an unpublished operation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub commit: CommitId,
    pub conflict: bool,
    pub conflicted: Vec<PathBuf>,
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn rubbish(line: &str) -> String {
    let shown: String = line.chars().take(80).collect();
    format!("the line {shown:?} is not what was asked for")
}

fn lines<T>(bytes: &[u8], one: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let text = text(bytes)?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("its last line is not complete".to_owned());
    }
    text.lines()
        .map(|line| one(line).ok_or_else(|| rubbish(line)))
        .collect()
}

/// Commit ids, one a line.
pub(crate) fn commit_ids(bytes: &[u8]) -> Result<Vec<CommitId>, String> {
    lines(bytes, |line| CommitId::new(line).ok())
}

/// [`super::argv::STATES`].
pub(crate) fn states(bytes: &[u8]) -> Result<Vec<CommitState>, String> {
    lines(bytes, |line| serde_json::from_str(line).ok())
}

/// [`super::argv::OPERATIONS`].
pub(crate) fn operations(bytes: &[u8]) -> Result<Vec<Operation>, String> {
    lines(bytes, |line| {
        serde_json::from_str(line)
            .ok()
            .filter(|op: &Operation| is_operation_id(&op.id))
    })
}

/// [`super::argv::CHANGES`]. A copy or a rename is shown by jj as such; here it is what it does to paths.
pub(crate) fn changes(bytes: &[u8]) -> Result<Vec<Changed>, String> {
    let mut changes = lines(bytes, |line| {
        let (status, path) = line.split_once('\t')?;
        let kind = match status {
            "A" | "C" | "R" => ChangeKind::Added,
            "M" => ChangeKind::Modified,
            "D" => ChangeKind::Removed,
            _ => return None,
        };
        Some(Changed {
            path: serde_json::from_str(path).ok()?,
            kind,
        })
    })?;
    changes.sort();
    Ok(changes)
}

/// [`super::argv::WORKSPACES`].
pub(crate) fn workspaces(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    lines(bytes, |line| {
        let mut fields = line.split('\t');
        let (name, root, commit) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        Some(Listed {
            name: serde_json::from_str(name).ok()?,
            path: serde_json::from_str(root).ok()?,
            commit: Some(serde_json::from_str(commit).ok()?),
        })
    })
}

/// [`super::argv::MADE`], newest first.
pub(crate) fn made_commits(bytes: &[u8]) -> Result<Vec<Made>, String> {
    lines(bytes, |line| {
        let mut fields = line.splitn(3, '\t');
        Some(Made {
            commit: CommitId::new(fields.next()?).ok()?,
            conflict: fields.next()?.parse().ok()?,
            conflicted: serde_json::from_str(fields.next()?).ok()?,
        })
    })
}

/// The operation id that `--no-integrate-operation` leaves on stderr, and nowhere else.
pub(crate) fn unpublished_operation(stderr: &str) -> Result<String, String> {
    stderr
        .lines()
        .filter_map(|line| line.split_once("--no-integrate-operation was requested: "))
        .map(|(_, id)| id.trim().to_owned())
        .rfind(|id| is_operation_id(id))
        .ok_or_else(|| "stderr names no unpublished operation".to_owned())
}

fn is_operation_id(id: &str) -> bool {
    id.len() >= 12 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a secondary workspace's `.jj/repo` file names: a path, relative to `.jj` since 0.39.
pub(crate) fn repo_link(bytes: &[u8]) -> Result<PathBuf, String> {
    let text = text(bytes)?.trim_end_matches('\n');
    if text.is_empty() || text.contains('\0') {
        Err("it names no path".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

//! Files that an agent wrote and the recorded commit does not hold, such as ignored ones: named in the report before they go with
//! the workspace. Never a reason to fail: what was claimed or proved is looked at elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mesh_vcs::{Snapshot, Workspace};

use crate::host::Host;

/// Folders that package managers and build tools fill: nobody misses what is in them.
pub(crate) const TOOL_FOLDERS: [&str; 12] = [
    "node_modules",
    "target",
    ".venv",
    "venv",
    ".tox",
    ".gradle",
    ".cache",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    "coverage",
];
/// How many files version control is asked about; of more, only their folders.
const MAX_ASKED: usize = 500;
/// How many files and folders are named.
const MAX_NAMED: usize = 10;
/// How far a file's time may lie before the moment it was written: files are stamped with the kernel's tick, up to 10 ms old.
const TICK_MS: i64 = 10;

/// A sentence about them, if there are any. `started_ms` is when the agent started.
pub(crate) fn sentence(
    host: &Host,
    workspace: &Workspace,
    snapshot: &Snapshot,
    started_ms: u64,
) -> Option<String> {
    let since = i64::try_from(started_ms).ok()?.saturating_sub(TICK_MS);
    let mut written = written_since(&workspace.path, since);
    let changed: BTreeSet<&Path> = snapshot
        .changed
        .iter()
        .map(|changed| changed.path.as_path())
        .collect();
    written.retain(|path| !changed.contains(path.as_path()));
    written.retain(|path| {
        !snapshot
            .unrecorded
            .iter()
            .any(|missing| path.starts_with(&missing.path))
    });
    let mut asked: Vec<&Path> = written.iter().map(PathBuf::as_path).collect();
    if asked.len() > MAX_ASKED {
        asked = written.iter().filter_map(|path| path.parent()).collect();
        asked.dedup();
        asked.truncate(MAX_ASKED);
    }
    let words: Vec<String> = asked
        .iter()
        .filter_map(|path| path.to_str().map(str::to_owned))
        .collect();
    if words.is_empty() {
        return None;
    }
    let missing = host
        .vcs
        .not_in_commit(workspace, &snapshot.commit, &words)
        .inspect_err(
            |error| tracing::warn!(%error, "what an agent left out of its commit is not known"),
        )
        .ok()?;
    named(&missing)
}

/// Files under `workspace` whose inode changed at or after `since`, in order; folders of tools and nested repositories left out.
/// What cannot be read is passed over.
fn written_since(workspace: &Path, since: i64) -> Vec<PathBuf> {
    let mut written = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(folder) = todo.pop() {
        let entries = fs_err::read_dir(workspace.join(&folder));
        for entry in entries.into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                let is_tools = name
                    .to_str()
                    .is_some_and(|name| TOOL_FOLDERS.contains(&name));
                let is_store = name == ".git" || name == ".jj";
                if !is_tools && !is_store && !workspace.join(&path).join(".git").exists() {
                    todo.push(path);
                }
            } else if name != ".git"
                && metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000 >= since
            {
                written.push(path);
            }
        }
    }
    written.sort();
    written
}

/// The files by name, or by their topmost folder where it has several.
fn named(files: &[String]) -> Option<String> {
    let mut by_top: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        let top = file.split('/').next().unwrap_or(file);
        by_top.entry(top).or_default().push(file);
    }
    let mut names: Vec<String> = by_top
        .iter()
        .map(|(top, files)| match files.as_slice() {
            [one] => (*one).to_owned(),
            several => format!("{top}/ ({} files)", several.len()),
        })
        .collect();
    if names.is_empty() {
        return None;
    }
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    Some(format!(
        "the agent wrote files that no commit holds: {}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_folder_with_several_is_named_once() {
        let said = named(&words(&[
            "build/a.o",
            "build/sub/b.o",
            "gen/one.js",
            "x.log",
        ]));
        let expected =
            "the agent wrote files that no commit holds: build/ (2 files), gen/one.js, x.log";
        assert_eq!(said.as_deref(), Some(expected));
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn only_what_is_new_and_not_of_a_tool_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in [
            "a/new.txt",
            "node_modules/x.js",
            ".git/HEAD",
            "sub/.git",
            "sub/y",
        ] {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs_err::write(path, "").expect("a file");
        }
        let everything = written_since(folder.path(), 0);
        assert_eq!(everything, [PathBuf::from("a/new.txt")]);
        assert!(written_since(folder.path(), i64::MAX).is_empty());
    }
}

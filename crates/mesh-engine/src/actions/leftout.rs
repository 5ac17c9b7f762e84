//! Files that an agent wrote and the recorded commit does not hold, such as ignored ones: named in the report before they go with
//! the workspace, and a reason to prove the commit without them. Never a failure by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mesh_core::id::AttemptId;
use mesh_core::process::Role;
use mesh_vcs::{CommitId, Workspace};

use crate::actions::folder;
use crate::context::RunContext;

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
/// Those in which a package manager puts what it installs.
const DEPENDENCIES: [&str; 3] = ["node_modules", ".venv", "venv"];
/// How deep below a workspace they are looked for.
const DEPENDENCIES_DEPTH: usize = 3;
/// How many files version control is asked about; of more, only their folders.
const MAX_ASKED: usize = 500;
/// How many files and folders are named.
const MAX_NAMED: usize = 10;
/// How far a file's time may lie before the moment it was written: files are stamped with the kernel's tick, up to 10 ms old.
const TICK_MS: i64 = 10;

/// When an agent ran, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub from_ms: u64,
    pub to_ms: u64,
}

impl Ran {
    /// From when the attempt's agent was launched, or that of the first one before it in the same workspace, until its end was
    /// reported. What the report gives as the start may be later than what the agent did first.
    pub fn of(context: &RunContext, attempt: &AttemptId) -> Option<Ran> {
        let folder = |number| {
            let task = attempt.task.clone();
            let dir = context.run_dir.attempt(&AttemptId { task, number });
            dir.path().to_path_buf()
        };
        let workspace = |number| Some(folder::load(&folder(number)).ok()??.path);
        let agent = |number| {
            let task = attempt.task.clone();
            AttemptId { task, number }.process(Role::Agent)
        };
        let own = workspace(attempt.number)?;
        let first = (1..=attempt.number).find(|&number| workspace(number).as_ref() == Some(&own));
        Some(Ran {
            from_ms: context.executor.launched_unix_ms(&agent(first?))?,
            to_ms: context
                .executor
                .report(&agent(attempt.number))?
                .ended_unix_ms,
        })
    }
}

/// Those files that were written while the agent ran and are in neither the commit nor `known`.
pub(crate) fn files(
    context: &RunContext,
    workspace: &Workspace,
    commit: &CommitId,
    known: &BTreeSet<&Path>,
    ran: Ran,
) -> Vec<String> {
    let since = i64::try_from(ran.from_ms)
        .unwrap_or(i64::MAX)
        .saturating_sub(TICK_MS);
    let until = i64::try_from(ran.to_ms).unwrap_or(i64::MAX);
    let mut written = written_between(&workspace.path, since, until);
    written.retain(|path| !path.ancestors().any(|path| known.contains(path)));
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
        return words;
    }
    let missing = context
        .vcs_gate
        .pass(|| context.vcs.not_in_commit(workspace, commit, &words));
    missing
        .inspect_err(
            |error| tracing::warn!(%error, "what an agent left out of its commit is not known"),
        )
        .unwrap_or_default()
}

/// Files under `workspace` whose inode changed in this time, in order; folders of tools and nested repositories left out. What
/// cannot be read is passed over.
fn written_between(workspace: &Path, since: i64, until: i64) -> Vec<PathBuf> {
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
                continue;
            }
            let at = metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000;
            if name != ".git" && (since..=until).contains(&at) {
                written.push(path);
            }
        }
    }
    written.sort();
    written
}

/// Folders of installed packages, relative to `workspace`.
pub(crate) fn dependencies(workspace: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(PathBuf::new(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        let entries = fs_err::read_dir(workspace.join(&folder));
        for entry in entries.into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name();
            let is_one_of =
                |names: &[&str]| name.to_str().is_some_and(|name| names.contains(&name));
            let path = folder.join(&name);
            if is_one_of(&DEPENDENCIES) {
                found.push(path);
            } else if depth < DEPENDENCIES_DEPTH && !is_one_of(&TOOL_FOLDERS) && name != ".git" {
                todo.push((path, depth + 1));
            }
        }
    }
    found
}

/// A sentence about the files: by name, or by their topmost folder where it has several.
pub(crate) fn sentence(files: &[String]) -> Option<String> {
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
        let said = sentence(&words(&[
            "build/a.o",
            "build/sub/b.o",
            "gen/one.js",
            "x.log",
        ]));
        let expected =
            "the agent wrote files that no commit holds: build/ (2 files), gen/one.js, x.log";
        assert_eq!(said.as_deref(), Some(expected));
        assert_eq!(sentence(&[]), None);
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
        let everything = written_between(folder.path(), 0, i64::MAX);
        assert_eq!(everything, [PathBuf::from("a/new.txt")]);
        assert!(written_between(folder.path(), 0, 1).is_empty());
    }
}

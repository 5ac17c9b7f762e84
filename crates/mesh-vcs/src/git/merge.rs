//! Merging without a working copy.

use super::{Git, parse};
use crate::agent_env::{EMAIL, NAME};
use crate::call::{Span, args};
use crate::error::VcsError;
use crate::model::CommitId;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Whose commit it is.
pub(super) enum Author {
    /// The user's; ours when the user has no identity configured.
    User,
    /// Ours, at a given second: the same input gives the same commit.
    Ours { seconds: String },
    /// Somebody's, taken over with its date from another commit.
    Of(CommitId),
}

/// The commit that several parents are joined to, and the paths in conflict.
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub commit: CommitId,
    pub conflicted: Vec<PathBuf>,
}

/// What stands for `parents`: the only one itself, or a merge that is a function of them alone, so that asking again, in a later
/// process too, gives the same commit. Files in conflict hold markers.
pub(super) fn join(git: &Git, parents: &[CommitId]) -> Result<Join, VcsError> {
    let Some((first, others)) = parents.split_first() else {
        return Err(VcsError::UnknownRevision {
            revision: String::new(),
        });
    };
    if others.is_empty() {
        return Ok(Join {
            commit: first.clone(),
            conflicted: Vec::new(),
        });
    }
    let author = Author::Ours {
        seconds: newest_second(git, parents)?,
    };
    let mut conflicted = BTreeSet::new();
    let mut so_far = first.clone();
    let mut tree = None;
    for (index, other) in others.iter().enumerate() {
        let merged = merge_trees(git, &so_far, other)?;
        conflicted.extend(merged.conflicted);
        if index + 1 < others.len() {
            so_far = commit_tree(
                git,
                &merged.tree,
                &[so_far, other.clone()],
                "Join of prerequisites, in part",
                &author,
            )?;
        }
        tree = Some(merged.tree);
    }
    let tree = tree.unwrap_or_else(|| first.clone());
    let commit = commit_tree(git, &tree, parents, "Join of prerequisites", &author)?;
    Ok(Join {
        commit,
        conflicted: conflicted.into_iter().collect(),
    })
}

fn newest_second(git: &Git, commits: &[CommitId]) -> Result<String, VcsError> {
    let known: Option<Vec<u64>> = {
        let known = git.known();
        commits.iter().map(|commit| known.second(commit)).collect()
    };
    if let Some(newest) = known.and_then(|seconds| seconds.into_iter().max()) {
        return Ok(newest.to_string());
    }
    let mut command = args!["show", "--no-patch", "--no-show-signature", "--format=%ct"];
    command.extend(commits.iter().map(|commit| OsString::from(commit.as_str())));
    let answer = git.run(command)?;
    let seconds = answer.parse(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let seconds: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
        seconds
            .ok()
            .and_then(|all| all.into_iter().max())
            .ok_or_else(|| "it has no dates".to_owned())
    })?;
    Ok(seconds.to_string())
}

/// Merges two commits over their common ancestor; conflicts are in the result.
pub(super) fn merge_trees(
    git: &Git,
    ours: &CommitId,
    theirs: &CommitId,
) -> Result<parse::MergedTree, VcsError> {
    let command = args![
        "merge-tree",
        "--write-tree",
        "--allow-unrelated-histories",
        "-z",
        "--name-only",
        "--no-messages",
        ours.as_str(),
        theirs.as_str(),
    ];
    let answer = git.ask_at(&git.main_root, command, Span::Long, &[])?;
    match answer.code() {
        Some(0 | 1) => answer.parse(parse::merged_tree),
        _ => Err(answer.failure()),
    }
}

/// Applies what `from` → `to` changed onto `onto`. `merge-tree` of 2.38 takes no merge base, so it is given one: a commit with
/// the tree of `onto` whose only parent is `from`, which `to` descends from.
pub(super) fn apply(
    git: &Git,
    from: &CommitId,
    to: &CommitId,
    onto: &CommitId,
) -> Result<parse::MergedTree, VcsError> {
    let author = Author::Ours {
        seconds: "0".to_owned(),
    };
    let tree = git.tree_of(onto)?;
    let stand_in = commit_tree(git, &tree, std::slice::from_ref(from), "Stand-in", &author)?;
    merge_trees(git, &stand_in, to)
}

/// Makes a commit object. No ref moves, no hook runs, nothing is signed.
pub(super) fn commit_tree(
    git: &Git,
    tree: &CommitId,
    parents: &[CommitId],
    message: &str,
    author: &Author,
) -> Result<CommitId, VcsError> {
    let mut command = args!["commit-tree", tree.as_str()];
    for parent in parents {
        command.extend(args!["-p", parent.as_str()]);
    }
    command.extend(args!["-m", message]);
    let variables = author_variables(git, author)?;
    let extra: Vec<(&str, &OsStr)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_os_str()))
        .collect();
    let answer = git.ask_at(&git.main_root, command, Span::Short, &extra)?;
    let commit = super::succeeded(answer)?.parse(parse::one_commit)?;
    git.known().add(&commit, tree, parents);
    Ok(commit)
}

fn author_variables(git: &Git, author: &Author) -> Result<Vec<(&'static str, OsString)>, VcsError> {
    let mut variables: Vec<(&'static str, OsString)> = Vec::new();
    if !git.has_identity || matches!(author, Author::Ours { .. }) {
        variables.extend([
            ("GIT_COMMITTER_NAME", NAME.into()),
            ("GIT_COMMITTER_EMAIL", EMAIL.into()),
        ]);
        variables.extend([
            ("GIT_AUTHOR_NAME", NAME.into()),
            ("GIT_AUTHOR_EMAIL", EMAIL.into()),
        ]);
    }
    match author {
        Author::User => {}
        Author::Ours { seconds } => {
            let date = OsString::from(format!("@{seconds} +0000"));
            variables.extend([
                ("GIT_AUTHOR_DATE", date.clone()),
                ("GIT_COMMITTER_DATE", date),
            ]);
        }
        Author::Of(commit) => {
            let answer = git.run(args![
                "show",
                "--no-patch",
                "--no-show-signature",
                "--format=%an%x00%ae%x00%ad",
                "--date=raw",
                commit.as_str()
            ])?;
            let text = answer.stdout_text();
            let mut fields = text.trim_end_matches('\n').split('\0');
            let (Some(name), Some(email), Some(date)) =
                (fields.next(), fields.next(), fields.next())
            else {
                return Err(answer.unreadable("it has no author"));
            };
            let filled = |text: &str, other: &str| {
                if text.trim().is_empty() {
                    other.to_owned()
                } else {
                    text.to_owned()
                }
            };
            variables.retain(|(name, _)| !name.starts_with("GIT_AUTHOR_"));
            variables.extend([
                ("GIT_AUTHOR_NAME", filled(name, NAME).into()),
                ("GIT_AUTHOR_EMAIL", filled(email, EMAIL).into()),
                ("GIT_AUTHOR_DATE", format!("@{date}").into()),
            ]);
        }
    }
    Ok(variables)
}

/// The message of a commit.
pub(super) fn message_of(git: &Git, commit: &CommitId) -> Result<String, VcsError> {
    let answer = git.run(args![
        "show",
        "--no-patch",
        "--no-show-signature",
        "--format=%B",
        commit.as_str()
    ])?;
    Ok(answer.stdout_text().trim_end().to_owned())
}

//! Putting a result onto a branch: in objects that no ref names, proved in a scratch worktree, published by compare-and-swap.

use super::{Git, merge, parse};
use crate::call::{Span, args};
use crate::error::VcsError;
use crate::model::{Candidate, CommitId, Integration, Landing, Publication};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::PoisonError;

/// The full name of a branch, if git allows it.
pub(super) fn branch(git: &Git, target: &str) -> Result<String, VcsError> {
    let answer = git.ask_at(
        &git.main_root,
        args!["check-ref-format", "--branch", target],
        Span::Short,
        &[],
    )?;
    // `@{-1}` is allowed there and means another branch.
    if answer.output.status.is_success() && answer.stdout_text().trim_end() == target {
        return Ok(format!("refs/heads/{target}"));
    }
    Err(VcsError::BadTarget {
        target: target.to_owned(),
        problem: "is not a name that a branch can have".to_owned(),
    })
}

fn position(git: &Git, name: &str) -> Result<Option<CommitId>, VcsError> {
    match git.resolve(&git.main_root, name) {
        Ok(commit) => Ok(Some(commit)),
        Err(VcsError::UnknownRevision { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// See [`crate::Repository::target`].
pub(super) fn target(git: &Git, target: &str) -> Result<CommitId, VcsError> {
    position(git, &branch(git, target)?)?.ok_or_else(|| VcsError::BadTarget {
        target: target.to_owned(),
        problem: "does not exist: make it with `git branch`, or name another branch".to_owned(),
    })
}

pub(super) fn checked_out_at(git: &Git, name: &str) -> Result<Option<PathBuf>, VcsError> {
    let worktrees = git.worktrees_at(&git.main_root)?;
    Ok(worktrees
        .into_iter()
        .find(|tree| tree.branch.as_deref() == Some(name))
        .map(|tree| tree.path))
}

/// See [`crate::Repository::integrate`].
pub(super) fn integrate(git: &Git, landing: &Landing) -> Result<Integration, VcsError> {
    let name = branch(git, &landing.target)?;
    let from = self::target(git, &landing.target)?;
    if let Some(at) = checked_out_at(git, &name)? {
        return Ok(Integration::CheckedOut { at });
    }
    let own = range(git, &landing.tip, &landing.without)?;
    if git.is_in_any(&landing.tip, std::slice::from_ref(&from))? || own.is_empty() {
        return Ok(Integration::AlreadyThere { at: from });
    }
    let above = range(git, &landing.tip, std::slice::from_ref(&from))?;
    let straight = above == own && git.is_in_any(&from, std::slice::from_ref(&landing.tip))?;
    let copies = if straight {
        Vec::new()
    } else {
        match copy(git, &own, landing, &from)? {
            Copied::Conflict(paths) => return Ok(Integration::Conflict { paths }),
            Copied::Commits(commits) if commits.is_empty() => {
                return Ok(Integration::AlreadyThere { at: from });
            }
            Copied::Commits(commits) => commits,
        }
    };
    Ok(Integration::Candidate(Candidate {
        from,
        to: copies.last().unwrap_or(&landing.tip).clone(),
        copies,
    }))
}

/// Commits that `tip` has and none of `without`, oldest first.
fn range(
    git: &Git,
    tip: &CommitId,
    without: &[CommitId],
) -> Result<Vec<parse::WithParents>, VcsError> {
    let mut command = args![
        "rev-list",
        "--topo-order",
        "--reverse",
        "--parents",
        tip.as_str()
    ];
    command.extend(
        without
            .iter()
            .map(|commit| OsString::from(format!("^{commit}"))),
    );
    git.run(command)?.parse(parse::with_parents)
}

enum Copied {
    Commits(Vec<CommitId>),
    Conflict(Vec<PathBuf>),
}

/// Copies the attempt's own commits onto `onto`: one by one where they are a chain, else all in one commit.
fn copy(
    git: &Git,
    own: &[parse::WithParents],
    landing: &Landing,
    onto: &CommitId,
) -> Result<Copied, VcsError> {
    let is_own = |commit: &CommitId| own.iter().any(|one| one.commit == *commit);
    // The merge of the needs that the workspace was made on carries nothing of the attempt's own.
    let is_join =
        |one: &parse::WithParents| one.parents.len() > 1 && !one.parents.iter().any(is_own);
    let work: Vec<&parse::WithParents> = own.iter().filter(|one| !is_join(one)).collect();
    let Some(first) = work.first() else {
        return Ok(Copied::Commits(Vec::new()));
    };
    let chain = work.iter().all(|one| one.parents.len() == 1)
        && work
            .windows(2)
            .all(|pair| pair[1].parents[0] == pair[0].commit)
        && work.last().is_some_and(|last| last.commit == landing.tip);
    let steps: Vec<(CommitId, CommitId)> = if chain {
        work.iter()
            .map(|one| (one.parents[0].clone(), one.commit.clone()))
            .collect()
    } else {
        let mut below: Vec<CommitId> = own
            .iter()
            .flat_map(|one| one.parents.iter().filter(|parent| !is_own(parent)).cloned())
            .collect();
        if below.is_empty() {
            below.push(first.commit.clone());
        }
        let heads = crate::backend::Repository::heads(git, &below)?;
        vec![(merge::join(git, &heads)?.commit, landing.tip.clone())]
    };
    let mut made = Vec::new();
    let mut at = onto.clone();
    for (from, to) in steps {
        let merged = merge::apply(git, &from, &to, &at)?;
        if !merged.conflicted.is_empty() {
            return Ok(Copied::Conflict(merged.conflicted));
        }
        // What the target has already would be an empty commit.
        if merged.tree == git.tree_of(&at)? {
            continue;
        }
        let message = merge::message_of(git, &to)?;
        at = merge::commit_tree(git, &merged.tree, &[at], &message, &merge::Author::Of(to))?;
        made.push(at.clone());
    }
    Ok(Copied::Commits(made))
}

/// See [`crate::Repository::publish`].
pub(super) fn publish(
    git: &Git,
    target: &str,
    candidate: &Candidate,
) -> Result<Publication, VcsError> {
    let name = &branch(git, target)?;
    let Candidate { from, to, .. } = candidate;
    let found = position(git, name)?;
    if let Some(now) = found.as_ref().filter(|now| *now != from) {
        // A coordinator before this one may have moved it, and others gone on from there.
        return Ok(if git.is_in_any(to, std::slice::from_ref(now))? {
            Publication::Moved
        } else {
            Publication::TargetMoved { found }
        });
    }
    // Again: the proof may have taken long.
    if let Some(at) = checked_out_at(git, name)? {
        return Ok(Publication::CheckedOut { at });
    }
    let command = args![
        "update-ref",
        "-m",
        "mesh: land",
        name,
        to.as_str(),
        from.as_str()
    ];
    let moved = (target.to_owned(), to.clone());
    git.moved
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(moved);
    let answer = git.ask_at(&git.main_root, command, Span::Short, &[])?;
    let found = position(git, name)?;
    if found.as_ref() == Some(to) {
        return Ok(Publication::Moved);
    }
    if found.as_ref() == Some(from) {
        return Err(answer.failure());
    }
    Ok(Publication::TargetMoved { found })
}

/// See [`crate::Repository::withdraw`]. No ref names the copies: they go with the next collection.
pub(super) fn withdraw(_: &Git, _: &Candidate) -> Result<(), VcsError> {
    Ok(())
}

//! Putting a result onto a bookmark.
//!
//! Copies, never a rebase: a rebase would move what others stand on. The copies are made in an operation that nobody sees and
//! looked at there; only what merges is published, still below no bookmark; only what is proved moves the bookmark. `latest(…)`
//! is not a way to find the new tip (wrong for stacks, ties within a second): it is what this very operation added.

use super::parse::Made;
use super::{Jj, argv};
use crate::call::Span;
use crate::error::VcsError;
use crate::model::{Candidate, CommitId, Integration, Landing, Publication};
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// The commits that the unpublished `operation` made, newest first.
pub(super) fn made_in(jj: &Jj, operation: &str) -> Result<Vec<Made>, VcsError> {
    let command = argv::log_at_operation(operation, "all() ~ at_operation(@-, all())", argv::MADE);
    jj.on_store(command)?.parse(super::parse::made_commits)
}

fn bookmark(name: &str) -> String {
    format!("bookmarks(exact:{})", argv::quoted(name))
}

pub(super) fn targets(jj: &Jj, target: &str) -> Result<Vec<CommitId>, VcsError> {
    jj.commits(&bookmark(target))
}

/// A command at the main working copy, which exports bookmarks to git under jj's lock, without looking at its files.
pub(super) fn at_main(jj: &Jj, command: Vec<std::ffi::OsString>) -> Result<(), VcsError> {
    jj.program
        .run(
            &jj.main_root,
            &jj.store_args(&jj.main_root, command),
            Span::Short,
            &[],
        )
        .map(|_| ())
}

/// See [`crate::Repository::integrate`].
pub(super) fn integrate(jj: &Jj, landing: &Landing) -> Result<Integration, VcsError> {
    let from = target(jj, &landing.target)?;
    let own_revset = format!("({})..{}", argv::any_of(&landing.without), landing.tip);
    let own = jj.states(&own_revset)?;
    let missing: BTreeSet<CommitId> = jj
        .commits(&format!("({own_revset}) ~ ::{from}"))?
        .into_iter()
        .collect();
    if missing.is_empty() {
        return Ok(Integration::AlreadyThere { at: from });
    }
    let above: BTreeSet<CommitId> = jj
        .commits(&format!("{from}..{}", landing.tip))?
        .into_iter()
        .collect();
    let straight = above == own.iter().map(|state| state.commit.clone()).collect()
        && jj.is_below(&from, &landing.tip)?;
    if straight {
        let paths: BTreeSet<_> = own
            .iter()
            .flat_map(|state| state.conflicted.iter().cloned())
            .collect();
        if own.iter().any(|state| state.conflict) {
            return Ok(Integration::Conflict {
                paths: paths.into_iter().collect(),
            });
        }
        return Ok(Integration::Candidate(Candidate {
            from,
            to: landing.tip.clone(),
            copies: Vec::new(),
        }));
    }
    let answer = jj.on_store(argv::unpublished_duplicate(&own_revset, &from))?;
    let operation = super::parse::unpublished_operation(&answer.stderr())
        .map_err(|reason| answer.unreadable(reason))?;
    let made = made_in(jj, &operation)?;
    if made.iter().any(|made| made.conflict) {
        let paths: BTreeSet<_> = made
            .iter()
            .flat_map(|made| made.conflicted.iter().cloned())
            .collect();
        return Ok(Integration::Conflict {
            paths: paths.into_iter().collect(),
        });
    }
    if made.len() != own.len() {
        return Err(answer.unreadable(format!(
            "{} commits were copied instead of {}",
            made.len(),
            own.len()
        )));
    }
    // A result that landed as a copy before: the target has all of it, and another copy would be empty.
    if made.iter().all(|made| made.empty) {
        return Ok(Integration::AlreadyThere { at: from });
    }
    jj.on_store(argv::integrate(&operation))?;
    let copies: Vec<CommitId> = made.into_iter().rev().map(|made| made.commit).collect();
    let tips = jj.commits(&format!("heads({})", argv::any_of(&copies)))?;
    let [to] = tips.as_slice() else {
        abandon(jj, &copies)?;
        return Err(answer.unreadable(format!(
            "the copies have {} heads instead of one",
            tips.len()
        )));
    };
    Ok(Integration::Candidate(Candidate {
        from,
        to: to.clone(),
        copies,
    }))
}

/// See [`crate::Repository::target`].
pub(super) fn target(jj: &Jj, target: &str) -> Result<CommitId, VcsError> {
    let problem = |problem: &str| VcsError::BadTarget {
        target: target.to_owned(),
        problem: problem.to_owned(),
    };
    let mut found = targets(jj, target)?;
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(problem(
            "does not exist: make it with `jj bookmark create`, or name another bookmark",
        )),
        (Some(_), _) => Err(problem(
            "points at several commits: settle it with `jj bookmark set`",
        )),
    }
}

/// See [`crate::Repository::publish`].
///
/// jj has no compare-and-swap for bookmarks. Three checks stand in for one: the target is read again just before; jj refuses to
/// move it to anything but a descendant; and it is read again after, because of two racing moves both succeed and leave it split,
/// in which case ours is taken back.
pub(super) fn publish(
    jj: &Jj,
    target: &str,
    candidate: &Candidate,
) -> Result<Publication, VcsError> {
    let moved = |found: &[CommitId]| Publication::TargetMoved {
        found: if let [one] = found {
            Some(one.clone())
        } else {
            None
        },
    };
    let now = targets(jj, target)?;
    if now != [candidate.from.clone()] {
        // A coordinator before this one may have moved it, and others gone on from there.
        return match now.as_slice() {
            [one] if jj.is_below(&candidate.to, one)? => Ok(Publication::Moved),
            _ => Ok(moved(&now)),
        };
    }
    let moved_by_us = (target.to_owned(), candidate.to.clone());
    jj.moved
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(moved_by_us);
    let set = at_main(jj, argv::bookmark_set(target, &candidate.to));
    let now = targets(jj, target)?;
    if now == [candidate.to.clone()] {
        return Ok(Publication::Moved);
    }
    let others: Vec<CommitId> = now
        .iter()
        .filter(|commit| **commit != candidate.to)
        .cloned()
        .collect();
    if now.len() > others.len() {
        if let [theirs] = others.as_slice() {
            at_main(jj, argv::bookmark_set_back(target, theirs))?;
        }
        return Ok(moved(&others));
    }
    match set {
        Err(error) if now == [candidate.from.clone()] => Err(error),
        _ => Ok(moved(&now)),
    }
}

/// See [`crate::Repository::withdraw`]. What is gone already, or landed meanwhile, is left alone.
pub(super) fn withdraw(jj: &Jj, candidate: &Candidate) -> Result<(), VcsError> {
    if candidate.copies.is_empty() {
        return Ok(());
    }
    abandon(jj, &candidate.copies)
}

/// Never what lies below a bookmark: abandoning that would move the bookmark.
fn abandon(jj: &Jj, copies: &[CommitId]) -> Result<(), VcsError> {
    let present: Vec<String> = copies
        .iter()
        .map(|copy| format!("present({copy})"))
        .collect();
    let revset = format!("({}) ~ ::bookmarks()", present.join("|"));
    jj.on_store(argv::abandon(&revset)).map(|_| ())
}

impl Jj {
    /// Whether `commit` is an ancestor of `of`, or the same.
    fn is_below(&self, commit: &CommitId, of: &CommitId) -> Result<bool, VcsError> {
        Ok(!self.commits(&format!("{commit} & ::{of}"))?.is_empty())
    }
}

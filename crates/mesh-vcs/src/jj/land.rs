//! Putting a result onto a bookmark.
//!
//! Copies, never a rebase: a rebase would move what others stand on. The copies are made in an operation that nobody sees and
//! looked at there; only what merges is published, still below no bookmark; only what is proved moves the bookmark. `latest(…)`
//! is not a way to find the new tip (wrong for stacks, ties within a second): it is what this very operation added.

use super::parse::Made;
use super::{Jj, argv};
use crate::call::Span;
use crate::error::VcsError;
use crate::folder;
use crate::model::{CommitId, Integrated, Landed, Landing, NewWorkspace, Prove};
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

fn targets(jj: &Jj, target: &str) -> Result<Vec<CommitId>, VcsError> {
    jj.commits(&bookmark(target))
}

/// A command at the main working copy, which exports bookmarks to git under jj's lock, without looking at its files.
fn at_main(jj: &Jj, command: Vec<std::ffi::OsString>) -> Result<(), VcsError> {
    jj.program
        .run(
            &jj.main_root,
            &jj.store_args(&jj.main_root, command),
            Span::Short,
            &[],
        )
        .map(|_| ())
}

/// See [`crate::Repository::land`].
pub(super) fn land(jj: &Jj, landing: &Landing, prove: &mut Prove<'_>) -> Result<Landed, VcsError> {
    let from = target(jj, &landing.target)?;
    let own_revset = format!("({})..{}", argv::any_of(&landing.without), landing.tip);
    let own = jj.states(&own_revset)?;
    let missing: BTreeSet<CommitId> = jj
        .commits(&format!("({own_revset}) ~ ::{from}"))?
        .into_iter()
        .collect();
    if missing.is_empty() {
        return Ok(Landed::AlreadyThere { at: from });
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
            return Ok(Landed::Conflict {
                paths: paths.into_iter().collect(),
            });
        }
        let commits: Vec<CommitId> = own.into_iter().rev().map(|state| state.commit).collect();
        let candidate = Candidate {
            from,
            to: landing.tip.clone(),
            commits,
            copied: false,
        };
        return prove_and_move(jj, landing, candidate, prove);
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
        return Ok(Landed::Conflict {
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
        return Ok(Landed::AlreadyThere { at: from });
    }
    jj.on_store(argv::integrate(&operation))?;
    let commits: Vec<CommitId> = made.into_iter().rev().map(|made| made.commit).collect();
    let tips = jj.commits(&format!("heads({})", argv::any_of(&commits)))?;
    let [to] = tips.as_slice() else {
        drop_copies(jj, &commits);
        return Err(answer.unreadable(format!(
            "the copies have {} heads instead of one",
            tips.len()
        )));
    };
    let candidate = Candidate {
        from,
        to: to.clone(),
        commits,
        copied: true,
    };
    prove_and_move(jj, landing, candidate, prove)
}

/// What may become the target.
struct Candidate {
    from: CommitId,
    to: CommitId,
    commits: Vec<CommitId>,
    /// Whether the commits are copies of ours, to be dropped again when they do not land.
    copied: bool,
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

fn prove_and_move(
    jj: &Jj,
    landing: &Landing,
    candidate: Candidate,
    prove: &mut Prove<'_>,
) -> Result<Landed, VcsError> {
    let result = prove_in_scratch(jj, landing, &candidate, prove).and_then(|proved| match proved {
        Ok(()) => move_target(jj, landing, &candidate),
        Err(reason) => Ok(Landed::ProofFailed { reason }),
    });
    if candidate.copied && !matches!(result, Ok(Landed::Moved { .. })) {
        drop_copies(jj, &candidate.commits);
    }
    result
}

fn prove_in_scratch(
    jj: &Jj,
    landing: &Landing,
    candidate: &Candidate,
    prove: &mut Prove<'_>,
) -> Result<Result<(), String>, VcsError> {
    let new = NewWorkspace {
        name: landing.scratch_name.clone(),
        path: landing.scratch_path.clone(),
        parents: vec![candidate.to.clone()],
        message: String::new(),
    };
    let scratch = match super::workspace::add(jj, &new) {
        // One landing at a time, so it is what a killed one left.
        Err(VcsError::NameTaken { .. } | VcsError::InTheWay { .. })
            if new.path.join(".jj").is_dir() =>
        {
            super::workspace::forget(jj, &new.name)?;
            folder::remove(&jj.workspaces_root, &new.path)?;
            super::workspace::add(jj, &new)?
        }
        added => added?,
    };
    let tree = Integrated {
        path: &scratch.path,
        commit: &candidate.to,
        unchanged: !candidate.copied,
    };
    let proved = prove(&tree);
    // What the proof wrote goes with the folder: jj is not asked to record it.
    super::workspace::forget(jj, &scratch.name)?;
    folder::remove(&jj.workspaces_root, &scratch.path)?;
    Ok(proved)
}

/// jj has no compare-and-swap for bookmarks. Three checks stand in for one: the target is read again just before; jj refuses to
/// move it to anything but a descendant; and it is read again after, because of two racing moves both succeed and leave it split,
/// in which case ours is taken back.
fn move_target(jj: &Jj, landing: &Landing, candidate: &Candidate) -> Result<Landed, VcsError> {
    let moved = |found: &[CommitId]| Landed::TargetMoved {
        expected: candidate.from.clone(),
        found: if let [one] = found {
            Some(one.clone())
        } else {
            None
        },
    };
    let now = targets(jj, &landing.target)?;
    if now != [candidate.from.clone()] {
        return Ok(moved(&now));
    }
    let moved_by_us = (landing.target.clone(), candidate.to.clone());
    jj.moved
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(moved_by_us);
    let set = at_main(jj, argv::bookmark_set(&landing.target, &candidate.to));
    let now = targets(jj, &landing.target)?;
    if now == [candidate.to.clone()] {
        return Ok(Landed::Moved {
            from: candidate.from.clone(),
            to: candidate.to.clone(),
            commits: candidate.commits.clone(),
        });
    }
    let others: Vec<CommitId> = now
        .iter()
        .filter(|commit| **commit != candidate.to)
        .cloned()
        .collect();
    if now.len() > others.len() {
        if let [theirs] = others.as_slice() {
            at_main(jj, argv::bookmark_set_back(&landing.target, theirs))?;
        }
        return Ok(moved(&others));
    }
    match set {
        Err(error) if now == [candidate.from.clone()] => Err(error),
        _ => Ok(moved(&now)),
    }
}

/// Copies that did not land. Nothing stands on them: they were made here, and the scratch workspace is gone.
fn drop_copies(jj: &Jj, copies: &[CommitId]) {
    if let Err(error) = jj.on_store(argv::abandon(&argv::any_of(copies))) {
        tracing::warn!(%error, "copies of a result that did not land stay as visible commits");
    }
}

impl Jj {
    /// Whether `commit` is an ancestor of `of`, or the same.
    fn is_below(&self, commit: &CommitId, of: &CommitId) -> Result<bool, VcsError> {
        Ok(!self.commits(&format!("{commit} & ::{of}"))?.is_empty())
    }
}

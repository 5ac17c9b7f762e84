//! What an attempt left: recorded, compared with what it stood on, and set back after a proof.
//!
//! After a snapshot the result is never a workspace's `@`: a fresh `@` is put on it, so that what a proof writes cannot rewrite
//! the recorded commit.

use super::parse::{CommitState, Inspected, Operation};
use super::{Jj, argv, git_store, reattach, unrecorded};
use crate::call::{Answer, Span};
use crate::claim;
use crate::error::VcsError;
use crate::model::{Changed, CommitId, Snapshot, Workspace};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

/// How many empty commits on top of the work are passed over. An agent that makes more of them gets the rest as its result.
const MAX_EMPTY: usize = 100;
/// How many operations are looked at first when strays are searched.
const FIRST_OPERATIONS: u32 = 256;
/// How many operations one query names.
const OPERATIONS_A_QUERY: usize = 64;

/// See [`crate::Repository::snapshot`].
pub(super) fn snapshot(
    jj: &Jj,
    workspace: &Workspace,
    claimed: &[String],
) -> Result<Snapshot, VcsError> {
    let answer = on_recorded_files(jj, workspace, argv::record(&workspace.parents))?;
    let (at, found) = result(jj, workspace, &answer)?;
    let tip = find_tip(jj, workspace, at.clone())?;
    // jj drops an empty commit without a description by itself; one with a description is dropped with the workspace.
    let below = (tip.commit != at.commit).then_some(at);
    jj.known().moved_on.insert(workspace.name.clone(), below);
    // Empty commits on top of the tip have the same ancestors but for themselves, so what was said of them holds for the tip.
    let of = |wanted: fn(&Inspected) -> bool| -> Vec<&Inspected> {
        found.iter().flatten().filter(|one| wanted(one)).collect()
    };
    let changed = match &found {
        Some(_) => changes(jj, workspace, &tip, &of(|one| one.head))?,
        None => changes_on_all(jj, workspace, &tip)?,
    };
    let missing = of(|one| one.missing);
    let missing_needs: Vec<CommitId> = workspace
        .parents
        .iter()
        .filter(|parent| missing.iter().any(|one| one.state.commit == **parent))
        .cloned()
        .collect();
    if missing_needs.is_empty() && !workspace.parents.contains(&tip.commit) {
        let ancestry = &mut jj.known().ancestry;
        if tip.parents == workspace.parents {
            ancestry.set_parents(&tip.commit, &tip.parents);
        } else {
            ancestry.set_stands_on(&tip.commit, &workspace.parents);
        }
    }
    let strays = match of(|one| one.left).is_empty() {
        true => Vec::new(),
        false => strays(jj, workspace, &tip.commit)?,
    };
    let unrecorded = unrecorded::find(jj, workspace, &tip.commit, &changed, claimed)?;
    let mut conflicted = tip.conflicted;
    conflicted.sort();
    Ok(Snapshot {
        commit: tip.commit,
        no_change: changed.is_empty(),
        changed,
        conflicted,
        strays,
        missing_needs,
        unrecorded,
        remains: Vec::new(),
    })
}

/// What the workspace's fresh `@` stands on, and, unless it stands on all that the workspace was made on and nothing was left beside
/// it, what there is to know of that.
fn result(
    jj: &Jj,
    workspace: &Workspace,
    answer: &Answer,
) -> Result<(CommitState, Option<Vec<Inspected>>), VcsError> {
    let mut told = super::parse::told(&answer.stderr());
    told.retain(|one| !one.here);
    let state = match told.as_slice() {
        [one] if !one.left && one.stands_on.len() == workspace.parents.len() => {
            if one.stands_on.iter().all(|stands| *stands) {
                return Ok((one.state.clone(), None));
            }
            one.state.clone()
        }
        [one] => one.state.clone(),
        _ => {
            let mut below = jj.states(&format!("{}@-", argv::quoted(&workspace.name)))?;
            match (below.pop(), below.is_empty()) {
                (Some(state), true) => state,
                _ => return Err(answer.unreadable("its result is not one commit".to_owned())),
            }
        }
    };
    let found = jj.on_store(argv::inspected(&state.commit, &workspace.parents))?;
    Ok((state, Some(found.parse(super::parse::inspected)?)))
}

/// Runs `command`, which names the workspace's working-copy commit, when disk and that commit have been brought together, whatever
/// others did to the workspace's place in the repository: the files on disk win.
fn on_recorded_files(
    jj: &Jj,
    workspace: &Workspace,
    command: Vec<OsString>,
) -> Result<Answer, VcsError> {
    let reattached = || {
        reattach::reattach(jj, workspace)?;
        jj.on_files(&workspace.path, command.clone())
    };
    if reattach::is_unfinished(jj, workspace) {
        return reattached();
    }
    if !workspace.path.is_dir() {
        let reason = format!("{} is not there", workspace.path.display());
        return Err(VcsError::WorkspaceGone {
            name: workspace.name.clone(),
            reason,
        });
    }
    if !reattach::is_of_repository(jj, workspace) {
        return reattached();
    }
    match jj.on_files(&workspace.path, command.clone()) {
        // Where it is not listed, nothing was recorded.
        Err(VcsError::Failed { stderr, .. })
            if ["stale", "sibling", "doesn't have a working-copy commit"]
                .iter()
                .any(|reason| stderr.contains(reason)) =>
        {
            reattached()
        }
        result => result,
    }
}

pub(super) fn working_copy(jj: &Jj, workspace: &Workspace) -> Result<CommitState, VcsError> {
    jj.working_copy_state(&workspace.name)?
        .ok_or_else(|| VcsError::WorkspaceGone {
            name: workspace.name.clone(),
            reason: "jj does not list it: it was forgotten or renamed".to_owned(),
        })
}

/// The newest commit that has something in it: empty commits with one parent are passed over, down to what the workspace stood on.
fn find_tip(jj: &Jj, workspace: &Workspace, at: CommitState) -> Result<CommitState, VcsError> {
    let mut tip = at;
    for _ in 0..MAX_EMPTY {
        let [parent] = tip.parents.as_slice() else {
            break;
        };
        if !tip.empty || workspace.parents.contains(&tip.commit) {
            break;
        }
        let below = jj.states(parent.as_str())?.into_iter().next();
        tip = below.ok_or_else(|| VcsError::UnknownRevision {
            revision: parent.to_string(),
        })?;
    }
    Ok(tip)
}

/// Paths that differ between the merged parents and `tip`, which stands on all of them.
fn changes_on_all(
    jj: &Jj,
    workspace: &Workspace,
    tip: &CommitState,
) -> Result<Vec<Changed>, VcsError> {
    if workspace.parents.contains(&tip.commit) {
        return Ok(Vec::new());
    }
    let start = match workspace.parents.as_slice() {
        // Of a conflict git has a tree of its own kind.
        _ if !workspace.conflicted.is_empty() => None,
        [parent] => Some(parent.clone()),
        _ => jj.known().starts.get(&workspace.name).cloned(),
    };
    if let Some(start) = start.filter(|_| !tip.conflict)
        && let Ok(Some(changed)) = git_store::changes(jj, &start, &tip.commit)
    {
        return Ok(changed);
    }
    match workspace.parents.as_slice() {
        [parent] => diff(jj, argv::diff(parent.as_str(), tip.commit.as_str())),
        several => diff_of_range(jj, several, &tip.commit),
    }
}

/// Paths that differ between those of the workspace's parents that `tip` stands on, of which `below` are the heads, and `tip`.
fn changes(
    jj: &Jj,
    workspace: &Workspace,
    tip: &CommitState,
    below: &[&Inspected],
) -> Result<Vec<Changed>, VcsError> {
    if workspace.parents.contains(&tip.commit) {
        return Ok(Vec::new());
    }
    match below {
        // Nothing of what it stood on is left: compared with the first of it, and reported as missing.
        [] => diff(
            jj,
            argv::diff(workspace.parents[0].as_str(), tip.commit.as_str()),
        ),
        // Of a conflict git has a tree of its own kind.
        [one] if !one.state.conflict && !tip.conflict => {
            match git_store::changes(jj, &one.state.commit, &tip.commit)? {
                Some(changed) => Ok(changed),
                None => diff(
                    jj,
                    argv::diff(one.state.commit.as_str(), tip.commit.as_str()),
                ),
            }
        }
        [one] => diff(
            jj,
            argv::diff(one.state.commit.as_str(), tip.commit.as_str()),
        ),
        several => {
            let below: Vec<CommitId> = several.iter().map(|one| one.state.commit.clone()).collect();
            diff_of_range(jj, &below, &tip.commit)
        }
    }
}

/// Paths that differ between several parents together and `tip`.
fn diff_of_range(jj: &Jj, parents: &[CommitId], tip: &CommitId) -> Result<Vec<Changed>, VcsError> {
    let range = format!("({})..{tip}", argv::any_of(parents));
    match diff(jj, argv::diff_range(&range)) {
        // jj refuses a range whose commits do not all stand on the same parents, as after a merge made by the agent.
        Err(VcsError::Failed { stderr, .. }) if stderr.contains("gaps") => {
            diff_with_merge(jj, parents, tip)
        }
        result => result,
    }
}

fn diff(jj: &Jj, command: Vec<std::ffi::OsString>) -> Result<Vec<Changed>, VcsError> {
    jj.on_store(command)?.parse(super::parse::changes)
}

/// A patch as jj writes it: of a binary file it says only that it differs.
pub(super) fn patch(jj: &Jj, workspace: &Workspace, tip: &CommitId) -> Result<Vec<u8>, VcsError> {
    let parents = argv::any_of(&workspace.parents);
    let answer = jj.on_store(argv::patch(&format!("({parents})..{tip}")))?;
    Ok(answer.stdout().to_vec())
}

/// Compares with a merge that exists only in an operation that nobody sees.
fn diff_with_merge(
    jj: &Jj,
    parents: &[CommitId],
    tip: &CommitId,
) -> Result<Vec<Changed>, VcsError> {
    let answer = jj.on_store(argv::unpublished_merge(parents))?;
    let operation = super::parse::unpublished_operation(&answer.stderr())
        .map_err(|reason| answer.unreadable(reason))?;
    let made = super::land::made_in(jj, &operation)?;
    let [merge] = made.as_slice() else {
        return Err(answer.unreadable(format!("{} commits were made instead of one", made.len())));
    };
    let mut command = vec!["--at-op".into(), operation.into()];
    command.extend(argv::diff(merge.commit.as_str(), tip.as_str()));
    diff(jj, command)
}

/// Visible heads that the agent made and left behind: neither below the result nor some workspace's `@`. What was hidden at the
/// agent's last operation was not left by it: somebody else's `undo` or `op restore` brought it back.
fn strays(jj: &Jj, workspace: &Workspace, tip: &CommitId) -> Result<Vec<CommitId>, VcsError> {
    let mut known = workspace.parents.clone();
    known.push(tip.clone());
    let heads = format!(
        "visible_heads() ~ ::({}) ~ working_copies()",
        argv::any_of(&known)
    );
    let mut operations = operations_of(jj, &workspace.name)?;
    operations.retain(|operation| !operation.is_ours());
    let Some(last) = operations.first() else {
        return Ok(Vec::new());
    };
    let heads = format!("({heads}) & at_operation({}, all())", last.id);
    let mut strays = BTreeSet::new();
    for some in operations.chunks(OPERATIONS_A_QUERY) {
        let made: Vec<String> = some.iter().map(made_by).collect();
        strays.extend(jj.commits(&format!("({heads}) & ({})", made.join(" | ")))?);
    }
    Ok(strays.into_iter().collect())
}

/// Revset of the commits that an operation added.
fn made_by(operation: &Operation) -> String {
    let mut revset = format!("(at_operation({}, all())", operation.id);
    for parent in &operation.parents {
        revset.push_str(&format!(" ~ at_operation({parent}, all())"));
    }
    revset.push(')');
    revset
}

/// The operations of commands that ran in the workspace `name`, since it was added, newest first.
pub(super) fn operations_of(jj: &Jj, name: &str) -> Result<Vec<Operation>, VcsError> {
    let mut most = Some(FIRST_OPERATIONS);
    loop {
        let operations = jj
            .on_store(argv::operations(most))?
            .parse(super::parse::operations)?;
        let is_add = |op: &Operation| {
            op.description.starts_with("add workspace") && op.description.contains(name)
        };
        let complete = most.is_none_or(|most| (operations.len() as u64) < u64::from(most));
        if complete || operations.iter().any(is_add) {
            return Ok(operations
                .into_iter()
                .filter(|op| op.ran_in(name))
                .collect());
        }
        most = most
            .and_then(|most| most.checked_mul(8))
            .filter(|most| *most < 1 << 20);
    }
}

/// See [`crate::Repository::not_in_commit`].
pub(super) fn not_in_commit(
    jj: &Jj,
    workspace: &Workspace,
    commit: &CommitId,
    words: &[String],
) -> Result<Vec<String>, VcsError> {
    let claims = claim::named_by_command(&workspace.path, words);
    let paths = claims.iter().map(|claim| claim.path.clone()).collect();
    let missing = unrecorded::not_in_commit(jj, commit, paths)?;
    Ok(claims
        .into_iter()
        .filter(|claim| missing.contains(&claim.path))
        .map(|claim| claim.word)
        .collect())
}

/// See [`crate::Repository::discard_changes_since`].
pub(super) fn discard(
    jj: &Jj,
    workspace: &Workspace,
    result: &CommitId,
) -> Result<Vec<PathBuf>, VcsError> {
    let here = format!("{}@", argv::quoted(&workspace.name));
    let answer = on_recorded_files(jj, workspace, argv::diff(result.as_str(), &here))?;
    let changed = answer.parse(super::parse::changes)?;
    if !changed.is_empty() {
        jj.program.run(
            &workspace.path,
            &jj.files_args(&workspace.path, argv::restore_from(result)),
            Span::Long,
            &[],
        )?;
    }
    Ok(changed.into_iter().map(|changed| changed.path).collect())
}

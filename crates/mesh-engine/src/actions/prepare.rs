//! Workspaces of attempts that may start next, made while what they wait for is at work. A cache: no record tells of them, what a
//! coordinator leaves behind the next one removes, and an attempt whose workspace is not here makes it itself.
//!
//! A workspace is first made on the run's base, and moved onto the results of the attempt's needs once these are recorded, while
//! their proofs run.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex};

use mesh_core::decision::NeedCommit;
use mesh_core::id::AttemptId;
use mesh_core::state::State;
use mesh_core::upcoming::Upcoming;
use mesh_vcs::{CommitId, NewWorkspace, VcsError, Workspace};

use crate::actions::{folder, prove};
use crate::context::{RunContext, lock};
use crate::workers;

/// Prepared workspaces, by the attempt they are for.
#[derive(Default)]
pub(crate) struct Prepared {
    workspaces: Mutex<BTreeMap<AttemptId, Place>>,
}

/// The place of one workspace.
#[derive(Clone)]
struct Place {
    /// What the workspace is to stand on, as far as it is known.
    needs: Option<Vec<NeedCommit>>,
    /// Held while the workspace is worked on.
    made: Arc<Mutex<Option<Made>>>,
}

struct Made {
    workspace: Workspace,
    /// It stands on the base, and has no description yet.
    is_draft: bool,
}

/// Sees to it that what may start next finds a workspace.
pub(crate) fn prepare(context: &Arc<RunContext>, state: &State) {
    let most = usize::from(state.policy().concurrency) * 2;
    for Upcoming { attempt, needs } in state.upcoming() {
        {
            let mut workspaces = lock(&context.prepared.workspaces);
            let room = workspaces.len() < most;
            match workspaces.entry(attempt.clone()) {
                Entry::Occupied(place) if place.get().needs == needs => continue,
                Entry::Occupied(mut place) => place.get_mut().needs = needs,
                Entry::Vacant(_) if !room => continue,
                Entry::Vacant(place) => {
                    place.insert(Place {
                        needs,
                        made: Arc::default(),
                    });
                }
            }
        }
        let (ours, theirs) = (Arc::clone(context), Arc::clone(context));
        let (same, id) = (attempt.clone(), attempt);
        workers::spawn(
            &*context.workers,
            move || work(&ours, &same),
            move |problem| {
                tracing::error!(attempt = %id, problem, "a worker that prepared a workspace panicked");
                lock(&theirs.prepared.workspaces).remove(&id);
            },
        );
    }
}

fn work(context: &RunContext, attempt: &AttemptId) {
    let place = |context: &RunContext| lock(&context.prepared.workspaces).get(attempt).cloned();
    let Some(first) = place(context) else {
        return;
    };
    let mut made = lock(&first.made);
    // What is wanted may be another one since, or nothing because the attempt has begun.
    let Some(wanted) = place(context).filter(|now| Arc::ptr_eq(&now.made, &first.made)) else {
        return;
    };
    let worked = match &wanted.needs {
        Some(needs) => context.vcs_gate.pass(|| {
            let new = described(context, attempt, needs)?;
            let workspace = match made.take() {
                Some(made) => finish(context, made, &new)?,
                None => add(context, &new)?,
            };
            Ok(Made {
                workspace,
                is_draft: false,
            })
        }),
        None if made.is_some() => return,
        // There is time: what others wait for goes first.
        None => context.vcs_gate.pass_behind(|| draft(context, attempt)),
    };
    match worked {
        Ok(workspace) => *made = Some(workspace),
        Err(error) => {
            // Its place stays: what may be left of it is removed at the end.
            tracing::warn!(%attempt, %error, "its workspace could not be prepared; it is made when the attempt starts");
        }
    }
}

/// A workspace on the run's base, without a description.
fn draft(context: &RunContext, attempt: &AttemptId) -> Result<Made, VcsError> {
    let parents = context.vcs.heads(&context.base)?;
    let mut new = folder::prepared_workspace(context, attempt, parents, "")?;
    new.message = String::new();
    Ok(Made {
        workspace: add(context, &new)?,
        is_draft: true,
    })
}

/// What the attempt's workspace is to be on these needs.
fn described(
    context: &RunContext,
    attempt: &AttemptId,
    needs: &[NeedCommit],
) -> Result<NewWorkspace, VcsError> {
    let (parents, title) = (parents(context, needs)?, title(context, attempt));
    let new = folder::prepared_workspace(context, attempt, parents, &title)?;
    Ok(new)
}

fn title(context: &RunContext, attempt: &AttemptId) -> String {
    let details = context.details(&attempt.task);
    details.map(|details| details.title).unwrap_or_default()
}

/// The base and what is needed, without what others of them stand on.
fn parents(context: &RunContext, needs: &[NeedCommit]) -> Result<Vec<CommitId>, VcsError> {
    let mut parents = context.base.clone();
    for need in needs {
        parents.push(CommitId::new(need.commit.0.clone())?);
    }
    match needs {
        // There is nothing to reduce, and no call to make.
        [] => Ok(parents),
        _ => context.vcs.heads(&parents),
    }
}

/// The attempt starts: its workspace, on its needs and `onto`. The prepared one if there is one that can be used.
pub(crate) fn workspace(
    context: &RunContext,
    attempt: &AttemptId,
    needs: &[NeedCommit],
    onto: Option<&str>,
) -> Result<Workspace, VcsError> {
    let place = lock(&context.prepared.workspaces).remove(attempt);
    let made = place.and_then(|place| lock(&place.made).take());
    context.vcs_gate.pass(|| {
        let mut parents = parents(context, needs)?;
        if let Some(onto) = onto {
            parents.push(context.vcs.target(onto)?);
            parents = context.vcs.heads(&parents)?;
        }
        let new = folder::new_workspace(context, attempt, parents, &title(context, attempt))?;
        match made {
            Some(made) => finish(context, made, &new),
            None => add(context, &new),
        }
    })
}

/// Makes of a prepared workspace the one that is wanted.
fn finish(context: &RunContext, made: Made, new: &NewWorkspace) -> Result<Workspace, VcsError> {
    let Made {
        workspace,
        is_draft,
    } = made;
    if !is_draft && workspace.parents == new.parents {
        return Ok(workspace);
    }
    if is_draft {
        match context.vcs.move_workspace(&workspace, new) {
            Ok(workspace) => return Ok(workspace),
            Err(error) => {
                tracing::warn!(name = new.name, %error, "a prepared workspace could not be moved; it is made anew");
            }
        }
    }
    context.vcs.discard(&workspace)?;
    context.vcs.add_workspace(new)
}

fn add(context: &RunContext, new: &NewWorkspace) -> Result<Workspace, VcsError> {
    // A coordinator that died may have made it already; nobody has worked in it, and half-made ones are not worth a look.
    if new.path.symlink_metadata().is_ok()
        && let Some(half) = context.vcs.workspace(&new.name)?
    {
        context.vcs.discard(&half)?;
    }
    context.vcs.add_workspace(new)
}

/// Removes what was prepared and is not used: nothing starts any more.
pub(crate) fn remove_all(context: &RunContext) {
    let places = std::mem::take(&mut *lock(&context.prepared.workspaces));
    for (attempt, place) in places {
        // Whoever works on it is waited for.
        let _made = lock(&place.made).take();
        remove(context, &attempt);
    }
}

/// Removes what a coordinator before this one prepared, or had begun to make, for attempts that have not begun.
pub(crate) fn remove_leftovers(context: &RunContext, state: &State) {
    for at in state.plan().all() {
        if state.task(at).active().is_none() {
            let task = state.plan().task(at).id.clone();
            let number = state.task(at).attempts + 1;
            remove(context, &AttemptId { task, number });
        }
    }
}

/// Removes the workspace that was prepared for an attempt, and what is left of one.
fn remove(context: &RunContext, attempt: &AttemptId) {
    let note = context.run_dir.prepared(attempt);
    if !note.exists() {
        return;
    }
    let removed = folder::prepared_workspace(context, attempt, context.base.clone(), "")
        .map_err(VcsError::from)
        .and_then(|new| {
            // What lies there without either is none of ours: it was put there before anything was made.
            match [".git", ".jj"]
                .iter()
                .any(|own| new.path.join(own).exists())
            {
                true => context
                    .vcs_gate
                    .pass(|| prove::discard_if_there(context, &new)),
                false => Ok(()),
            }
        })
        .and_then(|()| Ok(fs_err::remove_file(note)?));
    if let Err(error) = removed {
        context.notes.note(format!(
            "the workspace that was prepared for {attempt} was not removed: {error}"
        ));
    }
}

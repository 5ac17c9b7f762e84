//! The steps of a landing: joining a result with the target, the proof on the integrated tree, moving the target. Which result is
//! next and what follows is decided in the core.

use std::sync::Arc;

use mesh_core::event::Event;
use mesh_core::evidence::{Ending, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_core::landing::{Candidate, Integration, Publication};
use mesh_core::process::{Role, Tree};
use mesh_core::task::Commit;
use mesh_vcs::{CommitId, Landing, NewWorkspace, VcsError, name};

use crate::actions::start::run_setup;
use crate::actions::{folder, output, ports, prove};
use crate::context::RunContext;
use crate::workers;

const PROOF: Role = Role::Proof(Tree::Integrated);
/// What an attempt's processes on an integrated tree are.
pub(crate) const ROLES: [Role; 2] = [Role::Setup(Tree::Integrated), PROOF];

/// Joins the attempt's result with `onto`. What a landing before it left is removed first.
pub(crate) fn integrate(
    context: &RunContext,
    attempt: &AttemptId,
    landing: u32,
    tip: &Commit,
    onto: &str,
    replaces: Option<&Candidate>,
) {
    if let Some(candidate) = replaces {
        withdraw(context, attempt, candidate);
    }
    let integration = forget_proof(context, attempt)
        .map_err(|error| error.to_string())
        .and_then(|()| try_integrate(context, attempt, tip, onto))
        .unwrap_or_else(|reason| Integration::Refused { reason });
    context.report(Event::Integrated {
        attempt: attempt.clone(),
        landing,
        integration,
    });
}

/// The reports of a proof for a landing before this one must not be taken for its own after a crash: while one of them stays,
/// nothing is landed.
fn forget_proof(context: &RunContext, attempt: &AttemptId) -> std::io::Result<()> {
    context.executor.end(attempt, &ROLES);
    context.executor.forget(&attempt.process(PROOF))
}

fn try_integrate(
    context: &RunContext,
    attempt: &AttemptId,
    tip: &Commit,
    onto: &str,
) -> Result<Integration, String> {
    let folder = context.run_dir.attempt(attempt).path().to_path_buf();
    let workspace = folder::load(&folder)
        .map_err(|error| error.to_string())?
        .ok_or("what it was made on is not known any more")?;
    let landing = Landing {
        target: onto.to_owned(),
        tip: id(tip).map_err(|error| error.to_string())?,
        without: workspace.parents,
    };
    let integrated = context.vcs_gate.pass(|| context.vcs.integrate(&landing));
    Ok(match integrated.map_err(|error| error.to_string())? {
        mesh_vcs::Integration::Candidate(candidate) => Integration::Candidate(Candidate {
            from: commit(&candidate.from),
            to: commit(&candidate.to),
            copies: candidate.copies.iter().map(commit).collect(),
        }),
        mesh_vcs::Integration::AlreadyThere { at } => Integration::AlreadyThere {
            commit: commit(&at),
        },
        mesh_vcs::Integration::Conflict { paths } => Integration::Conflict {
            paths: paths
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        },
        mesh_vcs::Integration::CheckedOut { at } => Integration::Refused {
            reason: checked_out(onto, &at),
        },
    })
}

fn checked_out(onto: &str, at: &std::path::Path) -> String {
    format!(
        "{onto} is checked out in {}; moving it would make that copy look edited",
        at.display()
    )
}

/// Starts the proof on the integrated tree, in a workspace of its own. Its end is told by [`tell_end`].
pub(crate) fn prove(
    context: &RunContext,
    attempt: &AttemptId,
    landing: u32,
    command: &str,
    candidate: &Candidate,
) {
    context.executor.end(attempt, &ROLES);
    match start(context, attempt, command, candidate) {
        Ok(()) => context.executor.watch(&attempt.process(PROOF)),
        Err(cause) => report(
            context,
            attempt,
            landing,
            Ending::CouldNotStart(cause),
            String::new(),
        ),
    }
}

fn start(
    context: &RunContext,
    attempt: &AttemptId,
    command: &str,
    candidate: &Candidate,
) -> Result<(), String> {
    let process = attempt.process(PROOF);
    let to = id(&candidate.to).map_err(|error| error.to_string())?;
    let new = scratch(context, attempt, vec![to]);
    let workspace = context
        .vcs_gate
        .pass(|| prove::add_anew(context, &new))
        .map_err(|error| error.to_string())?;
    let mut facts = prove::fresh_facts(context, &process, &workspace)?;
    facts.ports = ports::of_landing(context, &process.attempt);
    run_setup(context, &facts, Tree::Integrated).map_err(prove::text_of)?;
    prove::launch(context, command, &facts, &process)
}

/// The proof's process has ended: tells how, from a worker.
pub(crate) fn tell_end(context: &Arc<RunContext>, attempt: &AttemptId, landing: u32) {
    let (id, same) = (attempt.clone(), attempt.clone());
    workers::tell_end(
        context,
        attempt,
        &ROLES,
        move |context| {
            let process = id.process(PROOF);
            let ending = context.executor.ending(&process);
            let tail = output::of_command(context, &process, &ending);
            report(context, &id, landing, ending, tail);
        },
        move |cause| Event::LandingProved {
            attempt: same,
            landing,
            proof: ProofEnd::of(Ending::CouldNotStart(cause)),
        },
    );
}

/// What the proof wrote goes with its workspace: nobody is asked to record it.
fn report(context: &RunContext, attempt: &AttemptId, landing: u32, ending: Ending, tail: String) {
    remove_scratch(context, attempt);
    context.report(Event::LandingProved {
        attempt: attempt.clone(),
        landing,
        proof: ProofEnd {
            ending,
            tail,
            passed_in_workspace: false,
        },
    });
}

/// Moves `onto` to the candidate.
pub(crate) fn publish(
    context: &RunContext,
    attempt: &AttemptId,
    landing: u32,
    onto: &str,
    candidate: &Candidate,
) {
    let published = vcs_candidate(candidate).and_then(|candidate| {
        context
            .vcs_gate
            .pass(|| context.vcs.publish(onto, &candidate))
    });
    let publication = match published {
        Ok(mesh_vcs::Publication::Moved) => Publication::Moved {
            commit: candidate.to.clone(),
        },
        Ok(mesh_vcs::Publication::TargetMoved { .. }) => Publication::TargetMoved,
        Ok(mesh_vcs::Publication::CheckedOut { at }) => Publication::Refused {
            reason: checked_out(onto, &at),
        },
        Err(error) => Publication::Refused {
            reason: error.to_string(),
        },
    };
    context.report(Event::Published {
        attempt: attempt.clone(),
        landing,
        publication,
    });
}

/// Drops what was made for a candidate that does not land.
pub(crate) fn withdraw(context: &RunContext, attempt: &AttemptId, candidate: &Candidate) {
    context.executor.end(attempt, &ROLES);
    remove_scratch(context, attempt);
    let withdrawn = vcs_candidate(candidate)
        .and_then(|candidate| context.vcs_gate.pass(|| context.vcs.withdraw(&candidate)));
    if let Err(error) = withdrawn {
        tracing::warn!(%attempt, %error, "copies of a result that did not land stay as visible commits");
    }
}

/// The workspace in which the integrated tree is proved.
fn scratch(context: &RunContext, attempt: &AttemptId, parents: Vec<CommitId>) -> NewWorkspace {
    let (task, number) = (attempt.task.as_str(), attempt.number);
    let folder = format!(
        "{}+land+{}",
        name::workspace_folder(task, number),
        context.run
    );
    NewWorkspace {
        name: format!("{}+land", name::workspace_name(&context.run, task, number)),
        path: context.vcs.workspaces_root().join(folder),
        parents,
        message: String::new(),
    }
}

fn remove_scratch(context: &RunContext, attempt: &AttemptId) {
    let new = scratch(context, attempt, Vec::new());
    let removed = context
        .vcs_gate
        .pass(|| prove::discard_if_there(context, &new));
    if let Err(error) = removed {
        tracing::warn!(%attempt, %error, "the workspace of a landing was not removed");
    }
}

fn id(commit: &Commit) -> Result<CommitId, VcsError> {
    CommitId::new(commit.0.clone())
}

fn commit(id: &CommitId) -> Commit {
    Commit(id.as_str().to_owned())
}

fn vcs_candidate(candidate: &Candidate) -> Result<mesh_vcs::Candidate, VcsError> {
    Ok(mesh_vcs::Candidate {
        from: id(&candidate.from)?,
        to: id(&candidate.to)?,
        copies: candidate.copies.iter().map(id).collect::<Result<_, _>>()?,
    })
}

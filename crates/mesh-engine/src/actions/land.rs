//! The steps of a landing: joining a result with the target, the proof on the integrated tree, moving the target. Which result is
//! next and what follows is decided in the core.

use std::sync::Arc;

use mesh_agent::launch::{self, CommandKind};
use mesh_core::event::Event;
use mesh_core::evidence::{Ending, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_core::landing::{Candidate, Integration, Publication};
use mesh_core::task::Commit;
use mesh_proc::shim::ShimHandle;
use mesh_vcs::{CommitId, Landing, NewWorkspace, VcsError, name};

use crate::actions::{folder, output, process, prove, start, stop};
use crate::context::RunContext;
use crate::inbox::{Process, Role};
use crate::workers;

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
    end_leftovers(context, attempt);
    let process = context.run_dir.attempt(attempt).landing_proof();
    for stale in [process.exit_json(), process.shim_json()] {
        match fs_err::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
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

/// Starts the proof on the integrated tree, in a workspace of its own. Its end is told by [`watch_end`].
pub(crate) fn prove(
    context: &Arc<RunContext>,
    attempt: &AttemptId,
    landing: u32,
    command: &str,
    candidate: &Candidate,
) {
    end_leftovers(context, attempt);
    match launch(context, attempt, command, candidate) {
        Ok(live) => context.watch(
            Process {
                attempt: attempt.clone(),
                role: Role::LandingProof,
            },
            live,
        ),
        Err(cause) => report(
            context,
            attempt,
            landing,
            Ending::CouldNotStart(cause),
            String::new(),
        ),
    }
}

fn launch(
    context: &Arc<RunContext>,
    attempt: &AttemptId,
    command: &str,
    candidate: &Candidate,
) -> Result<ShimHandle, String> {
    let process = context.run_dir.attempt(attempt).landing_proof();
    let folder = process.path();
    fs_err::create_dir_all(folder).map_err(|error| error.to_string())?;
    let commit = id(&candidate.to).map_err(|error| error.to_string())?;
    let new = scratch(context, attempt, vec![commit]);
    let workspace = context
        .vcs_gate
        .pass(|| prove::add_anew(context, &new))
        .map_err(|error| error.to_string())?;
    let facts = prove::facts(context, attempt, &workspace, folder)?;
    start::run_setup(context, &facts, &process.setup()).map_err(prove::text_of)?;
    let launch = launch::command(
        CommandKind::Proof,
        command,
        &context.profile,
        &facts,
        &context.ours,
    )
    .map_err(|error| error.to_string())?;
    process::start(context, attempt, &launch, folder, &prove::limits(context))
}

/// The shim of the proof has ended: tells how, from a thread of its own.
pub(crate) fn watch_end(context: &Arc<RunContext>, attempt: AttemptId, landing: u32) {
    let (theirs, ours) = (Arc::clone(context), Arc::clone(context));
    let same = attempt.clone();
    workers::spawn(
        move || {
            let process = theirs.run_dir.attempt(&same).landing_proof();
            let ending = process::ending(&theirs, &same, process.path());
            let tail = output::of_command(&theirs, process.path());
            report(&theirs, &same, landing, ending, tail);
        },
        move |problem| {
            ours.warn(format!("a bug of mesh, please report it: {problem}"));
            end_leftovers(&ours, &attempt);
            let cause = format!("mesh itself failed: {problem}");
            report(
                &ours,
                &attempt,
                landing,
                Ending::CouldNotStart(cause),
                String::new(),
            );
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
    end_leftovers(context, attempt);
    remove_scratch(context, attempt);
    let withdrawn = vcs_candidate(candidate)
        .and_then(|candidate| context.vcs_gate.pass(|| context.vcs.withdraw(&candidate)));
    if let Err(error) = withdrawn {
        tracing::warn!(%attempt, %error, "copies of a result that did not land stay as visible commits");
    }
}

/// Ends the processes of a landing that was begun before.
pub(crate) fn end_leftovers(context: &RunContext, attempt: &AttemptId) {
    let process = context.run_dir.attempt(attempt).landing_proof();
    if !process.path().is_dir() {
        return;
    }
    for folder in [process.setup().path(), process.path()] {
        stop::end(folder);
    }
    process::end_orphans(context, attempt, process.path());
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

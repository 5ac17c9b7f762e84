//! Putting one result onto the target, with the proof run on the integrated tree. One at a time.

use std::sync::Arc;

use mesh_agent::launch::{self, CommandKind};
use mesh_core::event::Delivery;
use mesh_core::evidence::{Ending, quoting};
use mesh_core::id::AttemptId;
use mesh_core::task::Commit;
use mesh_vcs::{CommitId, Integrated, Landed, Landing, Workspace, name};

use crate::actions::{output, process, prove, start, stop};
use crate::context::{RunContext, lock};

/// How often a landing is tried anew when somebody else moved the target meanwhile.
const TRIES: u32 = 3;

/// Lands the attempt's result on `target`. `proof` is the command that proved it. `again` when a coordinator before this one may
/// have begun it.
pub(crate) fn land(
    context: &Arc<RunContext>,
    attempt: &AttemptId,
    target: &str,
    workspace: &Workspace,
    tip: &Commit,
    proof: Option<&str>,
    resumed: bool,
) -> Delivery {
    let _one_at_a_time = lock(&context.landing);
    if resumed {
        end_leftovers(context, attempt);
    }
    let refused = |reason: String| Delivery::NotLanded { reason };
    let tip = match CommitId::new(tip.0.clone()) {
        Ok(tip) => tip,
        Err(error) => return refused(error.to_string()),
    };
    let scratch = format!(
        "{}+land",
        name::workspace_folder(attempt.task.as_str(), attempt.number)
    );
    for _ in 0..TRIES {
        let landing = Landing {
            target: target.to_owned(),
            tip: tip.clone(),
            without: workspace.parents.clone(),
            scratch_name: format!(
                "{}+land",
                name::workspace_name(&context.run, attempt.task.as_str(), attempt.number)
            ),
            scratch_path: context.vcs.workspaces_root().join(&scratch),
        };
        let mut check = |tree: &Integrated<'_>| match proof {
            Some(command) => prove_integrated(context, attempt, command, tree),
            // The run accepts results without a proof.
            None => Ok(()),
        };
        match context.vcs.land(&landing, &mut check) {
            Ok(Landed::Moved { to, .. }) => {
                return Delivery::Landed {
                    commit: Commit(to.as_str().to_owned()),
                };
            }
            Ok(Landed::AlreadyThere { at }) => {
                return Delivery::Landed {
                    commit: Commit(at.as_str().to_owned()),
                };
            }
            Ok(Landed::Conflict { paths }) => {
                return refused(format!(
                    "conflicts with {target} in {}",
                    start::shown(&paths)
                ));
            }
            Ok(Landed::ProofFailed { reason }) => {
                return refused(format!("the proof fails on the integrated tree: {reason}"));
            }
            Ok(Landed::CheckedOut { at }) => {
                return refused(format!(
                    "{target} is checked out in {}; moving it would make that copy look edited",
                    at.display()
                ));
            }
            Ok(Landed::TargetMoved { .. }) => {}
            Err(error) => return refused(error.to_string()),
        }
    }
    refused(format!(
        "{target} was moved by somebody else {TRIES} times in a row"
    ))
}

/// Runs the setup command and the proof on the integrated tree, in its scratch workspace.
fn prove_integrated(
    context: &Arc<RunContext>,
    attempt: &AttemptId,
    command: &str,
    tree: &Integrated<'_>,
) -> Result<(), String> {
    let process = context.run_dir.attempt(attempt).landing_proof();
    let folder = process.path();
    fs_err::create_dir_all(folder).map_err(|error| error.to_string())?;
    let workspace = Workspace {
        name: "landing".to_owned(),
        path: tree.path.to_path_buf(),
        parents: vec![tree.commit.clone()],
        conflicted: Vec::new(),
    };
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
    match process::run(context, attempt, &launch, folder, &prove::limits(context))? {
        Ending::Exited(0) => Ok(()),
        ending => Err(quoting(
            format!("`{command}` {ending}"),
            &output::of_command(context, folder),
        )),
    }
}

/// Ends the landing that a coordinator of before began: its proof holds the lock that this one's needs.
fn end_leftovers(context: &RunContext, attempt: &AttemptId) {
    let process = context.run_dir.attempt(attempt).landing_proof();
    for folder in [process.setup().path(), process.path()] {
        stop::end(folder);
    }
    process::end_orphans(context, attempt, process.path());
}

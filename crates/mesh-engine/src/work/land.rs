//! Putting one result onto the target, with the proof run on the integrated tree. One at a time.

use std::sync::Arc;

use mesh_agent::launch::{self, CommandKind};
use mesh_core::event::Delivery;
use mesh_core::findings::{Ending, quoting};
use mesh_core::id::AttemptId;
use mesh_core::task::Commit;
use mesh_vcs::{CommitId, Integrated, Landed, Landing, Workspace, name};

use crate::host::{Host, lock};
use crate::work::{output, process, prove, start, stop};

/// How often a landing is tried anew when somebody else moved the target meanwhile.
const TRIES: u32 = 3;

/// Lands the attempt's result on `target`. `proof` is the command that proved it. `again` when a coordinator before this one may
/// have begun it.
pub(crate) fn land(
    host: &Arc<Host>,
    attempt: &AttemptId,
    target: &str,
    workspace: &Workspace,
    tip: &Commit,
    proof: Option<&str>,
    again: bool,
) -> Delivery {
    let _one_at_a_time = lock(&host.landing);
    if again {
        end_leftovers(host, attempt);
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
                name::workspace_name(&host.run, attempt.task.as_str(), attempt.number)
            ),
            scratch_path: host.vcs.workspaces_root().join(&scratch),
        };
        let mut check = |tree: &Integrated<'_>| match proof {
            Some(command) => prove_integrated(host, attempt, command, tree),
            // The run accepts results without a proof.
            None => Ok(()),
        };
        match host.vcs.land(&landing, &mut check) {
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
    host: &Arc<Host>,
    attempt: &AttemptId,
    command: &str,
    tree: &Integrated<'_>,
) -> Result<(), String> {
    let process = host.run_dir.attempt(attempt).landing_proof();
    let folder = process.path();
    fs_err::create_dir_all(folder).map_err(|error| error.to_string())?;
    let workspace = Workspace {
        name: "landing".to_owned(),
        path: tree.path.to_path_buf(),
        parents: vec![tree.commit.clone()],
        conflicted: Vec::new(),
    };
    let facts = prove::facts(host, attempt, &workspace, folder)?;
    start::run_setup(host, &facts, &process.setup()).map_err(prove::text_of)?;
    let launch = launch::command(
        CommandKind::Proof,
        command,
        &host.profile,
        &facts,
        &host.ours,
    )
    .map_err(|error| error.to_string())?;
    match process::run(host, attempt, &launch, folder, &prove::limits(host))? {
        Ending::Exited(0) => Ok(()),
        ending => Err(quoting(
            format!("`{command}` {ending}"),
            &output::of_command(host, folder),
        )),
    }
}

/// Ends the landing that a coordinator of before began: its proof holds the lock that this one's needs.
fn end_leftovers(host: &Host, attempt: &AttemptId) {
    let process = host.run_dir.attempt(attempt).landing_proof();
    for folder in [process.setup().path(), process.path()] {
        stop::end(folder);
    }
    process::end_strays(host, attempt, process.path());
}

//! Putting one result onto the target, with the proof run on the integrated tree. One at a time.

use std::sync::Arc;
use std::time::Duration;

use mesh_agent::launch::{self, CommandKind};
use mesh_core::event::Delivery;
use mesh_core::findings::Ending;
use mesh_core::id::AttemptId;
use mesh_core::task::Commit;
use mesh_vcs::{CommitId, Integrated, Landed, Landing, Workspace, name};

use crate::host::{Host, lock};
use crate::work::{output, process, prove, start};

/// How often a landing is tried anew when somebody else moved the target meanwhile.
const TRIES: u32 = 3;

/// Lands the attempt's result on `target`.
pub(crate) fn land(
    host: &Arc<Host>,
    attempt: &AttemptId,
    target: &str,
    workspace: &Workspace,
    tip: &Commit,
    proof: Option<&str>,
) -> Delivery {
    let _one_at_a_time = lock(&host.landing);
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
            // The tree that was proved is the tree that lands.
            Some(command) if !tree.unchanged => prove_integrated(host, attempt, command, tree),
            _ => Ok(()),
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

fn prove_integrated(
    host: &Arc<Host>,
    attempt: &AttemptId,
    command: &str,
    tree: &Integrated<'_>,
) -> Result<(), String> {
    let folder = host.run_dir.attempt(attempt).path().join("landing");
    let mut extra_env = host
        .source
        .agent_environment(host, attempt)
        .map_err(|error| error.to_string())?;
    let scratch = Workspace {
        name: "landing".to_owned(),
        path: tree.path.to_path_buf(),
        parents: vec![tree.commit.clone()],
        conflicted: Vec::new(),
    };
    let ours = host
        .vcs
        .agent_environment(&scratch, &scratch.parents, &folder);
    for (name, value) in ours.map_err(|error| error.to_string())? {
        extra_env.insert(name, value);
    }
    let facts = mesh_agent::launch::AttemptFacts {
        run: host.run.clone(),
        attempt: attempt.clone(),
        workspace: tree.path.to_path_buf(),
        root: host.setup.repository.clone(),
        prompt_file: host.run_dir.attempt(attempt).prompt(),
        path_front: host.path_front(),
        state_folder: None,
        extra_env,
    };
    let launch = launch::command(
        CommandKind::Proof,
        command,
        &host.profile,
        &facts,
        &host.ours,
    )
    .map_err(|error| error.to_string())?;
    let limits = prove::limits(host);
    let live = process::start(host, &launch, &folder, &limits)?;
    let patience = Duration::from_millis(
        limits
            .hard
            .0
            .saturating_add(limits.grace.0)
            .saturating_add(60_000),
    );
    if !live.wait(patience) {
        live.kill();
        process::end_strays(host, attempt, &folder);
        return Err("it could not be ended".to_owned());
    }
    match process::ending(host, attempt, &folder) {
        Ending::Exited(0) => Ok(()),
        _ => Err(output::of_command(host, &folder)),
    }
}

//! The proof: run by mesh, under a shim, in the attempt's workspace.

use std::path::Path;
use std::sync::Arc;

use mesh_agent::evidence::ProofRecord;
use mesh_agent::launch::{self, CommandKind};
use mesh_agent::profile::Limits;
use mesh_core::event::{Event, StartFailure};
use mesh_core::findings::{Ending, ProofChoice, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_core::time::Span;
use mesh_proc::shim::{self, Live};
use mesh_vcs::CommitId;

use crate::host::Host;
use crate::inbox::{Process, Role};
use crate::work::{examine, folder, output, process, start};

/// Starts the proof. Its end is told by [`proved`].
pub(crate) fn prove(host: &Arc<Host>, attempt: &AttemptId, command: &str) {
    match launch_proof(host, attempt, command) {
        Ok(live) => host.watch(
            Process {
                attempt: attempt.clone(),
                role: Role::Proof,
            },
            live,
        ),
        Err(cause) => {
            let proof = ProofEnd {
                ending: Ending::CouldNotStart(cause),
                tail: String::new(),
            };
            host.tell(Event::Proved {
                attempt: attempt.clone(),
                proof,
            });
        }
    }
}

fn launch_proof(host: &Arc<Host>, attempt: &AttemptId, command: &str) -> Result<Live, String> {
    let folder = folder::of(host, attempt).map_err(|error| error.to_string())?;
    let workspace = folder::recall(&folder)
        .map_err(|error| error.to_string())?
        .ok_or("the workspace is gone")?;
    let prompt = host.run_dir.attempt(attempt).prompt();
    let facts =
        start::facts(host, attempt, &workspace, &folder, prompt).map_err(|cause| match cause {
            StartFailure::Failed(failure) => failure.detail,
            StartFailure::Taken { holder } => holder,
        })?;
    let launch = launch::command(
        CommandKind::Proof,
        command,
        &host.profile,
        &facts,
        &host.ours,
    );
    let launch = launch.map_err(|error| error.to_string())?;
    process::start(host, &launch, &folder.join("proof"), &limits(host))
}

/// What a proof may use.
pub(crate) fn limits(host: &Host) -> Limits {
    Limits {
        hard: Span(host.setup.proof_limit_ms),
        ..host.profile.limits
    }
}

/// The proof's shim has ended: says how, after what the proof changed in the workspace has been discarded.
pub(crate) fn proved(host: &Arc<Host>, attempt: &AttemptId) {
    let attempt_folder = host.run_dir.attempt(attempt).path().to_path_buf();
    let proof_folder = attempt_folder.join("proof");
    let ending = process::ending(host, attempt, &proof_folder);
    let proof = ProofEnd {
        ending,
        tail: output::of_command(host, &proof_folder),
    };
    let mut evidence = examine::evidence_of(host, attempt, &attempt_folder);
    if let Ok(Some(report)) = shim::read_report(&proof_folder.join("exit.json")) {
        evidence.times.proof_started_unix_ms = report.child_started_at_unix_ms;
        evidence.times.proof_ended_unix_ms = Some(report.ended_at_unix_ms);
    }
    if let Some(record) = &evidence.proof {
        let command = record.command.clone().unwrap_or_default();
        let choice = if record.self_checked {
            ProofChoice::SelfChecked(command)
        } else {
            ProofChoice::Named(command)
        };
        evidence.proof = Some(ProofRecord::new(&choice, Some(&proof)));
    }
    examine::write(&evidence, &attempt_folder);
    discard(
        host,
        attempt,
        &attempt_folder,
        evidence
            .changes
            .as_ref()
            .map(|changes| changes.commit.as_str()),
    );
    host.tell(Event::Proved {
        attempt: attempt.clone(),
        proof,
    });
}

/// A proof shows what is there; what it writes into tracked files is not part of the result.
fn discard(host: &Host, attempt: &AttemptId, folder: &Path, commit: Option<&str>) {
    let (Ok(Some(workspace)), Some(Ok(commit))) =
        (folder::recall(folder), commit.map(CommitId::new))
    else {
        return;
    };
    match host
        .vcs_gate
        .pass(|| host.vcs.discard_changes_since(&workspace, &commit))
    {
        Ok(paths) if paths.is_empty() => {}
        Ok(paths) => {
            tracing::info!(%attempt, paths = start::shown(&paths), "the proof changed tracked files; discarded")
        }
        Err(error) => {
            tracing::warn!(%attempt, %error, "what the proof changed could not be discarded; the recorded result is as it was")
        }
    }
}

//! What follows an attempt's end: the result is recorded and landed, the workspace removed or kept, the tracker told.
//!
//! Every step may have been done by a coordinator that died before it could say so; each looks, or does the same again.

use std::collections::BTreeSet;
use std::sync::Arc;

use mesh_agent::evidence::{BlockRecord, Evidence};
use mesh_core::decision::Outcome;
use mesh_core::event::{Delivery, Event};
use mesh_core::findings::{Ending, ProofEnd};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::task::Commit;
use mesh_journal::WallTime;
use mesh_journal::results::{self, ResultRecord};
use mesh_journal::run_id::RunId;
use mesh_vcs::Workspace;

use crate::clock::unix_ms;
use crate::host::{Host, lock};
use crate::source::AttemptReport;
use crate::work::{examine, folder, kept, land, leftovers, shared};

/// Most of the agent's last message that is kept for the audit; longer ones name the file.
const RESPONSE_BYTES: u64 = 256 * 1024;

/// Carries out what follows. `needs` is all that the task needs, whose ends are written down already. `again` when a coordinator
/// before this one may have begun it.
pub(crate) fn settle(
    host: &Arc<Host>,
    attempt: &AttemptId,
    outcome: &Outcome,
    needs: &BTreeSet<TaskId>,
    again: bool,
) {
    shared::end(host, attempt);
    let path = host.run_dir.attempt(attempt).path().to_path_buf();
    if let Outcome::Failed(failure) | Outcome::Retried(failure) = outcome {
        examine::note_failure(host, attempt, failure);
    }
    let evidence = examine::evidence_of(host, attempt, &path);
    let workspace = folder::recall(&path).ok().flatten();
    let mut delivery = Delivery::Kept;
    if let Outcome::Verified {
        commit,
        self_checked,
        proof,
    } = outcome
    {
        record(host, attempt, commit, *self_checked);
        if let Some(workspace) = &workspace {
            kept::add(host, attempt, commit, &workspace.parents);
        }
        if let (Some(target), Some(workspace)) = (&host.setup.land, &workspace) {
            let proof = proof.as_deref();
            let missing = lock(&host.not_landed)
                .intersection(needs)
                .next()
                .map(|need| format!("{need}, which it needs, is not landed"));
            delivery = match missing {
                Some(reason) => Delivery::NotLanded { reason },
                None => land::land(host, attempt, target, workspace, commit, proof, again),
            };
            match delivery {
                Delivery::NotLanded { .. } => {
                    lock(&host.not_landed).insert(attempt.task.clone());
                }
                Delivery::Kept | Delivery::Landed { .. } => {
                    lock(&host.not_landed).remove(&attempt.task);
                }
            }
        }
        if let Some(workspace) = &workspace {
            remove(host, workspace);
        }
        leftovers::remove_before(host, attempt);
    }
    let report = report(
        host,
        attempt,
        outcome,
        &delivery,
        &evidence,
        workspace.as_ref(),
        again,
    );
    for refused in host.source.settle(host, &report) {
        host.note(format!("{attempt}: the tracker was not told: {refused}"));
    }
    host.tell(Event::Settled {
        attempt: attempt.clone(),
        delivery,
    });
}

/// Notes the result where later runs look for it.
fn record(host: &Host, attempt: &AttemptId, commit: &Commit, self_checked: bool) {
    let path = host.mesh_dir.results();
    let Ok(run) = RunId::parse(&host.run) else {
        return;
    };
    let known = results::read(&path)
        .map(|known| known.records)
        .unwrap_or_default();
    if known
        .iter()
        .any(|known| known.run == run && known.attempt == *attempt)
    {
        return;
    }
    let needs = folder::recall_needs(host.run_dir.attempt(attempt).path());
    let record = ResultRecord {
        run,
        attempt: attempt.clone(),
        commit: commit.clone(),
        needs,
        source: crate::prepare::source_key(&host.setup.source),
        self_checked,
        text_fingerprint: host
            .sheet(&attempt.task)
            .map(|sheet| sheet.text_fingerprint)
            .unwrap_or_default(),
        at: WallTime(unix_ms()),
    };
    if let Err(error) = results::append(&path, &record) {
        host.note(format!(
            "{attempt}: its result {commit} is not recorded for later runs: {error}"
        ));
    }
}

fn remove(host: &Host, workspace: &Workspace) {
    let removed = host.vcs_gate.pass(|| {
        host.vcs
            .forget(&workspace.name)
            .and_then(|()| host.vcs.remove(workspace))
    });
    if let Err(error) = removed {
        host.note(format!(
            "the workspace {} was not removed: {error}",
            workspace.path.display()
        ));
    }
}

fn report<'a>(
    host: &Host,
    attempt: &'a AttemptId,
    outcome: &'a Outcome,
    delivery: &'a Delivery,
    evidence: &Evidence,
    workspace: Option<&Workspace>,
    again: bool,
) -> AttemptReport<'a> {
    let (pr, no_change_reason) = match &evidence.block {
        Some(BlockRecord::Read { pr, no_diff, .. }) => (pr.clone(), no_diff.clone()),
        Some(BlockRecord::Missing { .. }) | None => (None, None),
    };
    let changes = evidence.changes.as_ref();
    let proof = evidence.proof.as_ref().and_then(|proof| {
        let ending = Ending::from(proof.ending.as_ref()?);
        Some((
            proof.command.clone().unwrap_or_default(),
            ProofEnd {
                ending,
                tail: proof.tail.clone(),
                passed_in_workspace: false,
            },
        ))
    });
    let stdout = host.run_dir.attempt(attempt).agent().stdout();
    let response = host
        .profile
        .protocol
        .last_message(&stdout, RESPONSE_BYTES)
        .ok()
        .map(|message| host.secrets.mask(&message.text));
    AttemptReport {
        attempt,
        title: host
            .sheet(&attempt.task)
            .map(|sheet| sheet.title)
            .unwrap_or_default(),
        outcome,
        delivery,
        commit: changes.map(|changes| Commit(changes.commit.clone())),
        pr,
        proof,
        changed: changes
            .map(|changes| changes.paths.clone())
            .unwrap_or_default(),
        no_change_reason,
        workspace: workspace
            .map(|workspace| workspace.path.display().to_string())
            .unwrap_or_default(),
        base: workspace
            .map(|w| {
                w.parents
                    .iter()
                    .map(|parent| parent.as_str().to_owned())
                    .collect()
            })
            .unwrap_or_default(),
        response: response.filter(|text| !text.trim().is_empty()),
        exit_code: evidence.ending.exit_code(),
        again,
        prompt: (!lock(&host.prompted).contains(attempt))
            .then(|| fs_err::read_to_string(host.run_dir.attempt(attempt).prompt()).ok())
            .flatten(),
    }
}

//! What follows an attempt's end: the result is recorded and landed, the workspace removed or kept, the tracker told.
//!
//! Every step may have been done by a coordinator that died before it could say so; each looks, or does the same again.

use mesh_agent::evidence::EvidenceRecord;
use mesh_core::decision::{Action, Outcome};
use mesh_core::event::{Delivery, Event};
use mesh_core::evidence::{BlockReading, ChangedClaim, Ending};
use mesh_core::id::AttemptId;
use mesh_core::landing::Candidate;
use mesh_core::process::Role;
use mesh_core::task::Commit;
use mesh_journal::Timestamp;
use mesh_journal::results::{self, ResultRecord};
use mesh_journal::run_id::RunId;
use mesh_vcs::Workspace;

use crate::actions::{folder, inspect, kept, land, leftovers, shared};
use crate::context::{RunContext, lock};
use crate::source::AttemptReport;

/// Most of the agent's last message that is kept for the audit; longer ones name the file.
const RESPONSE_BYTES: u64 = 256 * 1024;

/// How an attempt ended, and what became of its result.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// What became of its result.
    pub delivery: Delivery,
    /// A candidate that did not land, to be dropped.
    pub withdraw: Option<Candidate>,
}

impl End {
    /// The action that it came from.
    pub fn action(&self, attempt: AttemptId) -> Action {
        Action::Finalize {
            attempt,
            outcome: self.outcome.clone(),
            delivery: self.delivery.clone(),
            withdraw: self.withdraw.clone(),
        }
    }
}

/// Carries out what follows. `resumed` when a coordinator before this one may have begun it.
pub(crate) fn finalize(context: &RunContext, attempt: &AttemptId, end: &End, resumed: bool) {
    let End {
        outcome,
        delivery,
        withdraw,
    } = end;
    shared::end(context, attempt);
    let path = context.run_dir.attempt(attempt).path().to_path_buf();
    if let Outcome::Failed(failure) | Outcome::Retried(failure) = outcome {
        inspect::note_failure(context, attempt, failure);
    }
    let evidence = inspect::evidence_of(context, attempt, &path);
    let workspace = folder::load(&path).ok().flatten();
    if let Some(candidate) = withdraw {
        land::withdraw(context, attempt, candidate);
    }
    if let Outcome::Verified {
        commit,
        self_checked,
    } = outcome
    {
        record(context, attempt, commit, *self_checked);
        kept::add(context, attempt, commit);
        if let Some(workspace) = &workspace {
            remove(context, workspace);
        }
        leftovers::remove_before(context, attempt);
    }
    let report = report(
        context,
        attempt,
        outcome,
        delivery,
        &evidence,
        workspace.as_ref(),
        resumed,
    );
    for refused in context.source.finalize(&report) {
        context
            .notes
            .note(format!("{attempt}: the tracker was not told: {refused}"));
    }
    context.report(Event::Finalized {
        attempt: attempt.clone(),
        delivery: delivery.clone(),
    });
}

/// Notes the result where later runs look for it.
fn record(context: &RunContext, attempt: &AttemptId, commit: &Commit, self_checked: bool) {
    let path = context.mesh_dir.results();
    let Ok(run) = RunId::parse(&context.run) else {
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
    let needs = folder::load_needs(context.run_dir.attempt(attempt).path());
    let record = ResultRecord {
        run,
        attempt: attempt.clone(),
        commit: commit.clone(),
        needs,
        source: crate::prior_results::source_key(&context.setup.source),
        self_checked,
        text_fingerprint: context
            .details(&attempt.task)
            .map(|details| details.text_fingerprint)
            .unwrap_or_default(),
        at: Timestamp(context.clock.unix_ms()),
    };
    if let Err(error) = results::append(&path, &record) {
        context.notes.note(format!(
            "{attempt}: its result {commit} is not recorded for later runs: {error}"
        ));
    }
}

fn remove(context: &RunContext, workspace: &Workspace) {
    let removed = context.vcs_gate.pass(|| {
        context
            .vcs
            .forget(&workspace.name)
            .and_then(|()| context.vcs.remove(workspace))
    });
    if let Err(error) = removed {
        context.notes.note(format!(
            "the workspace {} was not removed: {error}",
            workspace.path.display()
        ));
    }
}

fn report<'a>(
    context: &RunContext,
    attempt: &'a AttemptId,
    outcome: &'a Outcome,
    delivery: &'a Delivery,
    evidence: &EvidenceRecord,
    workspace: Option<&Workspace>,
    resumed: bool,
) -> AttemptReport<'a> {
    let (pr, no_change_reason) = match &evidence.block {
        Some(BlockReading::Read(block)) => match &block.changed {
            ChangedClaim::NoDiff(reason) => (block.pr.clone(), Some(reason.clone())),
            ChangedClaim::Paths(_) => (block.pr.clone(), None),
        },
        Some(BlockReading::Missing(_)) | None => (None, None),
    };
    let changes = evidence.changes.as_ref();
    let proof = evidence
        .proof
        .as_ref()
        .and_then(|proof| Some((proof.choice.command()?.to_owned(), proof.end.clone()?)));
    let stdout = context
        .run_dir
        .attempt(attempt)
        .process(Role::Agent)
        .stdout();
    let response = context
        .profile
        .protocol
        .last_message(&stdout, RESPONSE_BYTES)
        .ok()
        .map(|message| context.secrets.mask(&message.text));
    AttemptReport {
        attempt,
        title: context
            .details(&attempt.task)
            .map(|details| details.title)
            .unwrap_or_default(),
        outcome,
        delivery,
        commit: changes.map(|changes| changes.commit.clone()),
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
        exit_code: match evidence.ending {
            Ending::Exited(code) => Some(code),
            _ => None,
        },
        resumed,
        prompt: (!lock(&context.prompted).contains(attempt))
            .then(|| fs_err::read_to_string(context.run_dir.attempt(attempt).prompt()).ok())
            .flatten(),
    }
}

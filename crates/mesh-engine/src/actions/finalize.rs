//! What follows an attempt's end: the result is recorded and landed, the workspace removed or kept, the tracker told.
//!
//! Every step may have been done by a coordinator that died before it could say so; each looks, or does the same again.

use mesh_core::decision::Outcome;
use mesh_core::event::Event;
use mesh_core::evidence::{BlockReading, ChangedClaim, Ending};
use mesh_core::id::AttemptId;
use mesh_core::process::Role;
use mesh_core::state::Finalizing;
use mesh_core::task::Commit;
use mesh_journal::Timestamp;
use mesh_journal::results::{self, ResultRecord};
use mesh_journal::run_id::RunId;
use mesh_vcs::Workspace;

use crate::actions::{compound, evidence, folder, kept, land, learnings, leftovers, shared};
use crate::context::{RunContext, lock};
use crate::source::AttemptReport;

/// Most of the agent's last message that is kept for the audit; longer ones name the file.
const RESPONSE_BYTES: u64 = 256 * 1024;

/// Carries out what follows. `resumed` when a coordinator before this one may have begun it.
pub(crate) fn finalize(context: &RunContext, attempt: &AttemptId, end: &Finalizing, resumed: bool) {
    lock(&context.recorded_files).remove(attempt);
    shared::end(context, attempt);
    let path = context.run_dir.attempt(attempt).path().to_path_buf();
    evidence::write(context, attempt, end);
    let workspace = folder::load(&path).ok().flatten();
    if let Some(candidate) = &end.withdraw {
        land::withdraw(context, attempt, candidate);
    }
    if let Outcome::Verified {
        commit,
        self_checked,
    } = &end.outcome
    {
        record(context, attempt, commit, *self_checked);
        kept::add(context, attempt, commit);
        if let Some(workspace) = &workspace {
            remove(context, workspace);
        }
        leftovers::remove_before(context, attempt, &end.not_recorded);
        if let Err(error) = folder::remove_tmp(&context.run_dir, &attempt.task) {
            tracing::warn!(%attempt, %error, "temporary files were not removed");
        }
    }
    let learned = learnings::of_attempt(context, attempt, end, workspace.as_ref());
    let report = AttemptReport {
        learnings: learned,
        ..report(context, attempt, end, workspace.as_ref(), resumed)
    };
    for refused in context.source.finalize(&report) {
        context
            .notes
            .note(format!("{attempt}: its source was not told: {refused}"));
    }
    context.report(Event::Finalized {
        attempt: attempt.clone(),
        delivery: end.delivery.clone(),
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
    shared::will_record(context, attempt);
    if let Err(error) = results::append(&path, &record) {
        context.notes.note(format!(
            "{attempt}: its result {commit} is not recorded for later runs: {error}"
        ));
    }
}

fn remove(context: &RunContext, workspace: &Workspace) {
    let removed = context.vcs_gate.pass_behind(|| {
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
    end: &'a Finalizing,
    workspace: Option<&Workspace>,
    resumed: bool,
) -> AttemptReport<'a> {
    let evidence = end.observed.evidence.as_deref();
    let odd_answer = match evidence.map(|evidence| &evidence.block) {
        Some(BlockReading::Missing(what)) => Some(what.clone()),
        Some(BlockReading::Read(_)) | None => None,
    };
    let (pr, no_change_reason) = match evidence.map(|evidence| &evidence.block) {
        Some(BlockReading::Read(block)) => match &block.changed {
            ChangedClaim::NoDiff(reason) => (block.pr.clone(), Some(reason.clone())),
            ChangedClaim::Paths(_) => (block.pr.clone(), None),
        },
        Some(BlockReading::Missing(_)) | None => (None, None),
    };
    let changes = evidence.map(|evidence| &evidence.changes);
    let command = evidence.and_then(|evidence| evidence.proof.command());
    let proof_end = end.observed.proof.as_deref().cloned();
    let proof = command.map(str::to_owned).zip(proof_end);
    let stdout = context
        .run_dir
        .attempt(attempt)
        .process(Role::Agent)
        .stdout();
    let (profile, _) = context.agent_of(attempt);
    let response = profile
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
        outcome: &end.outcome,
        delivery: &end.delivery,
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
        strategy_notes: match (&context.setup.strategy, &response) {
            (Some(_), Some(said)) => compound::notes(said),
            _ => Vec::new(),
        },
        metadata: match end.outcome {
            Outcome::Verified { .. } => compound::metadata(context, attempt),
            _ => None,
        },
        learnings: Vec::new(),
        odd_answer,
        response: response.filter(|text| !text.trim().is_empty()),
        exit_code: match end.observed.ending {
            Some(Ending::Exited(code)) => Some(code),
            _ => None,
        },
        resumed,
        prompt: (!lock(&context.prompted).contains(attempt))
            .then(|| fs_err::read_to_string(context.run_dir.attempt(attempt).prompt()).ok())
            .flatten()
            .map(|text| context.secrets.mask(&text)),
    }
}

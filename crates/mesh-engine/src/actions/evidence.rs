//! `evidence.json`: what was observed of an attempt, for people. Nothing reads it back.

use mesh_agent::evidence::{EvidenceRecord, ProofRecord, Times, VERSION};
use mesh_agent::ownership::ScopeReport;
use mesh_core::decision::Outcome;
use mesh_core::evidence::ChangeSet;
use mesh_core::id::AttemptId;
use mesh_core::process::{Role, Tree};
use mesh_core::state::Finalizing;

use crate::context::RunContext;

/// Writes what is known of an attempt that has ended.
pub(crate) fn write(context: &RunContext, attempt: &AttemptId, end: &Finalizing) {
    let report = |role| context.executor.report(&attempt.process(role));
    let agent = report(Role::Agent);
    let trees = [Tree::Recorded, Tree::Workspace];
    let proof = trees.into_iter().find_map(|tree| report(Role::Proof(tree)));
    let observed = &end.observed;
    let evidence = observed.evidence.as_deref();
    let record = EvidenceRecord {
        version: VERSION,
        run: context.run.clone(),
        task: attempt.task.to_string(),
        attempt: attempt.number,
        profile: context.agent_of(attempt).0.name.clone(),
        times: Times {
            started_unix_ms: agent.as_ref().and_then(|agent| agent.started_unix_ms),
            ended_unix_ms: agent.map(|agent| agent.ended_unix_ms),
            proof_started_unix_ms: proof.as_ref().and_then(|proof| proof.started_unix_ms),
            proof_ended_unix_ms: proof.map(|proof| proof.ended_unix_ms),
        },
        ending: observed.ending.clone(),
        block: evidence.map(|evidence| evidence.block.clone()),
        changes: evidence.map(|evidence| evidence.changes.clone()),
        scope: evidence.map(|evidence| scope(context, &evidence.changes)),
        proof: evidence.map(|evidence| ProofRecord {
            choice: evidence.proof.clone(),
            end: observed.proof.as_deref().cloned(),
        }),
        failure: match &end.outcome {
            Outcome::Retried(failure) | Outcome::Failed(failure) => Some(failure.clone()),
            _ => None,
        },
    };
    let folder = context.run_dir.attempt(attempt).path().to_path_buf();
    let written = fs_err::create_dir_all(&folder).and_then(|()| record.write(&folder));
    if let Err(error) = written {
        tracing::warn!(%attempt, %error, "the evidence was not written");
    }
}

/// The comparison with lock groups that was made when the attempt was inspected.
fn scope(context: &RunContext, changes: &ChangeSet) -> ScopeReport {
    match context.groups.check(&changes.paths, &[].into()) {
        ScopeReport::Off => ScopeReport::Off,
        ScopeReport::Checked { unmapped, .. } => ScopeReport::Checked {
            breaches: changes.breaches.clone(),
            unmapped,
        },
    }
}

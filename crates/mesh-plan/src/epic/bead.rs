//! The details of one issue.

use mesh_core::issue::{EdgeKind, Issue};

use super::METADATA_VERIFY;
use crate::details::{ProofFrom, TaskDetails, verify_lines};

pub(super) fn details_of(issue: &Issue, member: bool) -> TaskDetails {
    let (proof, proof_from) = proof(issue);
    let parents = issue
        .edges
        .iter()
        .filter(|edge| edge.kind == EdgeKind::Parent)
        .map(|edge| edge.to.clone())
        .collect();
    let mut details = TaskDetails {
        id: issue.id.clone(),
        title: issue.title.clone(),
        description: issue.description.clone(),
        acceptance: issue.acceptance.clone(),
        design: issue.design.clone(),
        notes: issue.notes.clone(),
        priority: issue.priority,
        labels: issue.labels.clone(),
        proof,
        proof_from,
        scope: Vec::new(),
        allow_no_validation: false,
        consensus: crate::details::ConsensusLayer::default(),
        text_fingerprint: String::new(),
        status: issue.status.as_str().to_owned(),
        assignee: issue.assignee.clone(),
        parents,
        member,
    };
    details.text_fingerprint = details.compute_fingerprint();
    details
}

fn proof(issue: &Issue) -> (Vec<String>, ProofFrom) {
    let metadata = issue
        .metadata
        .iter()
        .find(|(key, value)| key == METADATA_VERIFY && !value.trim().is_empty());
    if let Some((_, command)) = metadata {
        return (vec![command.trim().to_owned()], ProofFrom::Metadata);
    }
    for (text, from) in [
        (&issue.acceptance, ProofFrom::Acceptance),
        (&issue.description, ProofFrom::Description),
    ] {
        let commands = verify_lines(text);
        if !commands.is_empty() {
            return (commands, from);
        }
    }
    (Vec::new(), ProofFrom::None)
}

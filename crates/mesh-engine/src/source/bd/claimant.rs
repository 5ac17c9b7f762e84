//! In whose name beads are claimed, and whose claim one is. It reads names and asks locks; it never calls the tracker.
//!
//! bd's claim is a compare-and-swap on the assignee's name: a second claim by the same name succeeds (1.0.5, 1.3.0), or is refused in a way
//! that cannot be told from success without reading (0.47.1). So the name holds the run: slots are called alike in every run, and two
//! coordinators that no lock keeps apart would take each other's claims for their own.

use mesh_core::id::{AttemptId, SlotId};
use mesh_core::issue::{Issue, IssueStatus};
use mesh_journal::RunId;
use mesh_journal::layout::MeshDir;
use mesh_journal::locks;

/// Metadata that says which run holds a bead.
const METADATA_RUN: &str = "mesh.run";
/// How the name of every agent of the pool begins.
const AGENT: &str = "agent:mesh-";

/// The agent of a slot, as people read of it.
#[must_use]
pub fn actor_of(slot: SlotId) -> String {
    format!("agent:{slot}")
}

/// In whose name `run` claims a bead for the agent of a slot, and writes what only the holder of the claim may write.
#[must_use]
pub fn claimant_of(slot: SlotId, run: &str) -> String {
    format!("{}@{run}", actor_of(slot))
}

/// The agent in the name of a claimant.
pub(super) fn agent_in(claimant: &str) -> &str {
    claimant
        .split_once('@')
        .map_or(claimant, |(agent, _)| agent)
}

/// What is noted with the claim for an attempt.
#[must_use]
pub fn claim_metadata(run: &str, attempt: &AttemptId) -> Vec<(String, String)> {
    vec![
        (METADATA_RUN.to_owned(), run.to_owned()),
        ("mesh.attempt".to_owned(), attempt.to_string()),
    ]
}

/// Whether an agent of some mesh has the bead, of whichever run and repository.
#[must_use]
pub fn is_claimed_by_mesh(issue: &Issue) -> bool {
    let has = |name: &str| name.starts_with(AGENT);
    issue.status == IssueStatus::InProgress && issue.assignee.as_deref().is_some_and(has)
}

/// The run whose claim it is, if an agent of a mesh has the bead and the claim says so.
#[must_use]
pub fn run_of_claim(issue: &Issue) -> Option<&str> {
    let name = issue
        .assignee
        .as_deref()
        .filter(|_| is_claimed_by_mesh(issue))?;
    let noted = || {
        let (_, run) = issue.metadata.iter().find(|(key, _)| key == METADATA_RUN)?;
        Some(run.as_str())
    };
    name.split_once('@').map(|(_, run)| run).or_else(noted)
}

/// Says of an issue whether `run`, of the repository of `mesh_dir`, may take it for its own: it has it, or another run of this repository
/// has left it and nobody coordinates that any more. Of a run of another repository it cannot be known whether its agents still work.
pub fn is_ours(mesh_dir: &MeshDir, run: &RunId) -> impl Fn(&Issue) -> bool + use<> {
    let (mesh_dir, run) = (mesh_dir.clone(), run.clone());
    move |issue| {
        let Some(of) = run_of_claim(issue).and_then(|of| RunId::parse(of).ok()) else {
            return false;
        };
        let journal = mesh_dir.run(&of).journal();
        of == run || journal.exists() && matches!(locks::is_held(&journal), Ok(false))
    }
}

#[cfg(test)]
mod tests {
    use mesh_core::id::TaskId;
    use mesh_core::issue::IssueKind;
    use mesh_journal::Timestamp;

    use super::*;

    fn claimed_by(assignee: &str, noted: Option<&str>) -> Issue {
        let metadata = noted.map(|run| (METADATA_RUN.to_owned(), run.to_owned()));
        Issue {
            id: TaskId::new("t-1").expect("an id"),
            title: "work".to_owned(),
            description: String::new(),
            acceptance: String::new(),
            design: String::new(),
            notes: String::new(),
            status: IssueStatus::InProgress,
            kind: IssueKind::Work("task".into()),
            priority: 2,
            assignee: Some(assignee.to_owned()),
            labels: Vec::new(),
            edges: Vec::new(),
            estimate_minutes: None,
            metadata: metadata.into_iter().collect(),
            close_reason: None,
        }
    }

    #[test]
    fn a_claim_is_ours_when_its_run_is_or_has_ended_here() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let here = MeshDir::of(folder.path());
        here.create().expect("a folder");
        let (over, dir) = here.create_run(Timestamp(1)).expect("a run");
        fs_err::write(dir.journal(), "").expect("a journal");
        let (alive, dir) = here.create_run(Timestamp(2)).expect("a run");
        fs_err::write(dir.journal(), "").expect("a journal");
        let _lock = locks::acquire(&dir.journal()).expect("its lock");
        let own = RunId::generate(Timestamp(3));
        let is_ours = is_ours(&here, &own);
        let by = |run: &dyn std::fmt::Display| {
            let slot = claimant_of(SlotId(1), &run.to_string());
            is_ours(&claimed_by(&slot, None))
        };
        assert!(by(&own) && by(&over) && !by(&alive));
        assert!(!by(&"20260101-000000-0000"), "of another repository");
        assert!(!by(&"../x"));
        // As it was claimed before the run stood in the name.
        let plain = "agent:mesh-1";
        assert!(is_ours(&claimed_by(plain, Some(over.as_str()))));
        assert!(!is_ours(&claimed_by(plain, Some(alive.as_str()))));
        assert!(!is_ours(&claimed_by(plain, None)));
        assert!(!is_ours(&claimed_by("anna", Some(over.as_str()))));
    }
}

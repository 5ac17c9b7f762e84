//! What earlier runs, or tools of before, have left: claims that nobody works on, molecules that stay open, workspaces that are kept.
//! Each is a note with the command that mends it; nothing is mended here.

use std::collections::BTreeSet;

use mesh_bd::{Listing, Tracker};
use mesh_core::id::TaskId;
use mesh_core::issue::{EdgeKind, Issue, IssueKind, IssueStatus};
use mesh_engine::{is_claimed_by_mesh, run_of_claim};
use mesh_journal::RunId;
use mesh_journal::layout::MeshDir;
use mesh_vcs::Backend;

use super::Findings;
use crate::commands::workspaces::inventory::{Held, Removability, inventory};

/// Looks into the tracker. Only while nobody works on it and no run waits to be taken up: whatever is open then is left over.
pub(super) fn in_tracker(tracker: &dyn Tracker, mesh_dir: &MeshDir, findings: &mut Findings) {
    let listing = match tracker.listing() {
        Ok(listing) => listing,
        Err(error) => return findings.error(error.into()),
    };
    let is_of_here = |issue: &Issue| {
        let run = run_of_claim(issue).and_then(|run| RunId::parse(run).ok());
        run.is_some_and(|run| mesh_dir.run(&run).path().is_dir())
    };
    let (here, elsewhere): (Vec<&Issue>, Vec<&Issue>) = listing
        .issues
        .values()
        .filter(|issue| is_claimed_by_mesh(issue))
        .partition(|issue| is_of_here(issue));
    // bd 1.3.0 takes a claim from nobody else without it.
    let force = match tracker.about().has_leases {
        true => " --force",
        false => "",
    };
    let kinds = [
        (here, "claimed by a mesh, and no run works on them", ""),
        (
            elsewhere,
            "claimed by a mesh, under a run that this repository does not know",
            "when that run is over, ",
        ),
    ];
    for (issues, what, when) in kinds {
        let ids: Vec<&TaskId> = issues.iter().map(|issue| &issue.id).collect();
        if !ids.is_empty() {
            findings.note_with(
                format!("{what}: {}", shown(&ids)),
                format!(
                    "{when}`{}{force}` gives them back",
                    tracker.release_by_hand(&ids)
                ),
            );
        }
    }
    let left = open_molecules(&listing);
    if !left.is_empty() {
        findings.note_with(
            format!("molecules of runs that are over: {}", shown(&left)),
            format!("`bd close {} --force` closes them", words(&left)),
        );
    }
}

/// What swarms and runs have made in the tracker and is still open: molecules of swarms whose epic is closed or gone, and those of runs
/// with their steps.
fn open_molecules(listing: &Listing) -> Vec<&TaskId> {
    let is_open = |id: &TaskId| {
        let issue = listing.get(id);
        issue.is_some_and(|issue| issue.status != IssueStatus::Closed)
    };
    let is_left_swarm = |issue: &Issue| {
        let is_molecule = matches!(&issue.kind, IssueKind::Bookkeeping(word) if word == "molecule");
        let mut epics = issue
            .edges
            .iter()
            .filter(|edge| edge.kind == EdgeKind::Other);
        is_molecule && issue.title.starts_with("Swarm: ") && !epics.any(|edge| is_open(&edge.to))
    };
    let is_run = |issue: &&Issue| issue.title.starts_with("validate-target: ");
    let runs: BTreeSet<TaskId> = listing
        .issues
        .values()
        .filter(is_run)
        .flat_map(|step| listing.parents_of(&step.id))
        .collect();
    let is_of_run = |issue: &Issue| {
        runs.contains(&issue.id) || !listing.parents_of(&issue.id).is_disjoint(&runs)
    };
    let is_left = |issue: &&Issue| is_open(&issue.id) && (is_left_swarm(issue) || is_of_run(issue));
    let left = listing.issues.values().filter(is_left);
    left.map(|issue| &issue.id).collect()
}

/// Looks for workspaces that are kept for people.
pub(super) fn in_repository(vcs: &Backend, findings: &mut Findings) {
    let found = match inventory(vcs, &Held::default()) {
        Ok(found) => found,
        Err(error) => return findings.error(error),
    };
    let kept = found
        .iter()
        .filter(|found| {
            matches!(
                found.removability,
                Removability::Kept | Removability::Unknown
            )
        })
        .count();
    if kept > 0 {
        let counted = mesh_core::text::counted(kept, "workspace");
        findings.note_with(
            format!(
                "{counted} of earlier runs kept in {}",
                vcs.workspaces_root().display()
            ),
            "`mesh workspaces` lists them, `mesh clean` removes them".to_owned(),
        );
    }
}

/// The first ten; the rest is counted.
fn shown(ids: &[&TaskId]) -> String {
    const SHOWN: usize = 10;
    let first: Vec<&str> = ids.iter().take(SHOWN).map(|id| id.as_str()).collect();
    match ids.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn words(ids: &[&TaskId]) -> String {
    let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    ids.join(" ")
}

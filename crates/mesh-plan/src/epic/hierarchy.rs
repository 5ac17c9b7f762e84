//! Who is whose child, computed once from the edges of a listing.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{EdgeKind, Issue, IssueKind};

/// Parents and children by id. A ring of parents ends every walk instead of looping.
pub(super) struct Hierarchy<'a> {
    issues: &'a BTreeMap<TaskId, Issue>,
    children: BTreeMap<&'a TaskId, Vec<&'a TaskId>>,
}

impl<'a> Hierarchy<'a> {
    pub(super) fn new(issues: &'a BTreeMap<TaskId, Issue>) -> Hierarchy<'a> {
        let mut children: BTreeMap<&TaskId, Vec<&TaskId>> = BTreeMap::new();
        for issue in issues.values() {
            for edge in &issue.edges {
                if edge.kind == EdgeKind::Parent && edge.to != issue.id {
                    children.entry(&edge.to).or_default().push(&issue.id);
                }
            }
        }
        for list in children.values_mut() {
            list.dedup();
        }
        Hierarchy { issues, children }
    }

    pub(super) fn issue(&self, id: &TaskId) -> Option<&'a Issue> {
        self.issues.get(id)
    }

    pub(super) fn is_epic(&self, id: &TaskId) -> bool {
        self.issue(id)
            .is_some_and(|issue| issue.kind == IssueKind::Epic)
    }

    pub(super) fn children(&self, id: &TaskId) -> &[&'a TaskId] {
        self.children.get(id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn parents(&self, id: &TaskId) -> impl Iterator<Item = &'a TaskId> {
        let edges = self
            .issue(id)
            .map_or(&[][..], |issue| issue.edges.as_slice());
        edges
            .iter()
            .filter(|edge| edge.kind == EdgeKind::Parent)
            .map(|edge| &edge.to)
    }

    /// Everything below `id`, itself not.
    pub(super) fn below(&self, id: &TaskId) -> BTreeSet<&'a TaskId> {
        let mut found = BTreeSet::new();
        let mut open = self.children(id).to_vec();
        while let Some(child) = open.pop() {
            if child != id && found.insert(child) {
                open.extend(self.children(child));
            }
        }
        found
    }

    /// The epics above `id`, however far, itself not.
    pub(super) fn epics_above(&self, id: &TaskId) -> BTreeSet<&'a TaskId> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&TaskId> = self.parents(id).collect();
        while let Some(parent) = open.pop() {
            if parent != id && seen.insert(parent) {
                open.extend(self.parents(parent));
            }
        }
        seen.retain(|id| self.is_epic(id));
        seen
    }

    /// Those of `epics` that contain none of the others: the innermost ones.
    pub(super) fn innermost(&self, epics: &BTreeSet<&'a TaskId>) -> Vec<&'a TaskId> {
        let above: BTreeSet<&TaskId> = epics
            .iter()
            .flat_map(|epic| self.epics_above(epic))
            .collect();
        epics
            .iter()
            .copied()
            .filter(|epic| !above.contains(*epic))
            .collect()
    }

    /// Whether `swarm create` made this epic around a single bead (bd's own title, measured on 0.47.1, 1.0.5 and 1.3.0).
    pub(super) fn is_wrapper(&self, id: &TaskId) -> bool {
        self.issue(id).is_some_and(|issue| {
            issue.kind == IssueKind::Epic && issue.title.starts_with("Swarm Epic: ")
        })
    }
}

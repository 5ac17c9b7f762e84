//! One picture of the whole tracker, and the questions that are asked of it. It computes; it calls nothing.
//!
//! Membership comes from the parent-child *edges*: bd's field `parent` names one parent only, and the wrong one when an issue
//! has two (measured on bd 1.0.5 and 1.3.0).

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{EdgeKind, Issue, IssueKind, IssueStatus};

/// All issues of a tracker as one call showed them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Every issue, closed ones, gates and bookkeeping included.
    pub issues: BTreeMap<TaskId, Issue>,
    /// When leases end, in milliseconds since 1970; only of claims that have one.
    pub lease_ends: BTreeMap<TaskId, u64>,
}

/// An epic with everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpicMembers {
    /// The whole listing, for blockers outside the epic.
    pub listing: Listing,
    /// All descendants of the epic, nested epics included, the epic itself not.
    pub members: BTreeSet<TaskId>,
}

impl Listing {
    /// Makes a listing of what was read.
    #[must_use]
    pub fn new(issues: impl IntoIterator<Item = Issue>) -> Listing {
        let issues = issues
            .into_iter()
            .map(|issue| (issue.id.clone(), issue))
            .collect();
        Listing {
            issues,
            lease_ends: BTreeMap::new(),
        }
    }

    /// The issue `id`, if there is one.
    #[must_use]
    pub fn get(&self, id: &TaskId) -> Option<&Issue> {
        self.issues.get(id)
    }

    /// The direct children of `id`, by id.
    pub fn children_of<'a>(&'a self, id: &'a TaskId) -> impl Iterator<Item = &'a Issue> {
        self.issues
            .values()
            .filter(move |issue| has_edge(issue, EdgeKind::Parent, id))
    }

    /// Everything below `id`, through any number of epics; a cycle of parents ends the search instead of looping.
    #[must_use]
    pub fn descendants_of(&self, id: &TaskId) -> BTreeSet<TaskId> {
        let mut children: BTreeMap<&TaskId, Vec<&TaskId>> = BTreeMap::new();
        for issue in self.issues.values() {
            for edge in issue
                .edges
                .iter()
                .filter(|edge| edge.kind == EdgeKind::Parent)
            {
                children.entry(&edge.to).or_default().push(&issue.id);
            }
        }
        let mut found = BTreeSet::new();
        let mut open = vec![id];
        while let Some(parent) = open.pop() {
            for child in children.get(parent).into_iter().flatten() {
                if *child != id && found.insert((*child).clone()) {
                    open.push(child);
                }
            }
        }
        found
    }

    /// The issues that `id` is a child of, by id; more than one is legal.
    #[must_use]
    pub fn parents_of(&self, id: &TaskId) -> BTreeSet<TaskId> {
        self.targets(id, EdgeKind::Parent)
    }

    /// The issues that must be closed before `id` may start; they need not exist.
    #[must_use]
    pub fn gates_of(&self, id: &TaskId) -> BTreeSet<TaskId> {
        self.targets(id, EdgeKind::Gates)
    }

    /// The epics nearest above `id`: its parents that are epics, or, through other parents, theirs.
    #[must_use]
    pub fn epics_of(&self, id: &TaskId) -> BTreeSet<TaskId> {
        let mut epics = BTreeSet::new();
        let mut seen = BTreeSet::from([id.clone()]);
        let mut open = vec![id.clone()];
        while let Some(below) = open.pop() {
            for parent in self.parents_of(&below) {
                if !seen.insert(parent.clone()) {
                    continue;
                }
                match self.get(&parent).map(|issue| &issue.kind) {
                    Some(IssueKind::Epic) => {
                        epics.insert(parent);
                    }
                    Some(_) => open.push(parent),
                    None => {}
                }
            }
        }
        epics
    }

    /// The epic of `id`, if it has exactly one.
    #[must_use]
    pub fn epic_of(&self, id: &TaskId) -> Option<TaskId> {
        let mut epics = self.epics_of(id).into_iter();
        epics.next().filter(|_| epics.next().is_none())
    }

    /// The epics that all of `ids` are directly in.
    #[must_use]
    pub fn common_epics(&self, ids: &[TaskId]) -> BTreeSet<TaskId> {
        let mut all = ids.iter().map(|id| self.epics_of(id));
        let first = all.next().unwrap_or_default();
        all.fold(first, |common, epics| {
            common.intersection(&epics).cloned().collect()
        })
    }

    /// Work that somebody is at, by id.
    pub fn in_progress(&self) -> impl Iterator<Item = &Issue> {
        self.issues.values().filter(|issue| {
            issue.status == IssueStatus::InProgress && matches!(issue.kind, IssueKind::Work(_))
        })
    }

    /// The swarm molecule of `epic`, if bd has made one: a molecule with a plain relation to it and bd's own title.
    #[must_use]
    pub fn swarm_of(&self, epic: &TaskId) -> Option<TaskId> {
        let is_swarm = |issue: &&Issue| {
            matches!(&issue.kind, IssueKind::Bookkeeping(word) if word == "molecule")
                && issue.title.starts_with("Swarm: ")
                && has_edge(issue, EdgeKind::Other, epic)
        };
        self.issues
            .values()
            .find(is_swarm)
            .map(|issue| issue.id.clone())
    }

    /// The epic that `swarm create` put around the single bead `id`, if it did.
    #[must_use]
    pub fn wrapper_of(&self, id: &TaskId) -> Option<TaskId> {
        self.parents_of(id).into_iter().find(|parent| {
            self.get(parent).is_some_and(|issue| {
                issue.kind == IssueKind::Epic && issue.title.starts_with("Swarm Epic: ")
            })
        })
    }

    fn targets(&self, id: &TaskId, kind: EdgeKind) -> BTreeSet<TaskId> {
        let edges = self
            .get(id)
            .map(|issue| issue.edges.as_slice())
            .unwrap_or_default();
        edges
            .iter()
            .filter(|edge| edge.kind == kind)
            .map(|edge| edge.to.clone())
            .collect()
    }
}

fn has_edge(issue: &Issue, kind: EdgeKind, to: &TaskId) -> bool {
    issue
        .edges
        .iter()
        .any(|edge| edge.kind == kind && edge.to == *to)
}

#[cfg(test)]
#[path = "listing_test.rs"]
mod tests;

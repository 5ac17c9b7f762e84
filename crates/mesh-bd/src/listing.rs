//! One snapshot of the whole tracker, and the questions that are asked of it. It computes; it calls nothing.
//!
//! Membership comes from the parent-child *edges*: bd's field `parent` names one parent only, and the wrong one when an issue
//! has two (measured on bd 1.0.5 and 1.3.0).

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{EdgeKind, Issue, IssueKind};

/// All issues of a tracker as one call showed them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Every issue, closed ones, gates and bookkeeping included.
    pub issues: BTreeMap<TaskId, Issue>,
}

impl Listing {
    /// Makes a listing of what was read.
    #[must_use]
    pub fn new(issues: impl IntoIterator<Item = Issue>) -> Listing {
        let issues = issues.into_iter();
        Listing {
            issues: issues.map(|issue| (issue.id.clone(), issue)).collect(),
        }
    }

    /// The issue `id`, if there is one.
    #[must_use]
    pub fn get(&self, id: &TaskId) -> Option<&Issue> {
        self.issues.get(id)
    }

    /// The issues that `id` is a child of, by id; more than one is legal.
    #[must_use]
    pub fn parents_of(&self, id: &TaskId) -> BTreeSet<TaskId> {
        let edges = self
            .get(id)
            .map(|issue| issue.edges.as_slice())
            .unwrap_or_default();
        edges
            .iter()
            .filter(|edge| edge.kind == EdgeKind::Parent)
            .map(|edge| edge.to.clone())
            .collect()
    }

    /// The swarm molecule of `epic`, if bd has made one: a molecule with a plain relation to it and bd's own title.
    #[must_use]
    pub fn swarm_of(&self, epic: &TaskId) -> Option<TaskId> {
        let is_swarm = |issue: &&Issue| {
            matches!(&issue.kind, IssueKind::Bookkeeping(word) if word == "molecule")
                && issue.title.starts_with("Swarm: ")
                && issue
                    .edges
                    .iter()
                    .any(|edge| edge.kind == EdgeKind::Other && edge.to == *epic)
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
}

//! One snapshot of the whole tracker, and the questions that are asked of it. It computes; it calls nothing.
//!
//! Membership comes from the parent-child *edges*: bd's field `parent` names one parent only, and the wrong one when an issue
//! has two (measured on bd 1.0.5 and 1.3.0).

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{Edge, EdgeKind, Issue, IssueKind, IssueStatus};

use crate::tracker::molecule::Molecule;

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

    /// Whether the issue `id` is there and not closed.
    #[must_use]
    pub fn is_open(&self, id: &TaskId) -> bool {
        self.get(id)
            .is_some_and(|issue| issue.status != IssueStatus::Closed)
    }

    /// The children of `id` by edge.
    pub fn children_of<'a>(&'a self, id: &'a TaskId) -> impl Iterator<Item = &'a Issue> {
        self.issues.values().filter(move |issue| {
            let is_parent = |edge: &Edge| edge.kind == EdgeKind::Parent && edge.to == *id;
            issue.id != *id && issue.edges.iter().any(is_parent)
        })
    }

    /// What is open of the molecule `root`: first what lies deepest, last the root itself.
    #[must_use]
    pub fn open_below(&self, root: &TaskId) -> Vec<TaskId> {
        let mut all = vec![root.clone()];
        let mut next = 0;
        while let Some(above) = all.get(next).cloned() {
            let below = self.children_of(&above).map(|issue| issue.id.clone());
            let new: Vec<TaskId> = below.filter(|id| !all.contains(id)).collect();
            all.extend(new);
            next += 1;
        }
        all.retain(|id| self.is_open(id));
        all.reverse();
        all
    }

    /// The molecule one of whose steps has exactly this title. The titles of its steps begin with their names and a colon.
    #[must_use]
    pub fn molecule_with(&self, title: &str) -> Option<Molecule> {
        let step = self.issues.values().find(|issue| issue.title == title)?;
        let root = self.parents_of(&step.id).into_iter().next()?;
        let mut steps = BTreeMap::new();
        for issue in self.children_of(&root) {
            let Some((name, _)) = issue.title.split_once(':') else {
                continue;
            };
            for edge in issue
                .edges
                .iter()
                .filter(|edge| edge.kind == EdgeKind::Gates)
            {
                let is_gate = |gate: &Issue| matches!(&gate.kind, IssueKind::Bookkeeping(word) if word == "gate");
                if self.get(&edge.to).is_some_and(is_gate) {
                    steps.insert(format!("gate-{name}"), edge.to.clone());
                }
            }
            if !matches!(issue.kind, IssueKind::Bookkeeping(_)) {
                steps.insert(name.to_owned(), issue.id.clone());
            }
        }
        Some(Molecule { root, steps })
    }

    /// The epic that `swarm create` put around the single bead `id`, if it did.
    #[must_use]
    pub fn wrapper_of(&self, id: &TaskId) -> Option<TaskId> {
        let mut parents = self.parents_of(id).into_iter();
        parents.find(|parent| self.is_wrapper(parent))
    }

    /// Whether `swarm create` made this epic around a single bead: by bd's own title.
    #[must_use]
    pub fn is_wrapper(&self, epic: &TaskId) -> bool {
        self.get(epic).is_some_and(|issue| {
            issue.kind == IssueKind::Epic && issue.title.starts_with("Swarm Epic: ")
        })
    }
}

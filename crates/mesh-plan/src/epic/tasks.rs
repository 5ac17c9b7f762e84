//! Issues of an epic to tasks.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::issue::{EdgeKind, Issue, IssueKind, IssueStatus};
use mesh_core::task::{Eligibility, Locks, Task};

use super::bead::details_of;
use super::hierarchy::Hierarchy;
use super::target::Target;
use crate::details::agent_names;
use crate::diagnostic::Diagnostic;
use crate::source_snapshot::{SourceInfo, SourceKind, SourceSnapshot};

/// Labels that begin so name a lock group.
pub const LABEL_LOCK: &str = "mesh-lock:";
/// The label of an integration point.
pub const LABEL_CHECKPOINT: &str = "mesh:checkpoint";
/// The metadata key of a bead's own proof command.
pub const METADATA_VERIFY: &str = "mesh.verify";
/// The metadata key of the agents that may work a bead, with commas between them.
pub const METADATA_AGENT: &str = "mesh.agent";
/// How the tracker begins the other end of an edge into another project.
const OTHER_PROJECT: &str = "external:";

/// Makes tasks of the target's issues. `issues` is one listing of the whole tracker, closed issues and gates included; `ours`
/// says whether an assigned or begun issue is held by this repository's mesh and so may be run.
///
/// Needs are the gating edges of a task and of the epics that contain it. A closed blocker from outside joins the plan as a
/// satisfied task that is no [`crate::details::TaskDetails::member`], because dependents must stand on its work; an open one is named in
/// [`Task::outside`].
#[must_use]
pub fn load(
    target: &Target,
    issues: &BTreeMap<TaskId, Issue>,
    ours: &dyn Fn(&Issue) -> bool,
) -> SourceSnapshot {
    let hierarchy = Hierarchy::new(issues);
    let mut members: BTreeSet<&TaskId> = BTreeSet::new();
    match target {
        Target::Epic(root) | Target::Members { epic: root, .. } => {
            members.extend(
                hierarchy
                    .below(root)
                    .into_iter()
                    .filter(|id| is_worked(hierarchy.issue(id))),
            );
        }
        Target::Wrap { bead } => members.extend(issues.get_key_value(bead).map(|(id, _)| id)),
    }
    let mut reader = Reader {
        hierarchy: &hierarchy,
        root: target.id(),
        members,
        ours,
        outsiders: BTreeSet::new(),
        diagnostics: Vec::new(),
    };
    let mut loaded = reader.read();
    if let Target::Members { ids, .. } = target
        && let Err(strangers) = loaded.restrict(ids)
    {
        loaded.diagnostics.extend(strangers);
    }
    loaded
}

fn is_worked(issue: Option<&Issue>) -> bool {
    issue.is_some_and(|issue| matches!(issue.kind, IssueKind::Epic | IssueKind::Work(_)))
}

struct Reader<'a, 'f> {
    hierarchy: &'f Hierarchy<'a>,
    root: &'f TaskId,
    members: BTreeSet<&'a TaskId>,
    ours: &'f dyn Fn(&Issue) -> bool,
    /// Closed blockers from outside, and what is below them.
    outsiders: BTreeSet<&'a TaskId>,
    diagnostics: Vec<Diagnostic>,
}

/// Both kinds of blockers of one task.
#[derive(Default)]
struct Blockers {
    needs: BTreeSet<TaskId>,
    outside: BTreeSet<TaskId>,
}

impl<'a> Reader<'a, '_> {
    fn read(&mut self) -> SourceSnapshot {
        let root = self.hierarchy.issue(self.root);
        let title = root.map_or_else(String::new, |issue| issue.title.clone());
        self.check_root(root);
        let mut tasks = Vec::new();
        let mut details = BTreeMap::new();
        for id in self.members.clone() {
            let Some(issue) = self.hierarchy.issue(id) else {
                continue;
            };
            tasks.push(self.member(issue));
            details.insert(id.clone(), details_of(issue, true));
        }
        for id in self.outsiders.clone() {
            let Some(issue) = self.hierarchy.issue(id) else {
                continue;
            };
            tasks.push(self.outsider(issue));
            details.insert(id.clone(), details_of(issue, false));
        }
        SourceSnapshot {
            tasks,
            details,
            source: SourceInfo {
                kind: SourceKind::Bd,
                id: self.root.to_string(),
                title,
            },
            diagnostics: std::mem::take(&mut self.diagnostics),
            spans: BTreeMap::new(),
        }
    }

    fn check_root(&mut self, root: Option<&Issue>) {
        let Some(root) = root else {
            self.diagnostics.push(
                Diagnostic::error(format!("the tracker has no issue {}", self.root))
                    .about(self.root),
            );
            return;
        };
        if self.members.is_empty() {
            let message = format!(
                "epic {} has no children; add some, or give another target",
                root.id
            );
            self.diagnostics
                .push(Diagnostic::error(message).about(&root.id));
        }
        if root.kind == IssueKind::Epic && put_aside(&root.status).is_some() {
            let message = format!(
                "epic {} itself is {}; its children are run all the same",
                root.id,
                root.status.as_str()
            );
            self.diagnostics
                .push(Diagnostic::warning(message).about(&root.id));
        }
    }

    fn member(&mut self, issue: &'a Issue) -> Task {
        let mut task = Task::open(issue.id.clone());
        task.title.clone_from(&issue.title);
        task.priority = issue.priority;
        task.estimate_minutes = issue.estimate_minutes;
        task.checkpoint = is_checkpoint(issue);
        task.locks = self.locks(issue);
        let named = issue
            .metadata
            .iter()
            .find(|(key, _)| *key == METADATA_AGENT);
        task.agents = named.map_or_else(Vec::new, |(_, names)| agent_names(names));
        task.eligibility = self.eligibility(issue);
        let mut blockers = self.blockers(issue);
        if issue.kind == IssueKind::Epic {
            let children = self.hierarchy.children(&issue.id).iter();
            blockers.needs.extend(
                children
                    .filter(|child| self.members.contains(*child))
                    .map(|child| (*child).clone()),
            );
        }
        task.needs = blockers.needs.into_iter().collect();
        task.outside = blockers.outside.into_iter().collect();
        if issue.title.trim().is_empty() {
            self.diagnostics.push(
                Diagnostic::error(format!("{} has no title, so nothing to do", issue.id))
                    .about(&issue.id),
            );
        }
        task
    }

    /// A closed blocker from outside. Its own blockers are history, so it needs nothing; an epic stands for what is below it.
    fn outsider(&self, issue: &'a Issue) -> Task {
        let mut task = Task::open(issue.id.clone());
        task.title.clone_from(&issue.title);
        task.priority = issue.priority;
        task.eligibility = Eligibility::Satisfied { commit: None };
        if issue.kind == IssueKind::Epic {
            let below = self.hierarchy.children(&issue.id).iter().filter(|child| {
                // What the plan has as a member may still be open; the epic is closed all the same.
                self.outsiders.contains(*child)
            });
            task.needs = below.map(|child| (*child).clone()).collect();
            task.eligibility = Eligibility::Container;
        }
        task
    }

    /// What blocks an issue: its own gating edges, and those of the epics that contain it.
    fn blockers(&mut self, issue: &'a Issue) -> Blockers {
        let mut blockers = Blockers::default();
        self.take_edges(issue, issue, &mut blockers);
        for epic in self.hierarchy.epics_above(&issue.id) {
            // Only what this plan is about: another epic that the bead is filed under does not speak here.
            if (epic == self.root || self.members.contains(epic))
                && let Some(epic) = self.hierarchy.issue(epic)
            {
                self.take_edges(issue, epic, &mut blockers);
            }
        }
        blockers
    }

    fn take_edges(&mut self, task: &Issue, carrier: &'a Issue, blockers: &mut Blockers) {
        for edge in carrier
            .edges
            .iter()
            .filter(|edge| edge.kind == EdgeKind::Gates)
        {
            let to = &edge.to;
            // An epic that waits for something inside itself says nothing that its children do not say.
            if carrier.id != task.id
                && (*to == task.id || self.hierarchy.epics_above(to).contains(&carrier.id))
            {
                continue;
            }
            if self.members.contains(to) {
                blockers.needs.insert(to.clone());
                continue;
            }
            match self.hierarchy.issue(to) {
                None if to.as_str().starts_with(OTHER_PROJECT) => {
                    blockers.outside.insert(to.clone());
                }
                // An unknown need; the plan's check says so.
                None => {
                    blockers.needs.insert(to.clone());
                }
                Some(other) if other.status != IssueStatus::Closed => {
                    blockers.outside.insert(to.clone());
                }
                Some(other) if matches!(other.kind, IssueKind::Bookkeeping(_)) => {}
                Some(other) => {
                    self.invite(&other.id);
                    blockers.needs.insert(to.clone());
                }
            }
        }
    }

    /// Takes a closed blocker from outside into the plan; of an epic, all that is closed below it.
    fn invite(&mut self, id: &'a TaskId) {
        if !self.outsiders.insert(id) || !self.hierarchy.is_epic(id) {
            return;
        }
        for below in self.hierarchy.below(id) {
            let closed = self
                .hierarchy
                .issue(below)
                .is_some_and(|issue| issue.status == IssueStatus::Closed);
            if closed && is_worked(self.hierarchy.issue(below)) && !self.members.contains(below) {
                self.outsiders.insert(below);
            }
        }
    }

    fn eligibility(&mut self, issue: &Issue) -> Eligibility {
        if issue.kind == IssueKind::Epic {
            return self.standing_of_epic(issue);
        }
        if let Some((epic, word)) = self.aside_above(&issue.id)
            && issue.status != IssueStatus::Closed
        {
            return Eligibility::NotOurs {
                reason: format!("its epic {epic} is {word}"),
            };
        }
        let held = || match &issue.assignee {
            Some(name) => format!("held by {name}"),
            None => "in progress, held by nobody that is named".to_owned(),
        };
        match &issue.status {
            IssueStatus::Closed => Eligibility::Satisfied { commit: None },
            IssueStatus::Open if issue.assignee.is_none() => Eligibility::Open,
            IssueStatus::Open | IssueStatus::InProgress if (self.ours)(issue) => Eligibility::Open,
            IssueStatus::Open | IssueStatus::InProgress => Eligibility::NotOurs { reason: held() },
            aside => Eligibility::NotOurs {
                reason: put_aside(aside).unwrap_or_else(|| aside.as_str().to_owned()),
            },
        }
    }

    /// An epic holds its children. One that was closed over open children is closed all the same, and a person should know.
    fn standing_of_epic(&mut self, epic: &Issue) -> Eligibility {
        if epic.status != IssueStatus::Closed {
            return Eligibility::Container;
        }
        let below = self.hierarchy.below(&epic.id);
        let open: Vec<&str> = below
            .into_iter()
            .filter(|id| self.members.contains(*id) && !self.hierarchy.is_epic(id))
            .filter(|id| {
                self.hierarchy
                    .issue(id)
                    .is_some_and(|issue| issue.status != IssueStatus::Closed)
            })
            .map(TaskId::as_str)
            .collect();
        if open.is_empty() {
            return Eligibility::Container;
        }
        let message = format!(
            "epic {} is closed, but {} under it are not; what waits for the epic does not wait for them",
            epic.id,
            open.join(", ")
        );
        self.diagnostics
            .push(Diagnostic::warning(message).about(&epic.id));
        Eligibility::Satisfied { commit: None }
    }

    /// The nearest epic between `id` and the root that a person put aside; the root was asked for, so it does not count.
    fn aside_above(&self, id: &TaskId) -> Option<(&'a TaskId, &'a str)> {
        self.hierarchy
            .epics_above(id)
            .into_iter()
            .filter(|epic| self.members.contains(epic))
            .find_map(|epic| {
                let issue = self.hierarchy.issue(epic)?;
                put_aside(&issue.status).map(|_| (epic, issue.status.as_str()))
            })
    }

    fn locks(&mut self, issue: &Issue) -> Locks {
        let mut locks = Locks::default();
        for label in &issue.labels {
            let Some(name) = label.strip_prefix(LABEL_LOCK) else {
                continue;
            };
            match Locks::parse(name) {
                Ok((group, units)) => locks.insert_units(group, units),
                Err(problem) => {
                    let message = format!(
                        "{}: the label `{}` names no lock group, {problem}; it is ignored",
                        issue.id,
                        label.escape_debug()
                    );
                    self.diagnostics
                        .push(Diagnostic::warning(message).about(&issue.id));
                }
            }
        }
        locks
    }
}

/// Why a status keeps a bead from being run, if it does.
fn put_aside(status: &IssueStatus) -> Option<String> {
    match status {
        IssueStatus::Open | IssueStatus::InProgress | IssueStatus::Closed => None,
        IssueStatus::Blocked => Some("blocked by hand".to_owned()),
        IssueStatus::Deferred => Some("deferred".to_owned()),
        IssueStatus::Other(word) => Some(format!("has the status `{}`", word.escape_debug())),
    }
}

fn is_checkpoint(issue: &Issue) -> bool {
    let title = issue.title.to_lowercase();
    issue.labels.iter().any(|label| label == LABEL_CHECKPOINT)
        || title.contains("checkpoint")
        || title.contains("integration")
}

#[cfg(test)]
#[path = "tasks_test.rs"]
mod tests;

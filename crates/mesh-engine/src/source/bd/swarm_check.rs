//! Comparing what bd says of an epic with what was read of a listing. It calls nothing.
//!
//! bd sees direct children alone, and no blockers outside the epic, so only that much is compared.

use std::collections::{BTreeMap, BTreeSet};

use mesh_bd::{Listing, SwarmStatus, SwarmValidation};
use mesh_core::id::TaskId;
use mesh_core::issue::IssueKind;
use mesh_plan::epic::{self, Target};

/// A direct child of the epic.
struct Child {
    is_closed: bool,
    /// The other direct children that it needs.
    needs: BTreeSet<TaskId>,
}

/// The direct children as a run reads them.
fn children(epic: &TaskId, listing: &Listing) -> BTreeMap<TaskId, Child> {
    let loaded = epic::load(&Target::Epic(epic.clone()), &listing.issues, &|_| true);
    let is_child = |id: &TaskId| {
        let details = loaded.details.get(id);
        details.is_some_and(|details| details.parents.contains(epic))
    };
    let child = |task: &mesh_core::task::Task| {
        let child = Child {
            is_closed: !listing.is_open(&task.id),
            needs: task
                .needs
                .iter()
                .filter(|id| is_child(id))
                .cloned()
                .collect(),
        };
        (task.id.clone(), child)
    };
    let tasks = loaded.tasks.iter().filter(|task| is_child(&task.id));
    tasks.map(child).collect()
}

/// The level of each child: 0 needs no other. Those in or behind a cycle have none.
fn levels<'a>(children: &BTreeMap<&'a TaskId, &'a Child>) -> BTreeMap<&'a TaskId, u32> {
    let mut levels: BTreeMap<&TaskId, u32> = BTreeMap::new();
    loop {
        let before = levels.len();
        for (id, child) in children {
            let needs = child
                .needs
                .iter()
                .filter(|need| children.contains_key(need));
            let of_needs: Option<Vec<u32>> = needs.map(|need| levels.get(need).copied()).collect();
            if let (false, Some(of_needs)) = (levels.contains_key(id), of_needs) {
                let level = of_needs.into_iter().max().map_or(0, |level| level + 1);
                levels.insert(*id, level);
            }
        }
        if levels.len() == before {
            return levels;
        }
    }
}

/// What bd's analysis says otherwise than `listing` does.
pub(super) fn of_validation(
    epic: &TaskId,
    listing: &Listing,
    said: &SwarmValidation,
) -> Vec<String> {
    if !said.swarmable {
        let errors = said.errors.join("; ");
        return vec![format!("bd takes {epic} for not swarmable: {errors}")];
    }
    let ours = children(epic, listing);
    let fronts = said.fronts.iter();
    let shown: BTreeMap<&TaskId, u32> = fronts
        .flat_map(|front| front.issues.iter().map(move |id| (id, front.wave)))
        .collect();
    // Whether closed children have a level differs between versions.
    let is_closed = |id: &TaskId| ours.get(id).is_some_and(|child| child.is_closed);
    let with_closed = shown.keys().any(|id| is_closed(id));
    let counted: BTreeMap<&TaskId, &Child> = ours
        .iter()
        .filter(|(_, child)| with_closed || !child.is_closed)
        .collect();
    let levels = levels(&counted);
    let mut differences = Vec::new();
    for id in counted.keys().filter(|id| !shown.contains_key(*id)) {
        differences.push(format!(
            "bd does not count {id} among the children of {epic}"
        ));
    }
    for (id, wave) in shown {
        let is_work = |kind: &IssueKind| !matches!(kind, IssueKind::Bookkeeping(_));
        match levels.get(id) {
            Some(level) if *level == wave => {}
            Some(level) => differences.push(format!(
                "bd puts {id} into front {} of {epic}, mesh into front {}",
                wave + 1,
                level + 1
            )),
            None if listing.get(id).is_none_or(|issue| is_work(&issue.kind)) => {
                differences.push(format!(
                    "bd counts {id} among the children of {epic}, mesh does not"
                ));
            }
            // Gates, events and the like are children for bd alone.
            None => {}
        }
    }
    differences
}

/// What bd's status says otherwise than mesh knows of the children that it closed.
pub(super) fn of_status(
    epic: &TaskId,
    listing: &Listing,
    closed: &BTreeSet<TaskId>,
    said: &SwarmStatus,
) -> Vec<String> {
    let completed: BTreeSet<&TaskId> = said.completed.iter().map(|issue| &issue.id).collect();
    let children = children(epic, listing);
    let missing = children
        .keys()
        .filter(|id| closed.contains(*id) && !completed.contains(id));
    missing
        .map(|id| format!("bd does not count {id} among the completed children of {epic}, and mesh has closed it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use mesh_bd::{SwarmFront, SwarmIssue};
    use mesh_core::issue::{Edge, EdgeKind, Issue, IssueStatus};

    use super::*;

    fn id(text: &str) -> TaskId {
        TaskId::new(text).expect("an id")
    }

    fn issue(name: &str, kind: IssueKind, needs: &[&str]) -> Issue {
        let mut edges: Vec<Edge> = needs
            .iter()
            .map(|need| Edge {
                to: id(need),
                kind: EdgeKind::Gates,
            })
            .collect();
        if name != "e" {
            edges.push(Edge {
                to: id("e"),
                kind: EdgeKind::Parent,
            });
        }
        Issue {
            id: id(name),
            title: name.to_owned(),
            description: "do it".to_owned(),
            acceptance: String::new(),
            design: String::new(),
            notes: String::new(),
            status: IssueStatus::Open,
            kind,
            priority: 2,
            assignee: None,
            labels: Vec::new(),
            edges,
            estimate_minutes: None,
            metadata: Vec::new(),
            close_reason: None,
        }
    }

    /// `a`, `b` and, after both, `c`; `d` is closed; a gate is a child for bd alone.
    fn listing() -> Listing {
        let task = |name: &str, needs: &[&str]| issue(name, IssueKind::Work("task".into()), needs);
        let mut done = task("d", &[]);
        done.status = IssueStatus::Closed;
        Listing::new([
            issue("e", IssueKind::Epic, &[]),
            task("a", &["d"]),
            task("b", &[]),
            task("c", &["a", "b"]),
            done,
            issue("g", IssueKind::Bookkeeping("gate".into()), &[]),
        ])
    }

    fn said(fronts: &[&[&str]]) -> SwarmValidation {
        let front = |(wave, ids): (usize, &&[&str])| SwarmFront {
            wave: u32::try_from(wave).expect("few"),
            issues: ids.iter().map(|name| id(name)).collect(),
        };
        SwarmValidation {
            epic_id: id("e"),
            total_issues: 5,
            closed_issues: 1,
            fronts: fronts.iter().enumerate().map(front).collect(),
            max_parallelism: 2,
            warnings: Vec::new(),
            errors: Vec::new(),
            swarmable: true,
        }
    }

    #[track_caller]
    fn check(fronts: &[&[&str]], differences: &[&str]) {
        assert_eq!(
            of_validation(&id("e"), &listing(), &said(fronts)),
            differences
        );
    }

    #[test]
    fn fronts_that_agree_say_nothing_whether_closed_children_count_or_not() {
        check(&[&["a", "b", "g"], &["c"]], &[]);
        check(&[&["b", "d", "g"], &["a"], &["c"]], &[]);
    }

    #[test]
    fn each_difference_is_named() {
        check(
            &[&["a"], &["c"]],
            &["bd does not count b among the children of e"],
        );
        check(
            &[&["a", "b", "c"]],
            &["bd puts c into front 1 of e, mesh into front 2"],
        );
        check(
            &[&["a", "b", "z"], &["c"]],
            &["bd counts z among the children of e, mesh does not"],
        );
        let mut refused = said(&[]);
        refused.swarmable = false;
        refused.errors = vec!["cycle: a → c → a".to_owned()];
        assert_eq!(
            of_validation(&id("e"), &listing(), &refused),
            ["bd takes e for not swarmable: cycle: a → c → a"]
        );
    }

    #[test]
    fn what_mesh_closed_is_completed_for_bd_too() {
        let of = |name: &str| SwarmIssue {
            id: id(name),
            title: String::new(),
        };
        let mut status = SwarmStatus {
            epic_id: id("e"),
            total_issues: 5,
            completed: vec![of("a"), of("d")],
            active: Vec::new(),
            ready: vec![of("b")],
            blocked: Vec::new(),
        };
        let closed = BTreeSet::from([id("a"), id("b"), id("elsewhere")]);
        assert_eq!(
            of_status(&id("e"), &listing(), &closed, &status),
            ["bd does not count b among the completed children of e, and mesh has closed it"]
        );
        status.completed.push(of("b"));
        assert!(of_status(&id("e"), &listing(), &closed, &status).is_empty());
    }
}

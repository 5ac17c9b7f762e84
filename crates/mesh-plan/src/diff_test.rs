use std::collections::BTreeMap;

use mesh_core::issue::{Edge, EdgeKind, Issue, IssueKind, IssueStatus};
use mesh_core::task::Eligibility;

use super::*;
use crate::epic::{self, Target};

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("a plain id")
}

fn issue(name: &str, kind: IssueKind, edges: &[(&str, EdgeKind)]) -> Issue {
    Issue {
        id: id(name),
        title: name.to_owned(),
        description: String::new(),
        acceptance: String::new(),
        design: String::new(),
        notes: String::new(),
        status: IssueStatus::Open,
        kind,
        priority: 2,
        assignee: None,
        labels: Vec::new(),
        edges: edges
            .iter()
            .map(|(to, kind)| Edge {
                to: id(to),
                kind: *kind,
            })
            .collect(),
        estimate_minutes: None,
        metadata: Vec::new(),
        close_reason: None,
    }
}

fn three() -> BTreeMap<TaskId, Issue> {
    let work = |name: &str| {
        issue(
            name,
            IssueKind::Work("task".to_owned()),
            &[("e", EdgeKind::Parent)],
        )
    };
    [
        issue("e", IssueKind::Epic, &[]),
        work("a"),
        work("b"),
        work("c"),
    ]
    .into_iter()
    .map(|issue| (issue.id.clone(), issue))
    .collect()
}

fn is_ours(assignee: Option<&str>) -> bool {
    assignee.is_some_and(|name| name.starts_with("agent:mesh-"))
}

/// What differs after `edit`.
fn after(edit: impl FnOnce(&mut BTreeMap<TaskId, Issue>)) -> ListingDiff {
    let mut issues = three();
    let load = |issues: &BTreeMap<TaskId, Issue>| {
        epic::load(&Target::Epic(id("e")), issues, &|issue| {
            is_ours(issue.assignee.as_deref())
        })
    };
    let before = load(&issues);
    edit(&mut issues);
    changes(&before, &load(&issues), &|details| {
        is_ours(details.assignee.as_deref())
    })
}

fn edited(name: &str, edit: impl FnOnce(&mut Issue)) -> ListingDiff {
    after(|issues| edit(issues.get_mut(&id(name)).expect("it is there")))
}

fn ids(tasks: &[(Task, TaskDetails)]) -> Vec<&str> {
    tasks.iter().map(|(task, _)| task.id.as_str()).collect()
}

#[test]
fn the_same_listing_differs_in_nothing() {
    assert!(after(|_| ()).is_empty());
    assert!(edited("a", |issue| issue.labels.push("nice".to_owned())).is_empty());
    assert!(edited("a", |issue| issue.notes.push_str("a comment")).is_empty());
}

#[test]
fn what_the_scheduler_must_see_is_reported() {
    let diff = edited("a", |issue| {
        issue.edges.push(Edge {
            to: id("b"),
            kind: EdgeKind::Gates,
        })
    });
    assert_eq!((ids(&diff.changed), diff.taken.len()), (vec!["a"], 0));
    assert_eq!(diff.changed[0].0.needs, [id("b")]);
    let diff = edited("a", |issue| issue.labels.push("mesh-lock:x".to_owned()));
    assert_eq!(ids(&diff.changed), ["a"]);
    let diff = edited("a", |issue| issue.priority = 0);
    assert_eq!(ids(&diff.changed), ["a"]);
    let diff = edited("a", |issue| issue.estimate_minutes = Some(5));
    assert_eq!(ids(&diff.changed), ["a"]);
}

#[test]
fn new_and_vanished_tasks_are_told_apart() {
    let diff = after(|issues| {
        issues.remove(&id("b"));
        let mut new = issues[&id("a")].clone();
        new.id = id("d");
        issues.insert(new.id.clone(), new);
    });
    assert_eq!((ids(&diff.added), diff.removed), (vec!["d"], vec![id("b")]));
    assert!(diff.changed.is_empty() && diff.taken.is_empty());
    let diff = edited("c", |issue| issue.edges.clear());
    assert_eq!(diff.removed, [id("c")]);
}

#[test]
fn a_persons_hand_is_seen() {
    let reason = |diff: ListingDiff| {
        assert_eq!(diff.taken.len(), 1);
        diff.taken[0].1.clone()
    };
    assert_eq!(
        reason(edited("a", |issue| issue.title.push('!'))),
        "its title was changed"
    );
    assert_eq!(
        reason(edited("a", |issue| issue.description.push('!'))),
        "its description was changed"
    );
    assert_eq!(
        reason(edited("a", |issue| issue.acceptance.push('!'))),
        "its acceptance criteria was changed"
    );
    assert_eq!(
        reason(edited("a", |issue| issue.assignee = Some("ada".to_owned()))),
        "it was given to ada"
    );
    let diff = edited("a", |issue| issue.status = IssueStatus::Deferred);
    assert_eq!(
        diff.changed[0].0.eligibility,
        Eligibility::NotOurs {
            reason: "deferred".to_owned()
        }
    );
    assert_eq!(reason(diff), "its status was changed from open to deferred");
    let diff = edited("a", |issue| {
        issue.edges.push(Edge {
            to: id("elsewhere"),
            kind: EdgeKind::Parent,
        })
    });
    assert_eq!(reason(diff), "its parent was changed");
}

#[test]
fn what_mesh_wrote_itself_is_nobodys_hand() {
    let claimed = |issue: &mut Issue| {
        issue.status = IssueStatus::InProgress;
        issue.assignee = Some("agent:mesh-2".to_owned());
    };
    assert!(edited("a", claimed).is_empty());
    let closed = |issue: &mut Issue| {
        claimed(issue);
        issue.status = IssueStatus::Closed;
    };
    assert!(edited("a", closed).is_empty());
    let diff = edited("a", |issue| {
        claimed(issue);
        issue.title.push('!');
    });
    assert_eq!(diff.taken, [(id("a"), "its title was changed".to_owned())]);
}

#[test]
fn nobody_takes_what_is_only_stood_on() {
    let mut issues = three();
    let mut old = issue("old", IssueKind::Work("task".to_owned()), &[]);
    old.status = IssueStatus::Closed;
    issues.insert(old.id.clone(), old);
    issues
        .get_mut(&id("a"))
        .expect("it is there")
        .edges
        .push(Edge {
            to: id("old"),
            kind: EdgeKind::Gates,
        });
    let load =
        |issues: &BTreeMap<TaskId, Issue>| epic::load(&Target::Epic(id("e")), issues, &|_| false);
    let before = load(&issues);
    issues
        .get_mut(&id("old"))
        .expect("it is there")
        .title
        .push('!');
    assert!(changes(&before, &load(&issues), &|_| false).is_empty());
}

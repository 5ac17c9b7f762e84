//! Listings for the tests of this source. The recorded ones are what bd 1.3.0 answered to `list --json --all --limit 0` for an
//! epic of five with a wrapped child, before and after two claims.

use std::collections::BTreeMap;

use mesh_core::id::TaskId;
use mesh_core::issue::{Edge, EdgeKind, Issue, IssueKind, IssueStatus};

pub(super) type Listing = BTreeMap<TaskId, Issue>;

pub(super) fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("a plain id")
}

pub(super) fn issue(name: &str, title: &str, kind: IssueKind, edges: &[(&str, EdgeKind)]) -> Issue {
    Issue {
        id: id(name),
        title: title.to_owned(),
        description: format!("do {title}"),
        acceptance: "it works".to_owned(),
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

pub(super) fn task(name: &str, title: &str, edges: &[(&str, EdgeKind)]) -> Issue {
    issue(name, title, IssueKind::Work("task".to_owned()), edges)
}

pub(super) fn epic(name: &str, edges: &[(&str, EdgeKind)]) -> Issue {
    issue(name, name, IssueKind::Epic, edges)
}

pub(super) fn labelled(mut issue: Issue, labels: &[&str]) -> Issue {
    issue.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    issue
}

pub(super) fn stands(mut issue: Issue, status: IssueStatus, assignee: Option<&str>) -> Issue {
    issue.status = status;
    issue.assignee = assignee.map(str::to_owned);
    issue
}

pub(super) fn listing(issues: impl IntoIterator<Item = Issue>) -> Listing {
    issues
        .into_iter()
        .map(|issue| (issue.id.clone(), issue))
        .collect()
}

pub(super) const GATES: EdgeKind = EdgeKind::Gates;
pub(super) const PARENT: EdgeKind = EdgeKind::Parent;
pub(super) const OTHER: EdgeKind = EdgeKind::Other;

pub(super) fn molecule(name: &str, title: &str, of: &str) -> Issue {
    issue(
        name,
        title,
        IssueKind::Bookkeeping("molecule".to_owned()),
        &[(of, OTHER)],
    )
}

/// Before the claims.
pub(super) fn recorded() -> Listing {
    listing([
        molecule("t-a6w", "Swarm: Ship the parser", "t-wjx"),
        task("t-wjx.4", "cli", &[("t-wjx.2", GATES), ("t-wjx", PARENT)]),
        labelled(
            task("t-wjx.1", "lexer", &[("t-wjx", PARENT)]),
            &["mesh-lock:core"],
        ),
        issue("t-wjx", "Ship the parser", IssueKind::Epic, &[]),
        task(
            "t-wjx.5",
            "release",
            &[("t-wjx.3", GATES), ("t-wjx.4", GATES), ("t-wjx", PARENT)],
        ),
        labelled(
            task(
                "t-wjx.2",
                "grammar",
                &[("t-wjx.1", GATES), ("t-wjx", PARENT)],
            ),
            &["mesh-lock:core"],
        ),
        issue("t-2rl", "Swarm Epic: docs", IssueKind::Epic, &[]),
        molecule("t-ulx", "Swarm: Swarm Epic: docs", "t-2rl"),
        labelled(
            task("t-wjx.3", "docs", &[("t-2rl", PARENT), ("t-wjx", PARENT)]),
            &["mesh-lock:docs"],
        ),
    ])
}

/// After them: t-wjx.1 is mesh-1's, the other two mesh-2's, and bd has written an event below one.
pub(super) fn recorded_later() -> Listing {
    let mut all = recorded();
    let mut hold = |name: &str, who: &str| {
        let issue = all.get_mut(&id(name)).expect("it is recorded");
        issue.status = IssueStatus::InProgress;
        issue.assignee = Some(who.to_owned());
    };
    hold("t-wjx.1", "mesh-1");
    hold("t-wjx.2", "mesh-2");
    hold("t-wjx.3", "mesh-2");
    let event = issue(
        "t-wjx.3.1",
        "State change",
        IssueKind::Bookkeeping("event".to_owned()),
        &[("t-wjx.3", PARENT)],
    );
    let slot = labelled(task("t-merge-slot", "Merge Slot", &[]), &["gt:slot"]);
    all.extend([(event.id.clone(), event), (slot.id.clone(), slot)]);
    all
}

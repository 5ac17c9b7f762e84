//! Epics whose beads cannot be worked as their edges are: all that is wrong is said before anything begins, and nothing changes.

use serde_json::{Value, json};

use crate::bad_input::{refused, right};
use crate::fixture::{BD_1_3_0_JJ, FAKE_BD_GIT, Work, job};

/// No bd makes such edges by its own commands; merges and imports do.
#[test]
fn a_circle_and_an_unknown_need_are_both_said_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let jobs = [
        job("a", &["b"]),
        job("b", &[]),
        job("c", &[]),
        job("d", &[]),
    ];
    let work = fixture.plan("Four", &jobs);
    let path = fixture.repo.join(".beads/fake-bd/issues.json");
    let text = fs_err::read_to_string(&path).expect("the issues");
    let mut state: Value = serde_json::from_str(&text).expect("the issues");
    for (from, to) in [("b", work.id("a")), ("c", "t-nowhere"), ("d", work.id("d"))] {
        let issues = state["issues"].as_array_mut().expect("a list");
        let issue = issues.iter_mut().find(|issue| issue["id"] == work.id(from));
        let edges = issue.expect("it is there")["edges"].as_array_mut();
        edges.expect("a list").push(json!({
            "to": to, "kind": "blocks", "created_at": "2026-01-01T00:00:00Z", "created_by": "a merge"
        }));
    }
    fs_err::write(&path, state.to_string()).expect("the issues");
    let circle = format!("{} -> {}", work.id("a"), work.id("b"));
    let wanted = [
        "3 problems",
        "dependency cycle",
        &circle,
        &format!("{} needs t-nowhere, which is not in the plan", work.id("c")),
        &format!("{} needs itself", work.id("d")),
    ];
    refused(&fixture, &fixture.run_args(&work, 2, &[]), 10, &wanted);
    let plan = ["plan".to_owned(), work.source.clone()];
    refused(&fixture, &plan, 10, &wanted);
}

/// A circle that bd lets pass: through what epics contain.
#[test]
fn a_circle_through_epics_is_shown_as_a_path_real_bd_1_3_0_jj_0_45_1() {
    let Some((fixture, _)) = right(BD_1_3_0_JJ) else {
        return;
    };
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let root = tracker.create("epic", "All", &[]);
    let under =
        |kind: &str, title: &str, parent: &str| tracker.create(kind, title, &["--parent", parent]);
    let (left, right) = (under("epic", "Left", &root), under("epic", "Right", &root));
    let (x, y) = (under("task", "x", &left), under("task", "y", &right));
    under("task", "z", &root);
    tracker.depend(&x, &right, "blocks");
    tracker.depend(&y, &left, "blocks");
    let work = Work {
        source: root,
        jobs: Vec::new(),
        ids: Default::default(),
    };
    let wanted = ["dependency cycle", &x[..], &y, &left, &right];
    refused(&fixture, &fixture.run_args(&work, 2, &[]), 10, &wanted);
    refused(
        &fixture,
        &["plan".to_owned(), work.source.clone()],
        10,
        &wanted,
    );
}

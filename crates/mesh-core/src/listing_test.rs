//! What a new listing of the source changes in a run, and what it leaves as it is.

use super::tests::{Story, closed, id, listing, retry, skip, task};
use super::*;
use crate::event::PlanChange;
use crate::task::{Commit, Task};
use crate::time::Span;

#[test]
fn new_locks_and_needs_of_a_running_task_bind_its_next_attempt() {
    let tasks = vec![
        task("a", &[], &["x"]),
        task("b", &[], &["y"]),
        task("c", &[], &["x"]),
    ];
    let (mut run, _) = Story::begin(tasks, 3, |_| {});
    run.started("a#1");
    assert_eq!(
        run.tell(listing(vec![task("a", &[], &["y"])])),
        "",
        "a#1 holds x"
    );
    assert_eq!(
        run.ended("a#1", Ending::Exited(1)),
        "retry after a#1 crashed; start c#1 on mesh-1"
    );
    assert_eq!(run.verified("b#1"), "accept b#1; start a#2 on mesh-2");
}

#[test]
fn a_circle_that_one_edge_mends_holds_nobody_any_more() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &["a"], &[])], 1, |_| {});
    run.started("a#1");
    run.ended("a#1", Ending::Exited(1));
    run.tell(skip("a"));
    run.ended("a#2", Ending::Stopped);
    run.tell(listing(vec![task("a", &["b"], &[])]));
    assert!(matches!(
        run.state.find(&id("b")).unwrap().0.eligibility,
        crate::task::Eligibility::Faulty { .. }
    ));
    run.tell(listing(vec![task("a", &[], &[])]));
    assert_eq!(
        run.state.find(&id("b")).unwrap().0.eligibility,
        crate::task::Eligibility::Open
    );
    assert_eq!(
        run.tell(retry("a", false)),
        "redo a and 1; start a#3 on mesh-1"
    );
}

#[test]
fn a_task_taken_by_a_change_of_its_text_is_not_given_back_by_another_change() {
    let (mut run, _) = Story::begin(vec![task("g", &[], &[]), task("a", &["g"], &[])], 1, |_| {});
    let change = PlanChange {
        closed: Vec::new(),
        taken: vec![(id("a"), "its title was changed".to_owned())],
        ..PlanChange::default()
    };
    run.tell(Event::Refreshed { change: Ok(change) });
    let urgent = Task {
        priority: 0,
        ..task("a", &["g"], &[])
    };
    run.tell(listing(vec![urgent.clone()]));
    assert_eq!(run.verified("g#1"), "accept g#1");
    let eligibility = crate::task::Eligibility::NotOurs {
        reason: "held by ada".to_owned(),
    };
    run.tell(listing(vec![Task {
        eligibility,
        ..urgent.clone()
    }]));
    assert_eq!(run.tell(listing(vec![urgent])), "start a#1 on mesh-1");
}

#[test]
fn what_mesh_did_in_an_earlier_run_is_done_again_on_request_and_what_a_person_did_is_not() {
    let eligibility = crate::task::Eligibility::Satisfied {
        commit: Some(Commit("old".to_owned())),
    };
    let tasks = vec![
        Task {
            eligibility,
            ..task("a", &[], &[])
        },
        closed(task("p", &[], &[])),
        task("b", &[], &[]),
    ];
    let (mut run, _) = Story::begin(tasks, 2, |_| {});
    assert_eq!(
        run.tell(retry("a", false)),
        "redo a and 0; start a#1 on mesh-2"
    );
    assert!(run.tell(retry("p", false)).starts_with("refuse: p was not"));
}

#[test]
fn a_new_task_that_a_listing_has_twice_is_one_task() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 4, |_| {});
    let said = run.tell(listing(vec![
        task("n", &[], &[]),
        task("n", &[], &["x"]),
        task("m", &[], &[]),
    ]));
    assert_eq!(said, "start m#1 on mesh-2; start n#1 on mesh-3");
}

#[test]
fn a_reservation_outlives_a_listing() {
    let both = Task {
        priority: 0,
        ..task("both", &["gate"], &["x", "y"])
    };
    let tasks = vec![
        task("gate", &[], &[]),
        both,
        task("x1", &[], &["x"]),
        task("y1", &[], &["y"]),
        task("y2", &[], &["y"]),
        task("x2", &[], &["x"]),
    ];
    let (mut run, _) = Story::begin(tasks, 3, |policy| policy.lock_patience = 0);
    run.verified("gate#1");
    let said = run.verified("x1#1");
    assert_eq!(said, "accept x1#1; start x2#1 on mesh-1; reserve for both");
    run.tell(listing(vec![task("new", &[], &["z"])]));
    assert_eq!(run.verified("x2#1"), "accept x2#1", "x is still kept");
}

#[test]
fn a_kill_that_may_have_been_lost_with_its_coordinator_is_decided_again() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    run.started("a#1");
    run.tell(skip("a"));
    assert_eq!(run.later(Span::seconds(60)), "kill a#1");
    run.tell(Event::Reopened);
    assert_eq!(run.later(Span(1)), "kill a#1");
    assert_eq!(run.state.next_wakeup(), None);
}

#[test]
fn a_circle_among_tasks_that_are_done_hides_no_result_behind_them() {
    let eligibility = crate::task::Eligibility::Satisfied {
        commit: Some(Commit("old".to_owned())),
    };
    let made = |needs: &[&str]| Task {
        eligibility: eligibility.clone(),
        ..task("made", needs, &[])
    };
    let tasks = vec![
        made(&[]),
        closed(task("person", &["made"], &[])),
        task("a", &["person"], &[]),
        task("b", &["person"], &[]),
    ];
    let (mut run, _) = Story::begin(tasks, 1, |_| {});
    run.tell(listing(vec![made(&["person"])]));
    let at = run.state.plan().find(&id("b")).unwrap();
    let commits = run.state.need_commits(at);
    assert_eq!(commits[0].1, Commit("old".to_owned()));
}

#[test]
fn a_task_that_stood_as_done_and_is_removed_while_its_attempt_runs_stays_done() {
    let tasks = vec![task("a", &[], &[]), task("b", &["a"], &[])];
    let (mut run, _) = Story::begin(tasks, 1, |policy| policy.trust_outside = true);
    run.started("a#1");
    let done = Task {
        eligibility: crate::task::Eligibility::Satisfied { commit: None },
        ..task("a", &[], &[])
    };
    run.tell(listing(vec![done]));
    let change = PlanChange {
        removed: vec![id("a")],
        ..PlanChange::default()
    };
    run.tell(Event::Refreshed { change: Ok(change) });
    assert_eq!(
        run.ended("a#1", Ending::Exited(1)),
        "retry after a#1 crashed; start b#1 on mesh-1"
    );
    let eligibility = &run.state.find(&id("a")).unwrap().0.eligibility;
    assert!(matches!(
        eligibility,
        crate::task::Eligibility::NotOurs { .. }
    ));
}

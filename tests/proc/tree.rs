//! What a child leaves behind when it ends.

use crate::support::{Attempt, is_alive, sleeper, until};
use mesh_proc::shim::{Cause, ChildEnd};
use mesh_proc::tree;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Starts an agent that leaves `grandchild` and ends when that is up; says who was left, and checks that it is no more.
#[track_caller]
fn leaves(grandchild: Value) {
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": grandchild}, {"wait_for": "DIR/pid"}, {"exit": 5},
    ]));
    let report = attempt.run();
    let left = attempt.pid("pid");
    assert!(!is_alive(left), "{left} lives on after the report");
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Exited { code: 5 }, Cause::Ended)
    );
    let killed: Vec<u32> = report.killed.iter().map(|killed| killed.pid).collect();
    assert!(killed.contains(&left), "{left} is not among {killed:?}");
    assert!(
        report
            .killed
            .iter()
            .all(|killed| killed.command.contains("fake-agent")),
        "{:?}",
        report.killed
    );
}

#[test]
fn a_grandchild_is_killed_and_listed() {
    leaves(json!({"steps": sleeper("pid")}));
}

#[test]
fn a_grandchild_in_a_session_of_its_own_is_killed_and_listed() {
    leaves(json!({"steps": sleeper("pid"), "setsid": true}));
}

#[test]
fn a_grandchild_without_any_environment_is_killed_and_listed() {
    leaves(json!({"steps": sleeper("pid"), "setsid": true, "clear_env": true}));
}

#[test]
fn a_grandchild_that_ignores_the_request_is_killed_and_listed() {
    let steps = json!([{"ignore_term": true}, {"write_pid": "DIR/pid"}, {"sleep_ms": 60_000}]);
    leaves(json!({"steps": steps, "setsid": true}));
}

#[test]
fn a_daemon_whose_parents_are_gone_is_killed_and_listed() {
    let daemon = json!({"steps": sleeper("pid"), "setsid": true});
    let parent = json!({"steps": [{"grandchild": daemon}], "setsid": true});
    leaves(json!({"steps": [{"grandchild": parent}]}));
}

#[test]
fn a_tree_that_goes_on_forking_is_ended() {
    // Each process starts the next and ends: nobody lives long enough to be looked at twice.
    let text = "echo 'sleep 0.01; setsid sh \"$0\" & exit' >\"$DIR/chain\"; setsid sh \"$DIR/chain\" & exit 0";
    let mut attempt = Attempt::of_shell(text);
    let report = attempt.run();
    assert_eq!(report.ending, ChildEnd::Exited { code: 0 });
    let run = attempt.spec.run.as_str();
    let search = mesh_proc::orphans::Search::new(run, mesh_proc::orphans::Marked::Any);
    assert_eq!(mesh_proc::orphans::find(&search), []);
}

#[test]
fn a_list_of_the_killed_has_an_end() {
    let text = "i=0; while [ $i -lt 230 ]; do sleep 60 & i=$((i+1)); done; exit 0";
    let report = Attempt::of_shell(text).run();
    assert_eq!(report.killed.len(), 200);
    assert_eq!(report.killed_more, 30);
}

#[test]
fn orphans_that_end_while_the_child_works_are_reaped_at_once() {
    let orphan = |name: &str| json!({"steps": [{"grandchild": {"steps": [{"touch": format!("DIR/{name}")}]}}]});
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": orphan("one")}, {"grandchild": orphan("two")},
        {"wait_for": "DIR/one"}, {"wait_for": "DIR/two"}, {"write_pid": "DIR/child"}, {"wait_for": "DIR/go"},
    ]));
    let live = attempt.start();
    let child = attempt.pid("child");
    until("nobody but the agent, and no zombie of the shim", || {
        let processes = tree::all();
        let below = tree::descendants(&BTreeSet::from([live.pid()]), &processes);
        below
            .iter()
            .all(|process| process.pid == child || (process.is_zombie() && process.parent == child))
    });
    fs_err::write(attempt.path("go"), "").unwrap();
    assert_eq!(attempt.report().killed, []);
}

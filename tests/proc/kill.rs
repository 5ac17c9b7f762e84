//! Stopping a child, with and without patience.

use crate::support::{Attempt, is_alive, sleeper, until};
use mesh_proc::shim::{Cause, ChildEnd};
use mesh_proc::tree::{self, Sent};
use rustix::process::Signal;
use serde_json::json;

#[test]
fn a_child_is_asked_first_and_so_is_everything_it_started() {
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": {"steps": sleeper("grandchild"), "setsid": true}},
        {"wait_for": "DIR/grandchild"}, {"write_pid": "DIR/child"}, {"sleep_ms": 60_000},
    ]));
    attempt.spec.grace_ms = 3_600_000;
    let live = attempt.start();
    let (child, grandchild) = (attempt.pid("child"), attempt.pid("grandchild"));
    live.request_stop();
    live.request_stop();
    let report = attempt.report();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Signaled { signal: 15 }, Cause::Stopped)
    );
    assert_eq!(report.killed, [], "both went when they were asked");
    assert!(!is_alive(child) && !is_alive(grandchild));
}

#[test]
fn a_child_that_tidies_up_has_time_for_it() {
    let text = "trap 'echo tidy; exit 7' TERM; touch \"$DIR/up\"; while :; do sleep 0.02; done";
    let mut attempt = Attempt::of_shell(text);
    attempt.spec.grace_ms = 3_600_000;
    let live = attempt.start();
    until("the trap", || attempt.path("up").exists());
    live.request_stop();
    let report = attempt.report();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Exited { code: 7 }, Cause::Stopped)
    );
    assert_eq!(attempt.text("stdout"), "tidy\n");
}

#[test]
fn who_does_not_listen_is_killed_after_the_grace() {
    let deaf =
        json!([{"ignore_term": true}, {"write_pid": "DIR/grandchild"}, {"sleep_ms": 60_000}]);
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": {"steps": deaf, "setsid": true}},
        {"ignore_term": true}, {"wait_for": "DIR/grandchild"}, {"write_pid": "DIR/child"}, {"sleep_ms": 60_000},
    ]));
    attempt.spec.grace_ms = 200;
    let live = attempt.start();
    let (child, grandchild) = (attempt.pid("child"), attempt.pid("grandchild"));
    live.request_stop();
    let report = attempt.report();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Signaled { signal: 9 }, Cause::Stopped)
    );
    assert_eq!(
        report
            .killed
            .iter()
            .map(|killed| killed.pid)
            .collect::<Vec<_>>(),
        [grandchild]
    );
    assert!(!is_alive(child) && !is_alive(grandchild));
}

#[test]
fn a_request_to_kill_waits_for_no_grace_and_cuts_one_short() {
    for is_asked_first in [false, true] {
        let text =
            "trap 'touch \"$DIR/asked\"' TERM; touch \"$DIR/up\"; while :; do sleep 0.02; done";
        let mut attempt = Attempt::of_shell(text);
        attempt.spec.grace_ms = 3_600_000;
        let live = attempt.start();
        until("the trap", || attempt.path("up").exists());
        if is_asked_first {
            live.request_stop();
            until("the request", || attempt.path("asked").exists());
        }
        live.request_kill();
        let report = attempt.report();
        assert_eq!(
            (report.ending, report.cause),
            (ChildEnd::Signaled { signal: 9 }, Cause::Stopped)
        );
        assert_eq!(attempt.path("asked").exists(), is_asked_first);
    }
}

#[test]
fn a_request_right_at_the_start_never_leaves_a_child() {
    for _ in 0..10 {
        let mut attempt =
            Attempt::of_steps(json!([{"write_pid": "DIR/child"}, {"sleep_ms": 60_000}]));
        let live = attempt.start();
        live.request_stop();
        assert!(live.wait(crate::support::LONG));
        let search =
            mesh_proc::orphans::Search::new(&attempt.spec.run, mesh_proc::orphans::Marked::Any);
        assert_eq!(mesh_proc::orphans::find(&search), []);
    }
}

#[test]
fn a_hang_up_is_nothing_to_the_shim_and_the_child_does_not_inherit_that() {
    let mut attempt =
        Attempt::of_steps(json!([{"write_pid": "DIR/child"}, {"wait_for": "DIR/go"}]));
    let live = attempt.start();
    let child = attempt.pid("child");
    assert_eq!(tree::signal_same(live.identity(), Signal::HUP), Sent::Yes);
    let ignored = |pid: u32| -> u64 {
        let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // Bit n-1 stands for signal n. A Rust program ignores SIGPIPE by itself, so that one says nothing.
    for signal in [Signal::HUP, Signal::TERM, Signal::INT, Signal::CHILD] {
        assert_eq!(
            ignored(child) & (1 << (signal.as_raw() - 1)),
            0,
            "{signal:?}"
        );
    }
    fs_err::write(attempt.path("go"), "").unwrap();
    let report = attempt.report();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Exited { code: 0 }, Cause::Ended)
    );
}

//! Output and time: the limits that hold without a coordinator.

use crate::support::{Attempt, is_alive, sleeper, until};
use mesh_proc::shim::{Cause, ChildEnd};
use serde_json::json;

#[test]
fn a_flood_is_ended_while_it_runs() {
    let mut attempt = Attempt::of_steps(json!([{"write_pid": "DIR/pid"}, {"flood": {"bytes": 0}}]));
    attempt.spec.log_limit_bytes = 1 << 20;
    // A child that floods gets no time to flood on.
    attempt.spec.grace_ms = 3_600_000;
    let report = attempt.run();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Signaled { signal: 9 }, Cause::Flood)
    );
    assert!(report.stdout_bytes > 1 << 20);
    assert!(!is_alive(attempt.pid("pid")));
}

#[test]
fn a_flood_by_a_grandchild_on_stderr_counts() {
    let flood = json!([{"flood": {"bytes": 0, "stream": "stderr"}}]);
    let mut attempt = Attempt::of_steps(
        json!([{"grandchild": {"steps": flood, "setsid": true}}, {"sleep_ms": 60_000}]),
    );
    attempt.spec.log_limit_bytes = 100_000;
    let report = attempt.run();
    assert_eq!(report.cause, Cause::Flood);
    assert_eq!(report.killed.len(), 1);
}

#[test]
fn a_flood_that_was_over_before_anybody_looked_is_a_flood() {
    let mut attempt = Attempt::of_steps(json!([
        {"flood": {"bytes": 60}}, {"flood": {"bytes": 60, "stream": "stderr"}}, {"exit": 0},
    ]));
    attempt.spec.log_limit_bytes = 100;
    let report = attempt.run();
    assert_eq!(report.cause, Cause::Flood, "both streams count together");
    assert_eq!((report.stdout_bytes, report.stderr_bytes), (60, 60));
}

#[test]
fn output_up_to_the_limit_is_no_flood() {
    let mut attempt = Attempt::of_steps(json!([{"flood": {"bytes": 100}}]));
    attempt.spec.log_limit_bytes = 100;
    let report = attempt.run();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Exited { code: 0 }, Cause::Ended)
    );
}

#[test]
fn the_hard_limit_holds_without_a_coordinator() {
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": {"steps": sleeper("grandchild"), "setsid": true}}, {"sleep_ms": 60_000},
    ]));
    attempt.spec.hard_limit_ms = Some(500);
    attempt.spec.grace_ms = 20_000;
    attempt.start_from_dying_starter(&[]);
    attempt.adopt();
    let report = attempt.report();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Signaled { signal: 15 }, Cause::HardLimit)
    );
    assert_eq!(report.killed, [], "all went when they were asked");
}

#[test]
fn after_the_hard_limit_and_the_grace_nobody_is_asked_any_more() {
    let mut attempt = Attempt::of_steps(json!([{"ignore_term": true}, {"sleep_ms": 60_000}]));
    attempt.spec.hard_limit_ms = Some(300);
    attempt.spec.grace_ms = 100;
    let report = attempt.run();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Signaled { signal: 9 }, Cause::HardLimit)
    );
}

#[test]
fn a_limit_beyond_all_clocks_is_no_limit() {
    let mut attempt = Attempt::of_steps(json!([{"exit": 1}]));
    attempt.spec.hard_limit_ms = Some(u64::MAX);
    attempt.spec.log_limit_bytes = u64::MAX;
    assert_eq!(attempt.run().cause, Cause::Ended);
}

#[test]
fn a_silent_child_costs_no_wake_up() {
    let mut attempt = Attempt::of_steps(json!([{"print": "begun"}, {"wait_for": "DIR/go"}]));
    let live = attempt.start();
    until("its first line", || !attempt.text("stdout").is_empty());
    let wake_ups = || -> u64 {
        let status = fs_err::read_to_string(format!("/proc/{}/status", live.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    };
    // The first line itself is looked at, and looked for once more after a rest.
    let rest = || {
        std::process::Command::new("sleep")
            .arg("0.5")
            .status()
            .unwrap()
    };
    rest();
    let before = wake_ups();
    rest();
    assert_eq!(wake_ups(), before);
    fs_err::write(attempt.path("go"), "").unwrap();
    assert_eq!(attempt.report().cause, Cause::Ended);
}

#[test]
fn many_small_writes_cost_few_looks() {
    let text = "touch \"$DIR/up\"; until [ -e \"$DIR/go\" ]; do :; done; \
        i=0; while [ $i -lt 100000 ]; do echo x; i=$((i+1)); done; touch \"$DIR/written\"; \
        until [ -e \"$DIR/end\" ]; do sleep 0.01; done";
    let mut attempt = Attempt::of_shell(text);
    let live = attempt.start();
    until("the child", || attempt.path("up").exists());
    let reads = || -> u64 {
        let io = fs_err::read_to_string(format!("/proc/{}/io", live.pid())).unwrap();
        io.lines()
            .find_map(|line| line.strip_prefix("syscr: "))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    let (before, begun) = (reads(), std::time::Instant::now());
    fs_err::write(attempt.path("go"), "").unwrap();
    until("all writes", || attempt.path("written").exists());
    let cost = reads() - before;
    // A look is a few reads, and there is at most one in ten milliseconds, however long the writes took.
    let most_looks = u64::try_from(begun.elapsed().as_millis()).unwrap() / 10 + 2;
    assert!(
        cost <= 4 * most_looks,
        "{cost} reads for at most {most_looks} looks"
    );
    fs_err::write(attempt.path("end"), "").unwrap();
    assert_eq!(attempt.report().stdout_bytes, 200_000);
}

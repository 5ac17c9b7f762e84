//! The lock says who may still be running, and a live shim is found again after its starter died.

use crate::support::{Attempt, sleeper, until};
use mesh_proc::env::Env;
use mesh_proc::shim::{self, Cause, ChildEnd, LockError, ShimHandle};
use mesh_proc::tree::Identity;
use serde_json::json;

#[test]
fn the_lock_is_held_until_the_shim_ends_although_the_starter_dies_at_once() {
    let mut attempt = Attempt::of_steps(json!([{"wait_for": "DIR/go"}, {"exit": 2}]));
    attempt.start_from_dying_starter(&[]);
    // The starter is dead, the shim may not even have begun.
    assert!(shim::is_locked(&attempt.lock_path()));
    assert!(matches!(
        shim::lock_attempt(&attempt.lock_path()),
        Err(LockError::Held { .. })
    ));
    attempt.adopt();
    assert!(shim::is_locked(&attempt.lock_path()));
    fs_err::write(attempt.path("go"), "").unwrap();
    let mut was_seen_free = false;
    until("the report", || {
        was_seen_free |= !shim::is_locked(&attempt.lock_path());
        let is_reported = attempt.spec.report.exists();
        assert!(
            is_reported || !was_seen_free,
            "the lock was free before there was a report"
        );
        is_reported
    });
    assert_eq!(attempt.report().ending, ChildEnd::Exited { code: 2 });
    assert!(!shim::is_locked(&attempt.lock_path()));
}

#[test]
fn an_adopted_shim_is_stopped_and_awaited_like_an_own_one() {
    let mut attempt = Attempt::of_steps(json!([{"write_pid": "DIR/child"}, {"sleep_ms": 60_000}]));
    attempt.start_from_dying_starter(&[]);
    let live = attempt.adopt();
    attempt.pid("child");
    assert!(!live.wait(std::time::Duration::ZERO));
    live.request_stop();
    assert_eq!(attempt.report().cause, Cause::Stopped);
    assert!(
        ShimHandle::adopt(&attempt.spec.record).is_none(),
        "the dead are not adopted"
    );
}

#[test]
fn a_number_that_somebody_else_has_now_is_not_adopted() {
    let mut attempt =
        Attempt::of_steps(json!([{"write_pid": "DIR/child"}, {"wait_for": "DIR/go"}]));
    attempt.start();
    attempt.pid("child");
    let record = attempt.record();
    assert!(ShimHandle::adopt(&attempt.spec.record).is_some());
    let forged = attempt.path("forged.json");
    let is_adopted = |identity: Identity, boot_id: &str| {
        let mut forgery = record.clone();
        forgery.identity = identity;
        forgery.boot_id = boot_id.to_string();
        fs_err::write(&forged, serde_json::to_vec(&forgery).unwrap()).unwrap();
        ShimHandle::adopt(&forged).is_some()
    };
    let genuine = record.identity;
    assert!(is_adopted(genuine, &record.boot_id));
    assert!(!is_adopted(
        Identity {
            start_ticks: genuine.start_ticks - 1,
            ..genuine
        },
        &record.boot_id
    ));
    assert!(!is_adopted(
        Identity {
            pid: std::process::id(),
            ..genuine
        },
        &record.boot_id
    ));
    assert!(!is_adopted(
        Identity {
            pid: u32::MAX,
            ..genuine
        },
        &record.boot_id
    ));
    assert!(!is_adopted(Identity { pid: 0, ..genuine }, &record.boot_id));
    assert!(!is_adopted(genuine, "another-boot"));
    for text in ["", "{}", "{\"schema\":9}"] {
        fs_err::write(&forged, text).unwrap();
        assert!(ShimHandle::adopt(&forged).is_none());
    }
    fs_err::write(attempt.path("go"), "").unwrap();
    attempt.report();
}

#[test]
fn nobody_waits_for_a_shim_that_never_was() {
    let attempt = Attempt::of_steps(json!([]));
    let live = ShimHandle::adopt_or_wait(
        &attempt.spec.record,
        &attempt.lock_path(),
        crate::support::LONG,
    );
    assert!(live.is_none());
}

#[test]
fn a_killed_shim_frees_the_lock_and_leaves_no_report_but_its_tree() {
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": {"steps": sleeper("grandchild"), "setsid": true}},
        {"wait_for": "DIR/grandchild"}, {"write_pid": "DIR/child"}, {"sleep_ms": 60_000},
    ]));
    attempt.spec.env = Env::keep(&["PATH"]);
    let live = attempt.start();
    let (child, grandchild) = (attempt.pid("child"), attempt.pid("grandchild"));
    live.kill();
    assert!(live.wait(crate::support::LONG));
    assert!(!shim::is_locked(&attempt.lock_path()));
    assert_eq!(shim::read_report(&attempt.spec.report).unwrap(), None);
    assert!(ShimHandle::adopt(&attempt.spec.record).is_none());
    assert!(crate::support::is_alive(child) && crate::support::is_alive(grandchild));
}

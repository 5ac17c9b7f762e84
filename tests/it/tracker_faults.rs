//! A tracker that lies, floods or dies, before a run and in the middle of one.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::epic::assert_done;
use crate::fixture::{FAKE_BD_GIT, Fixture, Work, job};
use crate::log::wait_until;
use crate::script;
use crate::snapshot;

/// Two tasks, and one that needs both.
pub fn fixture() -> (Fixture, Work) {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = fixture.plan(
        "Three",
        &[job("a", &[]), job("b", &[]), job("c", &["a", "b"])],
    );
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    (fixture, work)
}

/// What the tracker does wrong from now on.
pub fn faults(fixture: &Fixture, faults: &serde_json::Value) {
    fixture.tracker.as_ref().expect("a tracker").script(faults);
}

/// What the tracker says cannot be used: nothing begins. That it never answers has its test beside the adapter, with limits that
/// a test can wait for.
#[test]
fn a_run_does_not_begin_on_answers_that_cannot_be_read_fake_bd_1_3_0_git() {
    for kind in ["empty", "cut", "rubbish", "flood", "die", "exit-1"] {
        let (fixture, work) = fixture();
        let before = snapshot::everything(&fixture);
        faults(
            &fixture,
            &json!([{ "on": "list", "kind": kind, "times": 9 }]),
        );
        let said = fixture.run(&work, 2, &[]).exits(14);
        assert!(
            said.stderr.contains("error: bd list: "),
            "{kind}: {}",
            said.stderr
        );
        assert!(
            said.stderr.len() < 2000,
            "{kind}: {} bytes",
            said.stderr.len()
        );
        assert_eq!(said.stdout, "", "{kind}");
        faults(&fixture, &json!([]));
        assert_eq!(before, snapshot::everything(&fixture), "{kind}");
        fixture.assert_no_process();
    }
}

/// One bad answer in the middle, whether or not the call did its work: all is done once.
#[test]
fn a_run_gets_over_a_bad_answer_fake_bd_1_3_0_git() {
    for (on, kind, applied) in [
        ("--claim", "die", true),
        ("--claim", "die", false),
        ("--claim", "empty", true),
        ("close", "die", true),
        ("close", "rubbish", false),
        ("comments add", "cut", true),
        ("comments add", "die", false),
        ("list", "rubbish", false),
        ("*", "busy", false),
    ] {
        let (fixture, work) = fixture();
        // The opening is over when the first claim is made.
        let skip = match on {
            "*" => 6,
            "list" => 3,
            _ => 0,
        };
        faults(
            &fixture,
            &json!([{ "on": on, "kind": kind, "applied": applied, "skip": skip }]),
        );
        let said = fixture.run(&work, 2, &[]);
        // Nobody else is to meet one that the run did not.
        faults(&fixture, &json!([]));
        let shown = format!("{on} {kind} {applied}: {}", said.stderr);
        assert_eq!(said.code, Some(0), "{shown}");
        assert_done(&fixture, &work, &said.object());
        for key in work.ids.keys() {
            let comments = fixture.comments(&work, key);
            assert_eq!(
                comments.iter().filter(|text| text.contains("#1)")).count(),
                1,
                "{shown}\n{comments:?}"
            );
        }
        assert_eq!(fixture.log.attempts("start").len(), 3, "{shown}");
    }
}

/// Somebody else takes a bead between the listing and the claim: it is theirs, and the rest is worked.
#[test]
fn a_bead_that_somebody_took_is_left_to_them_fake_bd_1_3_0_git() {
    let (fixture, work) = fixture();
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let coordinator = fixture.start(&work, 1, &[]);
    fixture.log.wait_for("saw", 1);
    let first = fixture.log.events()[0].task.clone();
    let other = if first == work.id("a") { "b" } else { "a" };
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    tracker.bd_json(&[
        "update",
        work.id(other),
        "--claim",
        "--json",
        "--actor",
        "somebody",
    ]);
    fixture.open_gate();
    let report = coordinator.wait().exits(21).object();
    assert_eq!(
        crate::fixture::task(&report, work.id(other))["state"],
        "skipped",
        "{report:#}"
    );
    let tasks = fixture.tasks(&work);
    assert_eq!(
        tasks[work.id(other)],
        ("in_progress".to_owned(), Some("somebody".to_owned()))
    );
    assert_eq!(tasks[&first].0, "closed");
    assert_eq!(tasks[work.id("c")].0, "open");
    assert_eq!(fixture.log.attempts("start").len(), 1);
    fixture.assert_no_process();
}

/// A verified bead that mesh may not close is given back, and no later run does it again.
#[test]
fn a_bead_that_is_not_closed_is_given_back_fake_bd_1_3_0_git() {
    not_closed_is_given_back(FAKE_BD_GIT);
}

#[test]
fn a_bead_that_is_not_closed_is_given_back_real_bd_1_3_0_jj_0_45_1() {
    not_closed_is_given_back(crate::fixture::BD_1_3_0_JJ);
}

fn not_closed_is_given_back(backends: crate::fixture::Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &["a"]), job("c", &["a"])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.configure("[tracker]\nclose = \"never\"\n");
    fixture.run(&work, 2, &[]).exits(0).object();
    for (id, task) in fixture.tasks(&work) {
        assert_eq!(task, ("open".to_owned(), None), "{id}");
    }
    fixture.assert_nothing_left(&work);
    let said = fixture.run(&work, 2, &[]).exits(0);
    assert!(said.stderr.contains("nothing to do"), "{}", said.stderr);
    assert_eq!(fixture.log.attempts("start").len(), 3);
}

/// Waits until the fake is in a call that never answers, and gives its process.
#[track_caller]
fn in_a_call_without_answer(fixture: &Fixture) -> Pid {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let hung = || {
        let calls = tracker.calls();
        let call = calls.iter().find(|call| call["fault"] == "hang")?;
        Pid::from_raw(i32::try_from(call["pid"].as_i64()?).ok()?)
    };
    wait_until(
        "a call",
        || hung().is_some(),
        || format!("{:?}", tracker.calls().last()),
    );
    hung().expect("it was just there")
}

/// bd hangs before a run has begun: a person can leave, and nothing has changed.
#[test]
fn a_start_that_bd_keeps_waiting_can_be_left_fake_bd_1_3_0_git() {
    let (fixture, work) = fixture();
    let before = snapshot::everything(&fixture);
    faults(&fixture, &json!([{ "on": "list", "kind": "hang" }]));
    let coordinator = fixture.start(&work, 2, &[]);
    let bd = in_a_call_without_answer(&fixture);
    coordinator.signal(Signal::INT);
    let said = coordinator.wait();
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(
        said.stderr
            .contains("interrupted before anything was started"),
        "{}",
        said.stderr
    );
    let _ = kill_process(bd, Signal::KILL);
    faults(&fixture, &json!([]));
    assert_eq!(before, snapshot::everything(&fixture));
    fixture.run(&work, 2, &[]).ends(0);
}

/// bd hangs in the middle of a run: a person can leave, and a later resume loses nothing and closes each bead after its needs.
#[test]
fn a_run_that_bd_keeps_waiting_can_be_left_fake_bd_1_3_0_git() {
    let (fixture, work) = fixture();
    faults(&fixture, &json!([{ "on": "close", "kind": "hang" }]));
    let coordinator = fixture.start(&work, 2, &[]);
    let bd = in_a_call_without_answer(&fixture);
    for heard in ["no new starts", "stopping the agents"] {
        coordinator.signal(Signal::INT);
        wait_until(
            heard,
            || coordinator.stderr().contains(heard),
            || coordinator.stderr(),
        );
    }
    coordinator.signal_if_alive(Signal::INT);
    coordinator.wait().ends(130);
    // Otherwise the resume gives it half a minute to come to an end.
    let _ = kill_process(bd, Signal::KILL);
    let said = fixture.mesh(&["resume", "--json"]).exits(0);
    assert!(!said.stderr.contains("not told"), "{}", said.stderr);
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&fixture, &work, &said.object());
    for key in work.ids.keys() {
        let comments = fixture.comments(&work, key);
        let ends = comments.iter().filter(|text| text.contains("verified"));
        assert_eq!(ends.count(), 1, "{key}: {comments:?}");
    }
}

//! A tracker that hangs or refuses in each place of a run: what the run says, how it ends, and that a later `resume` makes it good.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::epic::assert_done;
use crate::fixture::{Fixture, Work};
use crate::log::wait_until;
use crate::tracker_faults::{self, faults};

/// As there, with limits that a test can wait for.
fn fixture() -> (Fixture, Work) {
    let (fixture, work) = tracker_faults::fixture();
    fixture.configure("[tracker]\nread_limit = \"20s\"\nwrite_limit = \"1s\"\n");
    (fixture, work)
}

/// The entries of the audit that attempts of mesh have left, a line each: kind, issue, and what tells them apart.
fn audit(fixture: &Fixture) -> Vec<String> {
    let entry = |line: &Value| {
        let what = ["prompt", "response", "tool_name"]
            .into_iter()
            .find(|field| line[field].is_string())?;
        Some(format!("{} {what}", line["issue_id"].as_str()?))
    };
    let mut entries: Vec<String> = fixture.interactions().iter().filter_map(entry).collect();
    entries.sort();
    entries
}

/// Each attempt has a prompt, an answer and a call, each once.
#[track_caller]
fn assert_audit_is_whole(fixture: &Fixture, work: &Work) {
    let mut wanted: Vec<String> = work
        .ids
        .values()
        .flat_map(|id| ["prompt", "response", "tool_name"].map(|what| format!("{id} {what}")))
        .collect();
    wanted.sort();
    assert_eq!(audit(fixture), wanted);
    let checked = fixture
        .mesh(&["audit", "check", "--json"])
        .exits(0)
        .object();
    assert_eq!(checked["missing"], json!([]), "{checked:#}");
}

/// A claim that never answers, once: the call is ended in time and the tracker is looked at.
#[test]
fn a_claim_that_never_answers_holds_a_run_up_and_no_more_fake_bd_1_3_0_git() {
    for applied in [true, false] {
        let (fixture, work) = fixture();
        faults(
            &fixture,
            &json!([{ "on": "--claim", "kind": "hang", "applied": applied }]),
        );
        let said = fixture.run(&work, 2, &[]).exits(0);
        assert_done(&fixture, &work, &said.object());
        // An attempt that did not come to an agent has an entry of its own.
        fixture.mesh(&["audit", "check"]).ends(0);
    }
}

/// A bead that the tracker does not close: the run says so and does not end as done; `resume` closes it, and nothing runs again.
#[test]
fn a_close_that_is_not_taken_ends_with_20_and_is_made_good_fake_bd_1_3_0_git() {
    for kind in ["hang", "exit-1", "busy"] {
        let (fixture, work) = fixture();
        let on_close = |on: &str| json!({ "on": on, "kind": kind, "times": 99 });
        faults(&fixture, &json!([on_close("close"), on_close("batch")]));
        let said = fixture.run(&work, 2, &[]).exits(20);
        let report = said.object();
        assert_eq!(report["state"], "incomplete", "{kind}: {report:#}");
        for id in work.ids.values() {
            let task = crate::fixture::task(&report, id);
            assert_eq!(task["state"], "verified", "{kind}: {report:#}");
            let reason = task["reason"].as_str().unwrap_or_default();
            assert!(reason.contains("not closed"), "{kind}: {reason}");
        }
        let why = fixture.mesh(&["why", work.id("a")]).exits(0);
        assert!(why.stdout.contains("`mesh resume` tries again"), "{why:?}");
        faults(&fixture, &json!([]));
        let said = fixture.mesh(&["resume", "--json"]).exits(0);
        assert_done(&fixture, &work, &said.object());
        assert_eq!(fixture.log.attempts("start").len(), 3, "{kind}");
        assert_audit_is_whole(&fixture, &work);
        let said = fixture.mesh(&["resume"]).exits(0);
        assert!(said.stdout.contains("nothing to do"), "{said:?}");
    }
}

/// A comment that the tracker does not take is named; the beads are closed all the same.
#[test]
fn a_comment_that_is_not_taken_is_named_fake_bd_1_3_0_git() {
    let (fixture, work) = fixture();
    let refuse = |on: &str| json!({ "on": on, "kind": "exit-1", "times": 99 });
    faults(&fixture, &json!([refuse("comments add"), refuse("import")]));
    let said = fixture.run(&work, 2, &[]).exits(0);
    assert!(
        said.stderr.contains("the comment was not written"),
        "{}",
        said.stderr
    );
    for (id, task) in fixture.tasks(&work) {
        assert_eq!(task.0, "closed", "{id}");
    }
}

/// An audit that the tracker does not take is named, and `resume` records each entry once.
#[test]
fn an_audit_that_is_not_taken_is_recorded_by_resume_fake_bd_1_3_0_git() {
    for kind in ["exit-1", "die"] {
        let (fixture, work) = fixture();
        // Some are recorded, and of some nobody knows.
        faults(
            &fixture,
            &json!([
                { "on": "audit record", "kind": kind, "skip": 2, "times": 3, "applied": kind == "die" },
                { "on": "audit record", "kind": kind, "times": 99 },
            ]),
        );
        let said = fixture.run(&work, 2, &[]).exits(0);
        let missing = "not in the tracker's audit";
        assert!(said.stderr.contains(missing), "{kind}: {}", said.stderr);
        let checked = fixture.mesh(&["audit", "check"]).exits(20);
        assert!(checked.stdout.contains("missing: "), "{checked:?}");
        faults(&fixture, &json!([]));
        fixture.mesh(&["resume"]).ends(0);
        assert_audit_is_whole(&fixture, &work);
        assert_eq!(fixture.log.attempts("start").len(), 3, "{kind}");
    }
}

/// A coordinator that is killed between a call's effect and its record: each comment and each entry is there once.
#[test]
fn a_kill_after_a_call_leaves_everything_once_fake_bd_1_3_0_git() {
    for on in ["comments add", "close", "audit record"] {
        let (fixture, work) = fixture();
        fixture.configure("[tracker]\nwrite_limit = \"60s\"\n");
        faults(
            &fixture,
            &json!([{ "on": on, "kind": "hang", "applied": true }]),
        );
        let coordinator = fixture.start(&work, 2, &[]);
        let tracker = fixture.tracker.as_ref().expect("a tracker");
        let hung = || {
            let calls = tracker.calls();
            let call = calls.iter().find(|call| call["fault"] == "hang")?;
            Pid::from_raw(i32::try_from(call["pid"].as_i64()?).ok()?)
        };
        wait_until(
            on,
            || hung().is_some(),
            || format!("{:?}", tracker.calls().last()),
        );
        let bd = hung().expect("it was just there");
        coordinator.kill();
        let _ = kill_process(bd, Signal::KILL);
        faults(&fixture, &json!([]));
        let said = fixture.mesh(&["resume", "--json"]).exits(0);
        assert_done(&fixture, &work, &said.object());
        for key in work.ids.keys() {
            let comments = fixture.comments(&work, key);
            let ends = comments.iter().filter(|text| text.contains("#1)"));
            assert_eq!(ends.count(), 1, "{on} {key}: {comments:?}");
        }
        assert_audit_is_whole(&fixture, &work);
    }
}

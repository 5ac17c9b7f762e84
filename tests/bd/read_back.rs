//! Writes whose end says nothing: they are looked for and never repeated.

use mesh_bd::{AuditEntry, BdError};
use mesh_core::issue::IssueStatus;
use serde_json::json;

use crate::faults::{Fixture, fixture, impatient};
use crate::support::{id, pairs};

/// Ends after which nothing is known about a write.
const SILENT: [&str; 5] = ["die", "rubbish", "cut", "empty", "exit-1"];

/// A write, and how often the tracker has it.
struct Write {
    /// Words of its call.
    on: &'static str,
    make: fn(&Fixture) -> Result<(), BdError>,
    times: fn(&Fixture) -> usize,
}

const CLAIM: Write = Write {
    on: "--claim",
    make: |f| {
        let metadata = pairs(&[("mesh.run", "r1")]);
        let claimed = f.tracker.claim(&f.task, "mesh-1", &metadata)?;
        assert!(claimed.is_leased, "also if it was found by looking");
        Ok(())
    },
    times: |f| usize::from(shown(f).assignee.as_deref() == Some("mesh-1")),
};

const RELEASE: Write = Write {
    on: "--if-assignee",
    make: |f| f.tracker.release(&f.task, "mesh-1"),
    times: |f| usize::from(shown(f).assignee.is_none()),
};

const CLOSE: Write = Write {
    on: "close",
    make: |f| f.tracker.close(&f.task, "mesh-1", "done"),
    times: |f| usize::from(shown(f).status == IssueStatus::Closed),
};

const COMMENT: Write = Write {
    on: "comments add",
    make: |f| {
        let text = "Verified.\n\n(mesh r1 t-1#1)\n";
        f.tracker.comment(&f.task, "mesh", text).map(|_| ())
    },
    times: |f| f.tracker.comments(&f.task).expect("comments").len(),
};

const AUDIT: Write = Write {
    on: "audit record",
    make: |f| {
        let entry = AuditEntry::LlmPrompt {
            issue: f.task.clone(),
            model: "m".into(),
            prompt: "p".into(),
        };
        f.tracker.audit(&entry, "mesh").map(|_| ())
    },
    times: |f| {
        let trail = f.repo.beads_dir().join("interactions.jsonl");
        let trail = fs_err::read_to_string(trail).unwrap_or_default();
        trail
            .lines()
            .filter(|line| line.contains("llm_call"))
            .count()
    },
};

const SWARM: Write = Write {
    on: "swarm create",
    make: |f| f.tracker.swarm_create(&f.task, "mesh").map(|_| ()),
    times: |f| {
        let issues = f.tracker.listing().expect("a listing").issues;
        let is_swarm = |title: &str| title.starts_with("Swarm: ");
        issues
            .values()
            .filter(|issue| is_swarm(&issue.title))
            .count()
    },
};

fn shown(fixture: &Fixture) -> mesh_core::issue::Issue {
    fixture.tracker.show(&fixture.task).expect("the bead")
}

/// After each silent end `write` is found if it happened, and if not it is an error, and it is never made twice.
fn check(before: &[&Write], write: &Write) {
    for kind in SILENT {
        let fixture = fixture();
        for write in before {
            (write.make)(&fixture).expect("nothing is wrong yet");
        }
        let (had, heard) = ((write.times)(&fixture), fixture.heard.lines().len());
        let about = format!("{} {kind}", write.on);
        let fault = |applied: bool| {
            let fault = json!([{ "on": write.on, "kind": kind, "applied": applied }]);
            fixture.repo.script(&fault);
        };
        fault(false);
        let failure = (write.make)(&fixture).expect_err(&about);
        assert!(
            !matches!(failure, BdError::Refused(_) | BdError::InDoubt { .. }),
            "{about}: {failure:?}"
        );
        assert_eq!((write.times)(&fixture), had, "{about}: it is not made up");
        fault(true);
        (write.make)(&fixture).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!((write.times)(&fixture), had + 1, "{about}: it is found");
        let calls = &fixture.heard.lines()[heard..];
        let made = calls.iter().filter(|line| line.contains(write.on));
        assert_eq!(made.count(), 2, "{about}: once each time: {calls:?}");
    }
}

#[test]
fn a_claim_is_looked_for() {
    check(&[], &CLAIM);
}

#[test]
fn a_release_is_looked_for() {
    check(&[&CLAIM], &RELEASE);
}

#[test]
fn a_close_is_looked_for() {
    check(&[&CLAIM], &CLOSE);
}

#[test]
fn a_comment_is_looked_for() {
    check(&[], &COMMENT);
}

/// An older entry with the same words is another one.
#[test]
fn an_audit_entry_is_looked_for_behind_what_was_there() {
    check(&[&AUDIT], &AUDIT);
}

#[test]
fn a_swarm_is_looked_for() {
    check(&[], &SWARM);
}

#[test]
fn a_silent_claim_beside_anothers_is_refused() {
    let Fixture {
        repo,
        tracker,
        task,
        ..
    } = fixture();
    tracker.claim(&task, "mesh-2", &[]).expect("a claim");
    repo.script(&json!([{ "on": "--claim", "kind": "die" }]));
    match tracker.claim(&task, "mesh-1", &[]) {
        Err(BdError::Refused(refusal)) => assert_eq!(
            refusal.to_string(),
            format!("the tracker refuses to claim {task}: mesh-2 has it")
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_claim_of_the_same_name_is_not_taken_for_this_one() {
    let Fixture {
        repo,
        tracker,
        task,
        ..
    } = fixture();
    tracker
        .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r1")]))
        .expect("a claim of an earlier run");
    repo.script(&json!([{ "on": "--claim", "kind": "die" }]));
    let failure = tracker
        .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r2")]))
        .expect_err("not this run's");
    assert!(failure.is_transient(), "{failure:?}");
}

#[test]
fn a_write_killed_at_its_limit_is_looked_for() {
    let Fixture {
        repo,
        tracker,
        task,
        ..
    } = impatient();
    tracker.claim(&task, "mesh-1", &[]).expect("a claim");
    repo.script(&json!([{ "on": "close", "kind": "hang", "applied": true }]));
    tracker
        .close(&task, "mesh-1", "done")
        .expect("it was closed before it hung");
    let other = id(&repo.create("task", "other", &[]));
    repo.script(&json!([{ "on": "close", "kind": "hang" }]));
    let failure = tracker
        .close(&other, "mesh", "done")
        .expect_err("it hung first");
    assert_eq!(
        failure,
        BdError::TimedOut {
            command: format!("close {other}"),
            limit_ms: 3000
        }
    );
}

#[test]
fn a_doubt_that_cannot_be_cleared_is_said() {
    let Fixture {
        repo,
        tracker,
        task,
        ..
    } = fixture();
    repo.script(&json!([{ "on": "close", "kind": "die", "applied": true }, { "on": "show", "kind": "die", "times": 9 }]));
    let failure = tracker
        .close(&task, "mesh", "done")
        .expect_err("nothing can be seen");
    assert!(matches!(&failure, BdError::InDoubt { .. }), "{failure:?}");
    assert!(
        failure
            .to_string()
            .contains("whether it happened is unknown"),
        "{failure}"
    );
}

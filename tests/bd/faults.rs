//! A `bd` that is busy, hangs, floods, lies or dies: reads are tried once more, and what cannot be read is said.

use std::time::Duration;

use mesh_bd::{BdError, Tracker};
use mesh_core::id::TaskId;
use mesh_testkit::tracker::Bd;
use serde_json::json;

use crate::support::{FAKE, Heard, TrackerRepo, id, setup};

/// How long a call may take here before it is killed: longer than any that works, even on a machine that is busy.
const SHORT: Duration = Duration::from_secs(3);

pub struct Fixture {
    pub repo: TrackerRepo,
    pub tracker: Box<dyn Tracker>,
    pub heard: Heard,
    pub task: TaskId,
}

/// A tracker with one bead and an opened tracker.
pub fn fixture() -> Fixture {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let task = id(&repo.create("task", "work", &[]));
    let tracker = mesh_bd::open(&setup(&repo)).expect("an opened tracker");
    with_tracker(repo, task, tracker)
}

/// As [`fixture`], for calls that have to be killed at their time limit.
pub fn impatient() -> Fixture {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let task = id(&repo.create("task", "work", &[]));
    let mut setup = setup(&repo);
    setup.limits.read = SHORT;
    setup.limits.write = SHORT;
    let tracker = mesh_bd::open(&setup).expect("an opened tracker");
    with_tracker(repo, task, tracker)
}

fn with_tracker(repo: TrackerRepo, task: TaskId, mut tracker: Box<dyn Tracker>) -> Fixture {
    let heard = Heard::listen(&mut *tracker);
    Fixture {
        repo,
        tracker,
        heard,
        task,
    }
}

#[test]
fn a_read_is_tried_once_more() {
    for kind in ["busy", "rubbish", "cut", "empty", "die"] {
        let Fixture {
            repo,
            tracker,
            heard,
            ..
        } = fixture();
        repo.script(&json!([{ "on": "list", "kind": kind }]));
        let listing = tracker.listing().unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(listing.issues.len(), 1, "{kind}");
        assert_eq!(heard.lines().len(), 2, "{kind}");

        repo.script(&json!([{ "on": "list", "kind": kind, "times": 9 }]));
        let failure = tracker.listing().expect_err(kind);
        assert!(failure.is_transient(), "{kind}: {failure:?}");
        assert_eq!(heard.lines().len(), 4, "{kind}: at most twice");
    }
}

#[test]
fn an_empty_answer_is_never_an_empty_tracker() {
    let Fixture { repo, tracker, .. } = fixture();
    repo.script(&json!([{ "on": "list", "kind": "empty", "times": 9 }]));
    let failure = tracker.listing().expect_err("no listing");
    assert!(
        matches!(&failure, BdError::Unreadable { .. }),
        "{failure:?}"
    );
    let text = failure.to_string();
    assert!(
        text.contains("an array of issues is not in its answer"),
        "{text}"
    );
}

#[test]
fn an_unreadable_answer_is_shown_shortly() {
    let Fixture { repo, tracker, .. } = fixture();
    repo.script(&json!([{ "on": "list", "kind": "rubbish", "times": 9 }]));
    match tracker.listing().expect_err("no listing") {
        BdError::Unreadable { command, got, .. } => {
            assert_eq!(command, "list");
            assert!(
                got.contains("panic: not JSON at all") && got.len() < 250,
                "{got}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hanging_read_is_killed() {
    let Fixture {
        repo,
        tracker,
        heard,
        ..
    } = impatient();
    repo.script(&json!([{ "on": "list", "kind": "hang", "times": 9 }]));
    let failure = tracker.listing().expect_err("no listing");
    assert_eq!(
        failure,
        BdError::TimedOut {
            command: "list".into(),
            limit_ms: 3000
        }
    );
    assert_eq!(heard.lines().len(), 2, "tried once more");
}

#[test]
fn a_flood_is_cut_off_and_not_repeated() {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let mut setup = setup(&repo);
    setup.limits.output_bytes = 1 << 20;
    let tracker = mesh_bd::open(&setup).expect("an opened tracker");
    let Fixture {
        repo,
        tracker,
        heard,
        ..
    } = with_tracker(repo, id("t-1"), tracker);
    repo.script(&json!([{ "on": "list", "kind": "flood", "times": 9 }]));
    let failure = tracker.listing().expect_err("no listing");
    assert_eq!(
        failure,
        BdError::TooMuchOutput {
            command: "list".into(),
            limit_bytes: 1 << 20
        }
    );
    assert_eq!(heard.lines().len(), 1);
}

#[test]
fn an_unknown_call_fails_loudly_in_the_fake() {
    let Fixture { repo, .. } = fixture();
    let calls: [&[&str]; 5] = [
        &["delete", "t-1"],
        &["list", "--json", "--sort", "id"],
        &["list"],
        &["mol", "burn", "x"],
        &["update", "t-1", "-s", "open"],
    ];
    for call in calls {
        let output = repo.bd(call);
        assert_eq!(
            output.status.to_string(),
            "exit code 98",
            "{call:?}: {output:?}"
        );
        assert!(
            output.stderr_text().contains("fake-bd does not know"),
            "{call:?}"
        );
    }
}
